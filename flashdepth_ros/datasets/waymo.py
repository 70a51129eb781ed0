"""Waymo's LiDAR, projected into the front camera, as FlashDepth's loader reads it.

[waymo/]val/SEGMENT/FRONT/rgb/original/N.jpg and FRONT/depth/N.npy with (points, 3): column, row and
depth in metres.
"""
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .formats import first_folder, read_rgb, subfolders
from .pairing import pair_files
from .sequence import DatasetError, DatasetSequence, Frame


def sequences(root: Path, allowed: float) -> Iterator[DatasetSequence]:
    """Yield the segments, sorted by name."""
    for segment in subfolders(first_folder(root, 'waymo/val', 'val', '.')):
        if not (segment / 'FRONT').is_dir():
            continue
        pairs = pair_files(segment.name, (segment / 'FRONT/rgb/original', ('.jpg', '.png')),
                           (segment / 'FRONT/depth', ('.npy',)), allowed)
        yield DatasetSequence(segment.name, [
            Frame(name, position, partial(read_rgb, pairs.pictures[name]),
                  partial(read_points, pairs.truths[name], pairs.pictures[name]))
            for name, position in zip(pairs.names, pairs.positions, strict=True)], pairs.unpaired)


def read_points(path: Path, picture: Path) -> np.ndarray:
    """Read projected points into (h, w) metres of the picture's size, 0 where there is none.

    Coordinates are cut to whole pixels; of several points in one the last stays. DatasetError.
    """
    try:
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f'{path} cannot be read: {error}') from error
    if points.ndim != 2 or points.shape[1] != 3:
        raise DatasetError(f'{path} holds {points.shape}, not (points, 3): column, row, metres')
    height, width = read_rgb(picture).shape[:2]
    depth = np.zeros((height, width))
    column, row = points[:, 0].astype(np.int32), points[:, 1].astype(np.int32)
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    depth[row[seen], column[seen]] = points[seen, 2]
    return depth
