"""Indoor scenes from a seed: rooms, corridors and halls with furniture, people, doors and lights.

One seed gives one scene.
"""
import math

import mujoco
import numpy as np

from . import furniture
from .architecture import WALL, Architect, Opening, Wall, divide, room_walls
from .builder import Builder
from .furniture import Item, Part, Recipe
from .paths import Floor, Path, drive
from .scene import Carriage, Mover, Scene, Visit

KINDS = ('room', 'corridor', 'hall')
BOLD = 'bold'
MATERIALS = ('usual', BOLD)
BOX = Item(0.4, 0.4, [Part('box', (0, 0, 0.3), (0.2, 0.2, 0.3), (0.55, 0.4, 0.25), 0)])  # visits
NEAREST = 0.3  # metres that moving things keep from the camera, beyond half their size


def _size(rng: np.random.Generator, kind: str) -> tuple[float, float, float]:
    """Return length, width and height of the main room."""
    if kind == 'corridor':
        return rng.uniform(7, 20), rng.uniform(1.4, 3.0), rng.uniform(2.2, 3.2)
    if kind == 'hall':
        return rng.uniform(8, 18), rng.uniform(7, 14), rng.uniform(2.8, 5.5)
    return rng.uniform(3.2, 8), rng.uniform(3.0, 6.5), rng.uniform(2.2, 3.2)


def _furnish(builder: Builder, floor: Floor, walls: list[Wall], kind: str,
             openings: list[list[Opening]]) -> None:
    """Put furniture along the walls and into the room, leaving ways."""
    rng = builder.rng
    for wall, gaps in zip(walls, openings, strict=True):
        for first, last, _ in gaps:
            x, y = wall.at((first + last) / 2, 0.4)
            reach = np.abs(wall.along) * (last - first) + np.abs(wall.inward) * 1.0
            floor.take(x, y, *(reach + 0.1))
    area = floor.length * floor.width
    crowd = rng.uniform(0.25, 1.0)
    for _ in range(int(crowd * {'room': 24, 'corridor': 16, 'hall': 40}[kind])):
        _place_at_wall(builder, floor, walls[rng.integers(4)], kind)
    for _ in range(int(crowd * min(area / 2.5, 40) * (0.4 if kind == 'corridor' else 1))):
        item = _pick(rng, furniture.FREE_STANDING)
        heading = rng.uniform(0, 2 * math.pi)
        c, s = abs(math.cos(heading)), abs(math.sin(heading))
        length, depth = item.length * c + item.depth * s, item.length * s + item.depth * c
        if max(length, depth) > min(floor.length, floor.width) - 1.0:
            continue
        x = rng.uniform(length / 2, floor.length - length / 2)
        y = rng.uniform(depth / 2, floor.width - depth / 2)
        if floor.free(x, y, length, depth):
            floor.take(x, y, length, depth)
            builder.item(item, np.array([x, y]), heading)


def _pick(rng: np.random.Generator, recipes: tuple[Recipe, ...]) -> Item:
    return recipes[rng.integers(len(recipes))](rng)


def _place_at_wall(builder: Builder, floor: Floor, wall: Wall, kind: str) -> None:
    rng = builder.rng
    item = _pick(rng, furniture.AGAINST_WALLS)
    deepest = 0.4 * min(floor.width, floor.length) if kind != 'corridor' else floor.width - 1.1
    if item.length > wall.length - 0.2 or item.depth > deepest:
        return
    place = wall.at(rng.uniform(item.length / 2, wall.length - item.length / 2),
                    item.depth / 2 + rng.uniform(0.01, 0.06))
    size = np.abs(wall.along) * item.length + np.abs(wall.inward) * item.depth
    if floor.free(*place, *(size - 0.02)):
        floor.take(*place, *size)
        builder.item(item, place, math.atan2(wall.inward[1], wall.inward[0]) - math.pi / 2)


