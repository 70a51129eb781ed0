"""Simulated drives for trials of scale.mode motion: recorded once, and spoilt in several ways."""
from collections.abc import Callable
from dataclasses import dataclass, field, replace
import math
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..images.intrinsics import Intrinsics
from ..metres.motion_pose import rotation_of, vector_of
from ..metres.motion_tracks import to_grey

if TYPE_CHECKING:
    from ..simulation import Renderer, Scene  # need MuJoCo

THING = 2.0    # 1/m: of what is put before the camera


@dataclass(frozen=True)
class Drive:
    """A drive: grey (n, H, W) uint8, true inverse depth (n, h, w) in 1/m, poses (n, 4, 4).

    pitch: in radians, of the camera as it is mounted, nose down. d: (n, h, w) of a network, empty
    without one.
    """

    grey: np.ndarray
    inverse: np.ndarray
    poses: np.ndarray
    pitch: float
    camera: Intrinsics
    d: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rate: float = 10.0

    @property
    def travelled(self) -> np.ndarray:
        """Metres of way over the floor at each frame (n,)."""
        steps = np.linalg.norm(np.diff(self.poses[:, :2, 3], axis=0), axis=1)
        return np.concatenate([[0], np.cumsum(steps)])


Network = Callable[[list[np.ndarray]], np.ndarray]    # RGB pictures to d (n, h, w)


def record(number: int, frames: int, width: int, height: int, network: Network) -> Drive:
    """Drive through the scene of a seed; ImportError where scenes cannot be rendered."""
    from ..simulation import Renderer, make_scene
    with Renderer(width, height) as renderer:
        scene = make_scene(number)
        return _rendered(renderer, scene, number, [scene.pose(i / 10) for i in range(frames)],
                         network)


def turning(number: int, frames: int, width: int, height: int) -> Drive:
    """Turn on the spot in the scene of a seed, by 29 degrees to both sides, at most 30 a second."""
    from ..simulation import Renderer, make_scene
    scene = make_scene(number)
    start, poses = scene.pose(0.0), []
    for index in range(frames):
        pose = start.copy()
        pose[:3, :3] = rotation_of(np.array([0, 0, 0.5 * math.sin(index / 10)])) @ start[:3, :3]
        poses.append(pose)
    with Renderer(width, height) as renderer:
        return _rendered(renderer, scene, number, poses, None)


def _rendered(
    renderer: 'Renderer', scene: 'Scene', number: int, poses: list[np.ndarray],
    network: Network | None,
) -> Drive:
    from ..simulation import disturb
    seen, inverse = [], []
    for index, pose in enumerate(poses):
        frame = renderer.render(scene, index / 10, pose)
        seen.append(disturb(frame.rgb, number, index))
        inverse.append((1 / frame.depth[::2, ::2]).astype(np.float32))
    return Drive(np.stack([to_grey(rgb) for rgb in seen]), np.stack(inverse), np.stack(poses),
                 scene.carriage.pitch, renderer.intrinsics,
                 np.zeros(0) if network is None else network(seen))


def recorded(path: Path, make: Callable[[], Drive]) -> Drive:
    """Return the drive of a file, made and written first where there is none."""
    if not path.exists():
        drive = make()
        camera = drive.camera
        np.savez(path, grey=drive.grey, inverse=drive.inverse, poses=drive.poses, d=drive.d,
                 pitch=drive.pitch, cam=[camera.fx, camera.fy, camera.cx, camera.cy])
    with np.load(path, allow_pickle=False) as file:
        height, width = file['grey'].shape[1:]
        fx, fy, cx, cy = map(float, file['cam'])
        return Drive(file['grey'], file['inverse'], file['poses'], float(file['pitch']),
                     Intrinsics(fx, fy, cx, cy, width, height), file['d'])


