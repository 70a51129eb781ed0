"""MPI Sintel's training sequences with depth (.dpt) and cameras (.cam).

http://sintel.is.tue.mpg.de/depth. Sky has depths of more than 10 km.
"""
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .formats import first_folder, read_cam, read_dpt, read_rgb, subfolders
from .pairing import pair_files
from .sequence import DatasetSequence, Frame


def sequences(
    root: Path, allowed: float, rendering: str = 'clean',
) -> Iterator[DatasetSequence]:
    """Yield the sequences that have depth; rendering: clean or final.

    root/training/{clean,final}/SEQ/frame_NNNN.png, depth/SEQ/frame_NNNN.dpt and
    camdata_left/SEQ/frame_NNNN.cam, or FlashDepth's root/images/training and root/depth/training.
    """
    pictures = first_folder(root, f'training/{rendering}', rendering,
                            f'images/training/{rendering}', f'sintel/images/training/{rendering}')
    depths = first_folder(root, 'training/depth', 'depth/training/depth', 'depth',
                          'sintel/depth/training/depth')
    for folder in subfolders(depths):
        pairs = pair_files(folder.name, (pictures / folder.name, ('.png',)), (folder, ('.dpt',)),
                           allowed)
        frames = []
        for name, position in zip(pairs.names, pairs.positions, strict=True):
            path = depths.parent / 'camdata_left' / folder.name / f'{name}.cam'
            camera = read_cam(path) if path.is_file() else (None, None)
            frames.append(Frame(name, position, partial(read_rgb, pairs.pictures[name]),
                                partial(read_dpt, pairs.truths[name]), *camera))
        yield DatasetSequence(folder.name, frames, pairs.unpaired)
