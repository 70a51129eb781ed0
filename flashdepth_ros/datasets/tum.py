"""TUM RGB-D and, in the same layout, Bonn's dynamic sequences: pictures and depth have stamps.

https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats and
https://www.ipb.uni-bonn.de/data/rgbd-dynamic-dataset. 5000 steps are a metre.
"""
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ..images.poses import pose_of
from .formats import PICTURES, read_depth, read_rgb, subfolders
from .pairing import StampedFile, by_stamp, files_by_stem, pair_stamped
from .sequence import DatasetError, DatasetSequence, Frame

STEPS_PER_METRE = 5000.0
LARGEST_DIFFERENCE = 0.02  # s, between a picture and its depth, as TUM's associate.py
# fx, fy, cx, cy that TUM states for its three cameras
TUM_CAMERAS = {'freiburg1': (517.3, 516.5, 318.6, 255.3), 'freiburg2': (520.9, 521.0, 325.1, 249.7),
               'freiburg3': (535.4, 539.2, 320.1, 247.6)}


def sequences(
    root: Path, allowed: float, by_position: bool = False,
) -> Iterator[DatasetSequence]:
    """Yield the sequences: root itself, or the folders in it that have rgb/ and depth/.

    rgb.txt and depth.txt list 'stamp file'; without them a file's name is its stamp in seconds.
    groundtruth.txt has 'stamp tx ty tz qx qy qz qw' of the camera. by_position: frames also have
    the truth at their picture's place in the list, which the papers' code pairs it with.
    """
    folders = [root] if (root / 'rgb').is_dir() else [
        folder for folder in subfolders(root) if (folder / 'rgb').is_dir()]
    if not folders:
        raise DatasetError(f'{root} has no sequence: no rgb/ in it or in its folders')
    for folder in folders:
        yield _sequence(folder, allowed, by_position)


def _sequence(folder: Path, allowed: float, by_position: bool) -> DatasetSequence:
    pictures, truths = _stamped(folder, 'rgb'), _stamped(folder, 'depth')
    pairs, unpaired = pair_stamped(folder.name, pictures, truths, LARGEST_DIFFERENCE, allowed)
    shifted = sum(i != j for i, j in pairs)
    notes = [f'{shifted} of {len(pairs)} pairs differ from those by position in the two lists'
             ] if shifted else []
    poses = _poses(folder / 'groundtruth.txt', [pictures[i].stamp for i, _ in pairs])
    camera = next((np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
                   for name, (fx, fy, cx, cy) in TUM_CAMERAS.items() if name in folder.name), None)

    def depth_of(index: int) -> Callable[[], np.ndarray]:
        return partial(read_depth, truths[index].path, STEPS_PER_METRE)
    return DatasetSequence(folder.name, [
        Frame(pictures[i].path.stem, i, partial(read_rgb, pictures[i].path), depth_of(j),
              camera, None if poses is None else poses[k],
              depth_of(i) if by_position and shifted and i < len(truths) else None)
        for k, (i, j) in enumerate(pairs)], unpaired, notes=notes)


def _stamped(folder: Path, kind: str) -> list[StampedFile]:
    """Return the files of one stream with their stamps, in time; DatasetError."""
    index = folder / f'{kind}.txt'
    try:
        if index.is_file():
            lines = [line.split() for line in index.read_text().splitlines()
                     if line.strip() and not line.startswith('#')]
            found = [StampedFile(float(stamp), folder / name) for stamp, name in lines]
        else:
            found = [StampedFile(float(stem), path)
                     for stem, path in files_by_stem(folder / kind, PICTURES).items()]
    except ValueError as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f'{index}: {error}; a line is: stamp in seconds, file') from error
    present = [each for each in found if each.path.is_file()]
    if not present:
        raise DatasetError(f'{folder / kind} holds none of the files of {index.name}')
    return sorted(present, key=lambda each: each.stamp)


def _poses(path: Path, stamps: list[float]) -> list[np.ndarray | None] | None:
    """Return the pose (4, 4), camera to world, nearest in time to each stamp; None where none."""
    if not path.is_file():
        return None
    try:
        rows = np.loadtxt(path, comments='#', ndmin=2)
    except ValueError as error:
        raise DatasetError(f'{path}: {error}') from error
    if rows.size and rows.shape[1] != 8:
        raise DatasetError(f'{path}: a line is: stamp tx ty tz qx qy qz qw')
    found = dict(by_stamp(stamps, [row[0] for row in rows], LARGEST_DIFFERENCE))
    poses = [pose_of(tuple(rows[found[i], 1:4]), tuple(rows[found[i], 4:])) if i in found else None
             for i in range(len(stamps))]
    return [None if pose is None or np.isnan(pose).any() else pose for pose in poses]