def _side_room(builder: Builder, architect: Architect, wall: Wall, a: float, b: float,
               opening: Opening) -> None:
    """Build a room behind the part a to b of a wall, seen through an opening."""
    rng = builder.rng
    depth = rng.uniform(1.5, 5.0)
    corners = np.array([wall.at(a, -WALL), wall.at(b, -WALL - depth)])
    x0, y0 = corners.min(axis=0)
    x1, y1 = corners.max(axis=0)
    ground, cover, ceiling = architect.coverings()
    architect.level(x0, y0, x1, y1, 0.0, ground)
    architect.level(x0, y0, x1, y1, architect.height, ceiling)
    floor = Floor(x1 - x0, y1 - y0)
    shift = np.array([x0, y0])
    for each in room_walls(x0, y0, x1, y1):
        gaps: list[Opening] = []
        if np.dot(each.inward, wall.inward) < -0.5:  # the wall that both rooms share
            ends = [np.dot(wall.at(end, -WALL) - each.origin, each.along) for end in opening[:2]]
            gaps = [(min(ends), max(ends), opening[2])]
        architect.wall(each, gaps, cover)
        architect.on_wall(each, gaps)
        if not gaps:
            inside = Wall(each.origin - shift, each.along, each.inward, each.length)
            for _ in range(rng.integers(0, 4)):
                _place_side(builder, floor, inside, shift)


def _place_side(builder: Builder, floor: Floor, wall: Wall, shift: np.ndarray) -> None:
    rng = builder.rng
    item = _pick(rng, furniture.AGAINST_WALLS)
    if item.length > wall.length - 0.1 or item.depth > 0.5 * min(floor.length, floor.width):
        return
    place = wall.at(rng.uniform(item.length / 2, wall.length - item.length / 2),
                    item.depth / 2 + 0.02)
    size = np.abs(wall.along) * item.length + np.abs(wall.inward) * item.depth
    if floor.free(*place, *(size - 0.01)):
        floor.take(*place, *size)
        builder.item(item, place + shift,
                     math.atan2(wall.inward[1], wall.inward[0]) - math.pi / 2)


def _light(builder: Builder, length: float, width: float, height: float) -> np.ndarray:
    """Add lamps, daylight and what is everywhere; return the lights' flicker."""
    rng, spec = builder.rng, builder.spec
    ambient = rng.uniform(0.3, 0.65)
    warmth = np.array([1 + rng.uniform(0, 0.12), 1.0, 1 - rng.uniform(-0.08, 0.25)])
    spec.visual.headlight.active = 1
    spec.visual.headlight.ambient = ambient * warmth / warmth.max()
    spec.visual.headlight.diffuse = np.full(3, rng.uniform(0, 0.4))
    spec.visual.headlight.specular = np.zeros(3)
    glow = builder.material(np.full((8, 8, 3), 255, np.uint8), cube=True, emission=1.0)
    lamps = rng.integers(1, 4)
    power = rng.uniform(0.6, 1.4) / lamps ** 0.6
    for i in range(lamps):
        x = length * (i + rng.uniform(0.3, 0.7)) / lamps
        y = width * rng.uniform(0.25, 0.75)
        spec.worldbody.add_light(
            # a spot of 180 degrees shines everywhere; MuJoCo 3 renders no other lamp
            type=mujoco.mjtLightType.mjLIGHT_SPOT, cutoff=180, exponent=0,
            pos=[x, y, height - 0.15], dir=[0, 0, -1],
            diffuse=power * warmth / warmth.max(), specular=np.full(3, 0.2), ambient=np.zeros(3),
            attenuation=[1, rng.uniform(0, 0.15), rng.uniform(0, 0.03)],
            castshadow=builder.shadows and i == 0)
        half = (rng.uniform(0.1, 0.6), rng.uniform(0.06, 0.3))
        builder.box((x - half[0], y - half[1], height - 0.04),
                    (x + half[0], y + half[1], height + 0.02), np.ones(3), glow)
    lights = lamps
    if rng.random() < 0.5:  # daylight from one side
        side = rng.uniform(0, 2 * math.pi)
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[length / 2, width / 2, height],
            dir=[math.cos(side), math.sin(side), -rng.uniform(0.3, 1.5)],
            diffuse=rng.uniform(0.1, 0.35) * np.array([0.92, 0.97, 1.0]), specular=np.zeros(3),
            ambient=np.zeros(3), castshadow=False)
        lights += 1
    changing = rng.random() < 0.5
    return np.column_stack([
        rng.uniform(0.1, 0.6, lights) * changing, rng.integers(1, 8, lights),
        rng.uniform(0, 1, lights)]).astype(float)


