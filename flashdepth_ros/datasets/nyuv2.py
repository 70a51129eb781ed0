"""NYU Depth V2: the labelled frames in a MATLAB file, folders of synchronised and of raw frames.

https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html.
"""
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import nyuv2_raw
from .formats import read_depth, read_rgb, subfolders
from .pairing import pair_files
from .sequence import DatasetError, DatasetSequence, Frame

STEPS_PER_METRE = 6000.0  # of the PNG that Video Depth Anything's benchmark expects
LABELLED = 'nyu_depth_v2_labeled.mat'
INTRINSICS = nyuv2_raw.intrinsics(nyuv2_raw.SIZE, nyuv2_raw.COLOUR)


def sequences(root: Path, allowed: float) -> Iterator[DatasetSequence]:
    """Yield the labelled frames as one sequence, or a scene each of synchronised or raw frames.

    root: the .mat file or its folder (nyu_depth_v2_labeled.mat); or SCENE/rgb/N.jpg (or .png) and
    SCENE/depth/N.png with 6000 steps a metre, as get_synched_frames and the projection of the
    toolbox give them; or SCENE/r-*.ppm and d-*.pgm, the Kinect's own frames.
    """
    file = root if root.suffix == '.mat' else root / LABELLED
    if file.is_file():
        yield _labelled(file)
        return
    scenes = [folder for folder in subfolders(root) if (folder / 'rgb').is_dir()]
    raw = [] if scenes else nyuv2_raw.scenes_below(root)
    if not scenes and not raw:
        raise DatasetError(
            f'{root} has neither {LABELLED} nor SCENE/rgb and SCENE/depth nor raw frames '
            f'(SCENE/r-*.ppm and d-*.pgm)')
    for scene in raw:
        yield nyuv2_raw.sequence(scene, allowed)
    for scene in scenes:
        pairs = pair_files(scene.name, (scene / 'rgb', ('.jpg', '.png', '.ppm')),
                           (scene / 'depth', ('.png',)), allowed)
        yield DatasetSequence(scene.name, [
            Frame(name, position, partial(read_rgb, pairs.pictures[name]),
                  partial(read_depth, pairs.truths[name], STEPS_PER_METRE), INTRINSICS)
            for name, position in zip(pairs.names, pairs.positions, strict=True)], pairs.unpaired)


def _labelled(path: Path) -> DatasetSequence:
    """Open the labelled frames: single pictures, not a video, paired by their index.

    MATLAB's (h, w, 3, n) pictures and (h, w, n) depths lie reversed in HDF5.
    """
    try:
        import h5py
    except ImportError as error:
        raise DatasetError(
            f"{path.name} is HDF5 and needs h5py ({error}): pip install '.[evaluation]'"
        ) from error
    try:
        file = h5py.File(path, 'r')
        images, depths = file['images'], file['depths']
    except (OSError, KeyError) as error:
        raise DatasetError(f'{path} cannot be read as {LABELLED}: {error}') from error
    if images.ndim != 4 or images.shape[1] != 3 or depths.shape != (
            images.shape[0], *images.shape[2:]):
        raise DatasetError(
            f'{path}: images {images.shape} and depths {depths.shape} do not belong together')

    def rgb(index: int, source: Any = images) -> np.ndarray:
        return np.ascontiguousarray(source[index].transpose(2, 1, 0))

    def depth(index: int, source: Any = depths) -> np.ndarray:
        return source[index].T.astype(np.float64)

    return DatasetSequence('labelled', [
        Frame(f'{i:04d}', i, partial(rgb, i), partial(depth, i), INTRINSICS)
        for i in range(len(images))], notes=['single pictures: predict with --stateless'])
