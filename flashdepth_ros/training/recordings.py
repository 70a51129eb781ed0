"""Recordings as training reads them: frames of one drive, with true depth, in memory-mapped files.

A stored recording is a folder with rgb.bin (T, H, W, 3) uint8, depth.bin (T, H, W) float16 in
metres (0: no truth) and recording.json, which is written last. A folder of shards (shards.py) holds
many short ones.
"""
from collections.abc import Iterable
from dataclasses import dataclass
import json
from pathlib import Path
import shutil

import cv2
import numpy as np

from .shards import Shards

ABOUT = 'recording.json'
FARTHEST = 60000.0  # metres that float16 holds


class DataError(ValueError):
    """Data cannot be trained on; the message says why and what to do."""


@dataclass(frozen=True)
class Recording:
    """Frames that follow each other.

    rgb (T, H, W, 3) uint8 and depth (T, H, W) float16 in metres, 0: no truth. rate: frames a
    second, 0 where they do not follow each other. intrinsics (3, 3) of this size and poses
    (T, 4, 4), camera to world, where they are known. seed: of a simulated one.
    """

    name: str
    rgb: np.ndarray
    depth: np.ndarray
    rate: float
    intrinsics: np.ndarray | None = None
    poses: np.ndarray | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.rgb)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.rgb.shape[1:3]


def resized(rgb: np.ndarray, depth: np.ndarray, size: tuple[int, int]) -> tuple[
        np.ndarray, np.ndarray]:
    """Resize a frame (h, w, 3) by area and its depth (h', w') by the nearest pixel, to size."""
    height, width = size
    if rgb.shape[:2] != size:
        shrinks = rgb.shape[0] >= height and rgb.shape[1] >= width
        rgb = cv2.resize(rgb, (width, height),
                         interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    if depth.shape != size:
        depth = cv2.resize(depth.astype(np.float32), (width, height),
                           interpolation=cv2.INTER_NEAREST_EXACT)
    return rgb, depth


def store_recording(
    folder: Path, name: str, frames: Iterable[tuple[np.ndarray, np.ndarray]], rate: float,
    intrinsics: np.ndarray | None = None, poses: list[np.ndarray] | None = None, seed: int = 0,
) -> None:
    """Write frames (rgb, depth in metres, both of one size) as they come; the folder is new.

    poses: is read when the frames are over. Raises DataError where there are none.
    """
    temporary = folder.with_name(f'.{folder.name}')
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    count, size = 0, (0, 0)
    with open(temporary / 'rgb.bin', 'wb') as rgb_file, \
            open(temporary / 'depth.bin', 'wb') as depth_file:
        for rgb, depth in frames:
            count, size = count + 1, rgb.shape[:2]
            rgb_file.write(np.ascontiguousarray(rgb, dtype=np.uint8).tobytes())
            known = np.isfinite(depth) & (depth > 0) & (depth < FARTHEST)
            depth_file.write(np.where(known, depth, 0).astype(np.float16).tobytes())
    if not count:
        raise DataError(f'{name} holds no frames with truth')
    about = {'name': name, 'frames': count, 'height': size[0], 'width': size[1], 'rate': rate,
             'seed': seed, 'intrinsics': None if intrinsics is None else intrinsics.tolist(),
             'poses': None if poses is None else np.asarray(poses).tolist()}
    (temporary / ABOUT).write_text(json.dumps(about))
    temporary.rename(folder)


def open_recording(folder: Path) -> Recording:
    """Map a stored recording into memory."""
    about = json.loads((folder / ABOUT).read_text())
    shape = about['frames'], about['height'], about['width']
    intrinsics, poses = (None if about[key] is None else np.array(about[key], dtype=np.float64)
                         for key in ('intrinsics', 'poses'))
    return Recording(
        about['name'], np.memmap(folder / 'rgb.bin', np.uint8, 'r', shape=(*shape, 3)),
        np.memmap(folder / 'depth.bin', np.float16, 'r', shape=shape), about['rate'],
        intrinsics, poses, about['seed'])


def of_shards(shards: Shards) -> list[Recording]:
    """Return the clips of a folder of shards."""
    recordings = []
    for index in range(len(shards)):
        clip = shards[index]
        interval = float(clip.interval)
        recordings.append(Recording(
            f'seed {int(clip.seeds)}', clip.rgb, clip.depth, 1 / interval if interval else 0.0,
            clip.intrinsics.astype(np.float64), clip.poses.astype(np.float64), int(clip.seeds)))
    return recordings