def standing(drive: Drive) -> Drive:
    """Return a drive that stays at its first picture, with fresh noise in each."""
    n, rng = len(drive.grey), np.random.default_rng(0)
    grey = np.stack([np.clip(drive.grey[0] + 3 * rng.standard_normal(drive.grey[0].shape), 0, 255)
                     for _ in range(n)]).astype(np.uint8)
    return replace(drive, grey=grey, inverse=np.repeat(drive.inverse[:1], n, 0),
                   poses=np.repeat(drive.poses[:1], n, 0), d=drive.d[:0])


def half_size(drive: Drive) -> Drive:
    """Return a drive with pictures of half the width and height."""
    height, width = (size // 2 for size in drive.grey.shape[1:])
    return replace(drive, camera=drive.camera.resized(width, height), grey=np.stack([
        cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA) for grey in drive.grey]))


def behind_a_body(drive: Drive) -> Drive:
    """Return a drive whose robot's own patterned body fills 12 % of the pictures, at the bottom."""
    return _covered(drive, 0.6, 0.2, lambda time: (0.2, 0.8))


def behind_a_mover(drive: Drive) -> Drive:
    """Return a drive with a patterned thing in 22 % of the pictures that goes to and fro."""
    return _covered(drive, 0.5, 0.44, lambda time: (
        0.25 + 0.2 * math.sin(0.9 * time), 0.3 + 0.1 * math.sin(0.6 * time)))


def _covered(
    drive: Drive, across: float, down: float, place: Callable[[float], tuple[float, float]],
) -> Drive:
    """Put a thing before the camera: its size and the place of its corner, parts of the picture."""
    pattern = np.random.default_rng(0).integers(20, 235, (15, 20)).astype(np.uint8)
    grey, inverse = drive.grey.copy(), drive.inverse.copy()
    for index in range(len(grey)):
        left, top = place(index / drive.rate)
        for pictures, value in ((grey, None), (inverse, THING)):
            height, width = pictures.shape[1:]
            x, y, w, h = (round(part * size) for part, size in zip(
                (left, top, across, down), (width, height) * 2, strict=True))
            pictures[index, y:y + h, x:x + w] = cv2.resize(
                pattern, (w, h), interpolation=cv2.INTER_CUBIC) if value is None else value
    return replace(drive, grey=grey, inverse=inverse, d=drive.d[:0])


def with_rolling_shutter(drive: Drive, readout: float) -> Drive:
    """Return a drive whose images' lowest rows were taken `readout` seconds after their stamps.

    Each row is what the camera sees from where it is then, to first order, by the true depth.
    """
    height, width = drive.grey.shape[1:]
    camera = drive.camera.resized(width, height)
    x, y = camera.rays()
    rays = np.stack([*np.broadcast_arrays(x[None], y[:, None]), np.ones((height, width))], -1)
    delays = np.arange(height) / height * readout * drive.rate    # in frames
    grey, inverse = drive.grey.copy(), drive.inverse.copy()
    rows, columns = drive.inverse.shape[1:]
    for index in range(len(grey) - 1):
        step = np.linalg.inv(drive.poses[index]) @ drive.poses[index + 1]
        turns = delays[:, None] * vector_of(step[:3, :3])    # (height, 3)
        turned = rays + np.cross(turns[:, None], rays)
        near = cv2.resize(drive.inverse[index], (width, height))[..., None]
        seen = turned + near * delays[:, None, None] * step[:3, 3]
        place = (seen[..., :2] / seen[..., 2:] * (camera.fx, camera.fy)
                 + (camera.cx, camera.cy)).astype(np.float32)
        grey[index] = cv2.remap(drive.grey[index], place[..., 0], place[..., 1], cv2.INTER_LINEAR,
                                borderMode=cv2.BORDER_REPLICATE)
        small = cv2.resize(place, (columns, rows)) * np.float32(columns / width)
        inverse[index] = cv2.remap(
            drive.inverse[index], small[..., 0], small[..., 1], cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REPLICATE)
    return replace(drive, grey=grey, inverse=inverse)