def _movers(builder: Builder, floor: Floor, path: Path, kind: str) -> list[Mover]:
    """Add things that move and never come too near to the camera."""
    rng, movers = builder.rng, []
    turns = np.linspace(0, 1, 240, endpoint=False)
    camera = np.array([path.at(turn * path.period)[0] for turn in turns])
    for _ in range(rng.integers(0, {'room': 3, 'corridor': 4, 'hall': 6}[kind])):
        item = _pick(rng, furniture.MOVING)
        reach = max(item.length, item.depth) / 2
        for _ in range(12):
            start = rng.uniform(0, 1, 2) * (floor.length, floor.width)
            end = rng.uniform(0, 1, 2) * (floor.length, floor.width)
            distance = np.linalg.norm(end - start)
            if distance < 0.6:
                continue
            line = start + (end - start) * np.linspace(0, 1, int(distance / 0.1) + 2)[:, None]
            if not floor.room_for(line, reach):
                continue
            speed = rng.uniform(0.3, 1.4)
            mover = Mover(start, end, max(1, round(path.period * speed / (2 * distance))),
                          float(rng.uniform()))
            places = np.array([mover.at(turn)[0] for turn in turns])
            if np.linalg.norm(places - camera, axis=1).min() < reach * 1.5 + NEAREST:
                continue
            movers.append(mover)
            builder.item(item, start, 0.0, moving=True)
            break
    return movers


def _visit(builder: Builder, floor: Floor, path: Path, begin: float, end: float) -> Visit | None:
    """Add a box that stands before the camera from one time to another, in seconds.

    When it goes it is 1 to 1.8 m away, where the view is most open; None where nothing is.
    """
    place, heading = path.at(end)
    headings = heading + np.radians([0, -10, 10, -20, 20])
    sights = floor.sight(np.repeat(place[None], 5, axis=0), headings)
    sight, heading = sights.max(), headings[sights.argmax()]
    if sight < 1.6:
        return None
    ahead = np.array([math.cos(heading), math.sin(heading)])
    builder.item(BOX, place, 0.0, moving=True)
    return Visit(place + ahead * min(1.8, sight - 0.6), begin / path.period, end / path.period,
                 (BOX.length, BOX.depth))


def make_scene(
    seed: int, kind: str | None = None, shadows: bool = False,
    visit: tuple[float, float] | None = None, materials: str = 'usual',
) -> Scene:
    """Return the scene of a seed (0 or more): the same one for the same arguments.

    kind: 'room', 'corridor' or 'hall'; None draws it. shadows: one lamp casts shadows, which
    makes rendering slower. visit: a box stands before the camera from one time to another, in
    seconds, where there is room for it. materials: 'usual', or 'bold' for patterns of bright and
    dark on everything. Raises ValueError for another kind or a negative seed.
    """
    if seed < 0:
        raise ValueError(f'the seed of a scene is {seed}; it must be 0 or more')
    if kind is not None and kind not in KINDS:
        raise ValueError(f"there is no kind of scene '{kind}'; it must be {', '.join(KINDS)}")
    if materials not in MATERIALS:
        raise ValueError(f"there are no materials '{materials}', only {', '.join(MATERIALS)}")
    rng = np.random.default_rng([seed, KINDS.index(kind) + 1 if kind else 0])
    kind = kind or KINDS[rng.choice(3, p=[0.5, 0.3, 0.2])]
    builder = Builder(rng, shadows, bold=materials == BOLD)
    length, width, height = _size(rng, kind)
    architect = Architect(builder, height)
    ground, cover, ceiling = architect.coverings()
    architect.level(0, 0, length, width, 0.0, ground)
    architect.level(0, 0, length, width, height, ceiling)
    walls, openings = room_walls(0, 0, length, width), []
    accent = architect.coverings()[1] if rng.random() < 0.3 else cover
    for i, wall in enumerate(walls):
        parts = divide(rng, wall, height, 0.5 if kind == 'corridor' else 0.3)
        openings.append([opening for _, _, opening in parts])
        architect.wall(wall, openings[-1], accent if i == 0 else cover)
        architect.on_wall(wall, openings[-1])
        for a, b, opening in parts:
            architect.doorway(wall, opening)
            _side_room(builder, architect, wall, a, b, opening)
    floor = Floor(length, width)
    _furnish(builder, floor, walls, kind, openings)
    path = drive(rng, floor)
    movers: list[Mover | Visit] = [*_movers(builder, floor, path, kind)]
    flicker = _light(builder, length, width, height)
    carriage = Carriage(
        height=rng.uniform(0.3, 1.5), pitch=rng.normal(0.05, 0.12), nod=rng.uniform(0, 0.08),
        roll=rng.uniform(0, 0.03), bob=rng.uniform(0, 0.02), sway=rng.uniform(0, 0.25),
        frequency=rng.uniform(0.7, 2.0))
    visitor = _visit(builder, floor, path, *visit) if visit is not None else None
    if visitor is not None:
        movers.append(visitor)
    return Scene(seed, kind, builder.spec.compile(), path, carriage, movers, flicker, visitor)
