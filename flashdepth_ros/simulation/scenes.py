"""Indoor scenes from a seed: rooms, corridors and halls with furniture, people, doors and lights.

A scene is a MuJoCo model, a closed path of the camera and things that move, all functions of time
in seconds; one seed gives one scene. The world is x, y on the floor and z up, in metres.
"""
from dataclasses import dataclass, field
import math

import mujoco
import numpy as np

from . import furniture
from .furniture import Item, Recipe
from .paths import Floor, Path, drive
from .textures import PATTERNS, hsv, make_texture

KINDS = ('room', 'corridor', 'hall')

WALL = 0.12  # metres between two rooms
NEAREST = 0.3  # metres that moving things keep from the camera, beyond half their size
FRONT = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # optical frame in a frame x ahead, z up

Geom = mujoco.mjtGeom
SHAPES = {'box': Geom.mjGEOM_BOX, 'cylinder': Geom.mjGEOM_CYLINDER, 'sphere': Geom.mjGEOM_SPHERE,
          'ellipsoid': Geom.mjGEOM_ELLIPSOID, 'capsule': Geom.mjGEOM_CAPSULE}


def _turned(axis: int, angle: float) -> np.ndarray:
    """Return the rotation (3, 3) about axis x, y or z (0, 1, 2)."""
    c, s = math.cos(angle), math.sin(angle)
    rotation = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    rotation[i, i] = rotation[j, j] = c
    rotation[i, j], rotation[j, i] = -s, s
    return rotation


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    return quaternion


@dataclass(frozen=True)
class Mover:
    """A thing that goes to and fro between two places, whole rounds in the path's period."""

    start: np.ndarray
    end: np.ndarray
    rounds: int
    phase: float

    def at(self, turn: float) -> tuple[np.ndarray, float]:
        """Return place (2,) and heading at a turn, 0 to 1, of the camera's path."""
        angle = 2 * math.pi * (self.rounds * turn + self.phase)
        way = self.end - self.start
        back = math.pi * (1 + math.tanh(-8 * math.sin(angle))) / 2  # turns around at the ends
        return (self.start + way * (1 - math.cos(angle)) / 2,
                math.atan2(way[1], way[0]) + back)


@dataclass(frozen=True)
class Carriage:
    """How the camera rides along its path: height in metres, angles in radians, bob in Hz."""

    height: float
    pitch: float
    nod: float
    roll: float
    bob: float
    sway: float
    frequency: float


@dataclass
class Scene:
    """A room, its camera's path and its changes. Make it with make_scene."""

    seed: int
    kind: str
    model: mujoco.MjModel
    path: Path
    carriage: Carriage
    movers: list[Mover]
    flicker: np.ndarray  # (lights, 3): amplitude, rounds in a period, phase
    data: mujoco.MjData = field(init=False, repr=False)

    def __post_init__(self):
        self.data = mujoco.MjData(self.model)
        self._diffuse = self.model.light_diffuse.copy()

    @property
    def period(self) -> float:
        """Seconds after which everything comes again."""
        return self.path.period

    def pose(self, time: float) -> np.ndarray:
        """Return the camera's pose, (4, 4): optical frame (x right, y down, z ahead) to world."""
        place, heading = self.path.at(time)
        ride = self.carriage
        # whole waves in a period, so that the loop closes
        waves = max(1, round(ride.frequency * self.period))
        angle = 2 * math.pi * waves * time / self.period
        slow = 2 * math.pi * time / self.period
        heading += ride.sway * math.sin(3 * slow)
        pitch = ride.pitch + ride.nod * (0.6 * math.sin(2 * slow + 1) + 0.4 * math.sin(angle))
        rotation = _turned(2, heading) @ _turned(1, pitch) @ _turned(
            0, ride.roll * math.sin(angle / 2 if waves % 2 == 0 else angle))
        pose = np.eye(4)
        pose[:3, :3] = rotation @ FRONT
        pose[:3, 3] = *place, ride.height + ride.bob * math.sin(angle)
        return pose

    def set_time(self, time: float) -> None:
        """Bring what moves and the lights to a time."""
        turn = time / self.period
        for i, mover in enumerate(self.movers):
            place, heading = mover.at(turn)
            self.data.mocap_pos[i] = *place, 0
            self.data.mocap_quat[i] = math.cos(heading / 2), 0, 0, math.sin(heading / 2)
        amplitude, rounds, phase = self.flicker.T
        light = 1 + amplitude * np.sin(2 * math.pi * (rounds * turn + phase))
        self.model.light_diffuse[:] = self._diffuse * light[:, None]
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)


