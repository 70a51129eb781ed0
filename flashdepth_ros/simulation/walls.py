"""Drives to a wall that fills the picture, as near as a robot comes."""
from collections.abc import Iterator
from dataclasses import replace
import math

import numpy as np

from ..images.picture_statistics import picture_statistics, thumbnail
from .effects import USUAL, disturb
from .render import Frame, Renderer
from .scene import Scene, optical_pose, turned
from .scenes import make_scene

NEAR, BESIDE = 0.25, 0.35    # metres before the wall to which a camera drives, or where it turns
FARTHEST = 1.5               # from which it drives up
PLACES, HEADINGS = 4, 4      # of the scene's path, and looked at from each
AWAY = 2.1                   # radians that a camera turns from the wall
STANDS = 1.2                 # seconds before it


def drive_to_wall(
    renderer: Renderer, seed: int, speed: float, turning: bool = False, rate: float = 10.0,
) -> Iterator[Frame]:
    """Yield frames, with the usual effects, of a camera that goes to a wall, stands, and goes back.

    speed: in metres a second, straight ahead or, turning, radians a second on the spot. The wall is
    the one with the least detail of some that are seen from the scene's path; a picture may show
    much of it all the same.
    """
    scene = make_scene(seed)
    place, heading, distance = _plainest_wall(renderer, scene)
    way = AWAY if turning else min(FARTHEST, distance) - NEAR
    there = np.arange(0, way, speed / rate)
    ahead = np.array([math.cos(heading), math.sin(heading)])
    for index, left in enumerate([*way - there, *[0.0] * round(STANDS * rate), *there]):
        pose = (_pose(scene, place + ahead * (distance - BESIDE), heading + left, index / rate)
                if turning else _pose(
                    scene, place + ahead * (distance - NEAR - left), heading, index / rate))
        frame = renderer.render(scene, index / rate, pose)
        yield replace(frame, rgb=disturb(frame.rgb, seed, index, USUAL, rate))


def _pose(scene: Scene, place: np.ndarray, heading: float, time: float) -> np.ndarray:
    """Return the pose (4, 4) of the scene's camera at a place (2,) of the floor."""
    ride, angle = scene.carriage, 2 * math.pi * scene.carriage.frequency * time
    rotation = turned(2, heading) @ turned(
        1, ride.pitch + 0.4 * ride.nod * math.sin(angle)) @ turned(
            0, ride.roll * math.sin(angle / 2))
    return optical_pose((*place, ride.height + ride.bob * math.sin(angle)), rotation)


def _plainest_wall(renderer: Renderer, scene: Scene) -> tuple[np.ndarray, float, float]:
    """Return a place (2,), a heading and the metres to the wall there."""
    rng = np.random.default_rng([scene.seed, 4])
    found: list[tuple[bool, float, int, tuple[np.ndarray, float, float]]] = []
    for time in scene.period * np.arange(PLACES) / PLACES:
        place, _ = scene.path.at(time)
        for heading in rng.uniform(-math.pi, math.pi, HEADINGS):
            depth = renderer.render(scene, 0.0, _pose(scene, place, heading, 0.0)).depth
            rows, columns = (side // 4 for side in depth.shape)
            distance = float(np.quantile(depth[rows:-rows, columns:-columns], 0.02))
            ahead = np.array([math.cos(heading), math.sin(heading)])
            before = _pose(scene, place + ahead * (distance - BESIDE), heading, 0.0)
            detail = picture_statistics(thumbnail(renderer.render(scene, 0.0, before).rgb)).detail
            found.append((distance < 3 * NEAR, detail, len(found),
                          (place, float(heading), distance)))
    return min(found)[-1]
