"""KITTI's depth completion: sparse truth of the val drives, beside the raw data.

https://www.cvlibs.net/datasets/kitti/eval_depth.php. Truth begins at frame 5 of a drive and ends
five before its end; a picture has its truth's name.
"""
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .formats import read_depth, read_rgb, subfolders
from .pairing import pair_files
from .sequence import DatasetError, DatasetSequence, Frame

STEPS_PER_METRE = 256.0


def sequences(root: Path, allowed: float) -> Iterator[DatasetSequence]:
    """Yield the drives that have truth.

    root/[data_depth_annotated/]val/DRIVE/proj_depth/groundtruth/image_02/N.png and
    root/[raw_data/]DATE/DRIVE/image_02/data/N.png (or .jpg).
    """
    folders = [root / name for name in ('data_depth_annotated/val', 'val', 'train_val_split/val')]
    truth = next((folder for folder in folders if folder.is_dir()), None)
    if truth is None:
        raise DatasetError(
            f'{root} has no data_depth_annotated/val: unpack data_depth_annotated.zip there and '
            f'the raw data into raw_data/')
    for drive in subfolders(truth):
        yield _drive(root, drive, allowed)


def _drive(root: Path, drive: Path, allowed: float) -> DatasetSequence:
    date = drive.name[:10]
    places = [root / base / date for base in ('raw_data', '.', 'raw')]
    place = next((each for each in places if (each / drive.name / 'image_02/data').is_dir()), None)
    if place is None:
        raise DatasetError(
            f'{drive.name} has truth but no pictures: there is no '
            f'{places[0] / drive.name / "image_02/data"}')
    pairs = pair_files(drive.name, (place / drive.name / 'image_02/data', ('.png', '.jpg')),
                       (drive / 'proj_depth/groundtruth/image_02', ('.png',)), allowed,
                       only_within=True)
    intrinsics = _intrinsics(place / 'calib_cam_to_cam.txt')
    numbers = {name: number for number, name in enumerate(pairs.truths)}
    frames = [Frame(name, numbers[name], partial(read_rgb, pairs.pictures[name]),
                    partial(read_depth, pairs.truths[name], STEPS_PER_METRE), intrinsics)
              for name in pairs.names]
    return DatasetSequence(drive.name, frames, pairs.unpaired, notes=[
        f'truth begins at picture {pairs.names[0]}, the {pairs.positions[0] + 1}. of '
        f'{len(pairs.pictures)}'])


def _intrinsics(path: Path) -> np.ndarray | None:
    """Return K of the left colour camera after rectification (P_rect_02), None without a file."""
    if not path.is_file():
        return None
    for line in path.read_text().splitlines():
        if line.startswith('P_rect_02:'):
            return np.array(line.split()[1:], dtype=np.float64).reshape(3, 4)[:, :3]
    raise DatasetError(f'{path} has no line P_rect_02')