class _Builder:
    """Fills a MuJoCo specification."""

    def __init__(self, rng: np.random.Generator, shadows: bool):
        self.rng, self.shadows = rng, shadows
        self.spec = spec = mujoco.MjSpec()
        spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]  # znear and zfar are metres then
        spec.visual.map.znear, spec.visual.map.zfar = 0.03, 100.0
        spec.visual.quality.offsamples = 0  # supersampled instead: its depth can be read
        spec.visual.quality.shadowsize = 1024 if shadows else 0
        spec.visual.quality.numslices, spec.visual.quality.numstacks = 16, 8
        self._count = 0
        self.surfaces = [self._cube() for _ in range(10)]
        self.plain = self.material(
            make_texture(rng, 'plain', np.ones(3), np.ones(3), 32), cube=True)

    # ---- materials ----

    def material(self, picture: np.ndarray, cube: bool, per_metre: float = 1.0,
                 emission: float = 0.0) -> str:
        self._count += 1
        name = f'm{self._count}'
        size = len(picture)
        kind = mujoco.mjtTexture.mjTEXTURE_CUBE if cube else mujoco.mjtTexture.mjTEXTURE_2D
        texture = self.spec.add_texture(
            name=name, type=kind, width=size, height=size * (6 if cube else 1), nchannel=3)
        texture.data = np.tile(picture, (6 if cube else 1, 1, 1)).tobytes()
        shiny = self.rng.random() < 0.3
        material = self.spec.add_material(
            name=name, texuniform=not cube, texrepeat=[per_metre, per_metre], emission=emission,
            specular=self.rng.uniform(0.2, 0.7) if shiny else 0.05,
            shininess=self.rng.uniform(0.2, 0.9) if shiny else 0.1)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        return name

    def _cube(self) -> str:
        """Make a bright material for things; their tints colour it."""
        rng = self.rng
        first = hsv(rng.uniform(), rng.uniform(0, 0.15), rng.uniform(0.8, 1.0))
        second = hsv(rng.uniform(), rng.uniform(0, 0.6), rng.uniform(0.25, 1.0))
        pattern = rng.choice(list(PATTERNS), p=_odds(plain=5, cloudy=4, wood=4))
        return self.material(make_texture(rng, pattern, first, second, 64), cube=True)

    def covering(self, bright: tuple[float, float], **likely: float) -> str:
        """Make the material of a floor, wall or ceiling, with values in the range `bright`."""
        rng = self.rng
        hue = rng.uniform(0.02, 0.16) if rng.random() < 0.6 else rng.uniform()
        saturation = rng.beta(1.2, 4)
        first = hsv(hue, saturation, rng.uniform(*bright))
        second = (hsv(rng.uniform(), rng.beta(1.2, 3), rng.uniform(0.1, 1)) if rng.random() < 0.3
                  else first * rng.uniform(0.5, 0.95))
        pattern = rng.choice(list(PATTERNS), p=_odds(**likely))
        return self.material(make_texture(rng, pattern, first, second), cube=False,
                             per_metre=1 / rng.uniform(0.6, 2.5))

    # ---- shapes ----

    def plane(self, center: np.ndarray, normal: np.ndarray, upward: np.ndarray,
              size: tuple[float, float], material: str) -> None:
        """Add a rectangle that is seen from where its normal points to."""
        axes = np.column_stack([np.cross(upward, normal), upward, normal])
        self.spec.worldbody.add_geom(
            type=Geom.mjGEOM_PLANE, pos=center, quat=_quaternion(axes), material=material,
            size=[size[0] / 2, size[1] / 2, 0.6], rgba=[1, 1, 1, 1])

    def box(self, low: tuple, high: tuple, tint: np.ndarray, material: str) -> None:
        a, b = np.array(low), np.array(high)
        self.spec.worldbody.add_geom(
            type=Geom.mjGEOM_BOX, pos=(a + b) / 2, size=np.abs(b - a) / 2,
            rgba=[*tint, 1], material=material)

    def item(self, item: Item, place: np.ndarray, heading: float, moving: bool = False) -> None:
        """Add a piece of furniture; a moving one is a mocap body."""
        body = self.spec.worldbody.add_body(
            pos=[*place, 0], quat=[math.cos(heading / 2), 0, 0, math.sin(heading / 2)],
            mocap=moving)
        for part in item.parts:
            size = [*part.size, 0, 0][:3]
            body.add_geom(
                type=SHAPES[part.shape], pos=part.position, size=size,
                quat=[math.cos(part.tilt / 2), math.sin(part.tilt / 2), 0, 0],
                rgba=[*part.tint, 1],
                material=self.surfaces[part.material % len(self.surfaces)]
                if part.material else self.plain)


