"""MPI Sintel's training sequences with depth (.dpt) and cameras (.cam).

http://sintel.is.tue.mpg.de/depth. Sky has depths of more than 10 km.
"""
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .formats import first_folder, read_cam, read_dpt, read_rgb, subfolders
from .pairing import by_name, files_by_stem
from .sequence import DatasetSequence, Frame, check_unpaired


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
        images = files_by_stem(pictures / folder.name, ('.png',))
        truths = files_by_stem(folder, ('.dpt',))
        names, unpaired = by_name(images, truths)
        check_unpaired(folder.name, len(names), unpaired, allowed)
        frames = []
        for position, name in enumerate(images):
            if name not in truths:
                continue
            path = depths.parent / 'camdata_left' / folder.name / f'{name}.cam'
            camera = read_cam(path) if path.is_file() else (None, None)
            frames.append(Frame(name, position, partial(read_rgb, images[name]),
                                partial(read_dpt, truths[name]), *camera))
        yield DatasetSequence(folder.name, frames, unpaired)