def _odds(**likely: float) -> np.ndarray:
    weights = np.array([likely.get(name, 1.0) for name in PATTERNS])
    return weights / weights.sum()


@dataclass(frozen=True)
class _Wall:
    """An inner face of a wall: origin, unit vectors along it and into the room, its length."""

    origin: np.ndarray
    along: np.ndarray
    inward: np.ndarray
    length: float

    def at(self, a: float, inward: float = 0.0) -> np.ndarray:
        return self.origin + a * self.along + inward * self.inward


def _walls(x0: float, y0: float, x1: float, y1: float) -> list[_Wall]:
    x, y = np.array([1.0, 0]), np.array([0, 1.0])
    return [_Wall(np.array([x0, y0]), x, y, x1 - x0), _Wall(np.array([x1, y0]), y, -x, y1 - y0),
            _Wall(np.array([x1, y1]), -x, -y, x1 - x0), _Wall(np.array([x0, y1]), -y, x, y1 - y0)]


Opening = tuple[float, float, float]  # from, to along the wall, height


class _Architect:
    """Walls, floors, ceilings, doors and windows."""

    def __init__(self, builder: _Builder, height: float):
        self.build, self.rng, self.height = builder, builder.rng, height
        rng = self.rng
        self.frame = hsv(rng.uniform(), rng.beta(1, 4), rng.uniform(0.2, 1))
        self.skirting = rng.uniform(0.05, 0.15) if rng.random() < 0.6 else 0.0
        # few, and shared by the rooms: making textures and uploading them takes longest
        self._floors = [builder.covering((0.3, 0.9), wood=6, tiles=4, cloudy=4, speckles=2)
                        for _ in range(2)]
        self._walls = [builder.covering((0.55, 1.0), plain=8, cloudy=5, tiles=2)
                       for _ in range(3)]
        self._ceilings = [builder.covering((0.75, 1.0), plain=10, tiles=3, cloudy=2)]
        self._daylight = ''

    def coverings(self) -> tuple[str, str, str]:
        """Return materials of floor, walls and ceiling."""
        floor, wall, ceiling = (pool[self.rng.integers(len(pool))]
                                for pool in (self._floors, self._walls, self._ceilings))
        return floor, wall, ceiling

    def level(self, x0: float, y0: float, x1: float, y1: float, z: float, material: str) -> None:
        """Add a floor (z = 0) or a ceiling."""
        self.build.plane(np.array([(x0 + x1) / 2, (y0 + y1) / 2, z]),
                         np.array([0, 0, 1.0 if z == 0 else -1.0]), np.array([0, 1.0, 0]),
                         (x1 - x0, y1 - y0), material)

    def _panel(self, wall: _Wall, a: float, b: float, low: float, high: float,
               material: str) -> None:
        if b - a > 1e-3 and high - low > 1e-3:
            self.build.plane(np.array([*wall.at((a + b) / 2), (low + high) / 2]),
                             np.array([*wall.inward, 0]), np.array([0, 0, 1.0]),
                             (b - a, high - low), material)
            if low == 0 and self.skirting:
                self._block(wall, a, b, 0, self.skirting, 0, 0.012, self.frame)

    def _block(self, wall: _Wall, a: float, b: float, low: float, high: float, outer: float,
               inner: float, tint: np.ndarray, material: str = '') -> None:
        """Add a box on a wall; outer and inner are how far it reaches into the room."""
        first, last = wall.at(a, outer), wall.at(b, inner)
        self.build.box((*np.minimum(first, last), low), (*np.maximum(first, last), high), tint,
                       material or self.build.plain)

    def wall(self, wall: _Wall, openings: list[Opening], material: str) -> None:
        """Add a wall's face around openings, which do not overlap."""
        a = 0.0
        for first, last, top in sorted(openings):
            self._panel(wall, a, first, 0, self.height, material)
            self._panel(wall, first, last, top, self.height, material)
            a = last
        self._panel(wall, a, wall.length, 0, self.height, material)

    def doorway(self, wall: _Wall, opening: Opening) -> None:
        """Add the frame of an opening, through the thickness of the wall."""
        first, last, top = opening
        for a, b, low, high in ((first - 0.06, first, 0, top + 0.06),
                                (last, last + 0.06, 0, top + 0.06), (first, last, top, top + 0.06)):
            self._block(wall, a, b, low, high, -WALL - 0.02, 0.02, self.frame)
        self._block(wall, first, last, -0.02, 0.003, -WALL, 0, self.frame * 0.7)

    def on_wall(self, wall: _Wall, taken: list[Opening]) -> None:
        """Hang closed doors, windows, pictures and boards on a wall."""
        rng = self.rng
        for _ in range(int(wall.length / 1.5)):
            width = rng.uniform(0.4, 1.6)
            if width > wall.length - 0.4:
                continue
            a = rng.uniform(0.2, wall.length - width - 0.2)
            if any(a < last + 0.15 and a + width > first - 0.15 for first, last, _ in taken):
                continue
            what = rng.choice(['door', 'window', 'picture', 'nothing'], p=[0.2, 0.25, 0.3, 0.25])
            tint = hsv(rng.uniform(), rng.beta(1.2, 2), rng.uniform(0.2, 1))
            material = self.build.surfaces[rng.integers(len(self.build.surfaces))]
            if what == 'door':
                b = min(a + 0.9, a + width)
                self._block(wall, a - 0.06, b + 0.06, 0, 2.1, 0, 0.02, self.frame)
                self._block(wall, a, b, 0, 2.04, 0, 0.03, tint, material)
                self._block(wall, b - 0.12, b - 0.06, 1.0, 1.03, 0.03, 0.08, np.full(3, 0.6))
            elif what == 'window':
                low, high = rng.uniform(0.4, 1.1), min(self.height - 0.15, rng.uniform(1.8, 2.4))
                self._block(wall, a - 0.05, a + width + 0.05, low - 0.05, high + 0.05, 0, 0.03,
                            self.frame)
                self._block(wall, a, a + width, low, high, 0, 0.035, np.ones(3), self.daylight())
                self._block(wall, a + width / 2 - 0.02, a + width / 2 + 0.02, low, high, 0, 0.05,
                            self.frame)
            elif what == 'picture':
                low = rng.uniform(0.9, 1.4)
                high = min(self.height - 0.1, low + rng.uniform(0.3, 0.9))
                self._block(wall, a, a + width, low, high, 0, 0.03, tint, material)
            taken = [*taken, (a, a + width, 2.1)]

    def daylight(self) -> str:
        """Make the shining material of a window."""
        if not self._daylight:
            rng = self.rng
            y = np.linspace(0, 1, 64)[:, None, None]
            sky, ground = hsv(0.58, rng.uniform(0, 0.5), 1.0), hsv(rng.uniform(), 0.3, 0.6)
            mix = np.clip((y - rng.uniform(0.4, 0.8)) * 8, 0, 1)
            picture = (sky * (1 - mix) + ground * mix) * np.ones((64, 64, 1))
            self._daylight = self.build.material(
                (picture * 255).astype(np.uint8), cube=True, emission=0.9)
        return self._daylight


def _size(rng: np.random.Generator, kind: str) -> tuple[float, float, float]:
    """Return length, width and height of the main room."""
    if kind == 'corridor':
        return rng.uniform(7, 20), rng.uniform(1.4, 3.0), rng.uniform(2.2, 3.2)
    if kind == 'hall':
        return rng.uniform(8, 18), rng.uniform(7, 14), rng.uniform(2.8, 5.5)
    return rng.uniform(3.2, 8), rng.uniform(3.0, 6.5), rng.uniform(2.2, 3.2)


def _furnish(builder: _Builder, floor: Floor, walls: list[_Wall], kind: str,
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


def _place_at_wall(builder: _Builder, floor: Floor, wall: _Wall, kind: str) -> None:
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


def _side_room(builder: _Builder, architect: _Architect, wall: _Wall, a: float, b: float,
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
    for each in _walls(x0, y0, x1, y1):
        gaps: list[Opening] = []
        if np.dot(each.inward, wall.inward) < -0.5:  # the wall that both rooms share
            ends = [np.dot(wall.at(end, -WALL) - each.origin, each.along) for end in opening[:2]]
            gaps = [(min(ends), max(ends), opening[2])]
        architect.wall(each, gaps, cover)
        architect.on_wall(each, gaps)
        if not gaps:
            inside = _Wall(each.origin - shift, each.along, each.inward, each.length)
            for _ in range(rng.integers(0, 4)):
                _place_side(builder, floor, inside, shift)


def _place_side(builder: _Builder, floor: Floor, wall: _Wall, shift: np.ndarray) -> None:
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


def _openings(rng: np.random.Generator, wall: _Wall, height: float,
              likely: float) -> list[tuple[float, float, Opening]]:
    """Divide a wall into parts of rooms behind it: (from, to, opening), not all with one."""
    parts, a = [], 0.0
    while wall.length - a > 1.6:
        b = min(wall.length, a + rng.uniform(2.2, 5.0))
        if wall.length - b < 1.6:
            b = wall.length
        width = min(rng.choice([0.85, 0.95, 1.2, 1.8]), b - a - 0.5)
        first = rng.uniform(a + 0.2, b - 0.2 - width)
        if rng.random() < likely:
            parts.append((a, b - WALL, (first, min(first + width, b - WALL - 0.1),
                                        min(rng.uniform(1.95, 2.3), height - 0.12))))
        a = b
    return parts


def _light(builder: _Builder, length: float, width: float, height: float) -> np.ndarray:
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


def _movers(builder: _Builder, floor: Floor, path: Path, kind: str) -> list[Mover]:
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


def make_scene(seed: int, kind: str | None = None, shadows: bool = False) -> Scene:
    """Return the scene of a seed (0 or more): the same one for the same arguments.

    kind: 'room', 'corridor' or 'hall'; None draws it. shadows: one lamp casts shadows, which
    makes rendering slower. Raises ValueError for another kind or a negative seed.
    """
    if seed < 0:
        raise ValueError(f'the seed of a scene is {seed}; it must be 0 or more')
    if kind is not None and kind not in KINDS:
        raise ValueError(f"there is no kind of scene '{kind}'; it must be {', '.join(KINDS)}")
    rng = np.random.default_rng([seed, KINDS.index(kind) + 1 if kind else 0])
    kind = kind or KINDS[rng.choice(3, p=[0.5, 0.3, 0.2])]
    builder = _Builder(rng, shadows)
    length, width, height = _size(rng, kind)
    architect = _Architect(builder, height)
    ground, cover, ceiling = architect.coverings()
    architect.level(0, 0, length, width, 0.0, ground)
    architect.level(0, 0, length, width, height, ceiling)
    walls, openings = _walls(0, 0, length, width), []
    accent = architect.coverings()[1] if rng.random() < 0.3 else cover
    for i, wall in enumerate(walls):
        parts = _openings(rng, wall, height, 0.5 if kind == 'corridor' else 0.3)
        openings.append([opening for _, _, opening in parts])
        architect.wall(wall, openings[-1], accent if i == 0 else cover)
        architect.on_wall(wall, openings[-1])
        for a, b, opening in parts:
            architect.doorway(wall, opening)
            _side_room(builder, architect, wall, a, b, opening)
    floor = Floor(length, width)
    _furnish(builder, floor, walls, kind, openings)
    path = drive(rng, floor)
    movers = _movers(builder, floor, path, kind)
    flicker = _light(builder, length, width, height)
    carriage = Carriage(
        height=rng.uniform(0.3, 1.5), pitch=rng.normal(0.05, 0.12), nod=rng.uniform(0, 0.08),
        roll=rng.uniform(0, 0.03), bob=rng.uniform(0, 0.02), sway=rng.uniform(0, 0.25),
        frequency=rng.uniform(0.7, 2.0))
    return Scene(seed, kind, builder.spec.compile(), path, carriage, movers, flicker)
