"""ScanNet, exported by its SensReader: colour, depth, pose and intrinsics of each scene.

https://github.com/ScanNet/ScanNet. Depth is 640x480 in millimetres, colour has 1296x968 pixels.
"""
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .formats import read_depth, read_matrix, read_rgb, subfolders
from .pairing import pair_files
from .sequence import DatasetError, DatasetSequence, Frame

STEPS_PER_METRE = 1000.0


def sequences(root: Path, allowed: float) -> Iterator[DatasetSequence]:
    """Yield the scenes below root/scans_test, root/scans or root itself, sorted by name.

    SCENE/color/N.jpg, depth/N.png, pose/N.txt (camera to world), intrinsic/intrinsic_depth.txt.
    """
    base = next((root / name for name in ('scans_test', 'scans', '.') if any(
        (root / name).glob('*/color'))), None)
    if base is None:
        raise DatasetError(f'{root} has no SCENE/color: export the .sens files with SensReader')
    for scene in subfolders(base):
        if not (scene / 'color').is_dir():
            continue
        pairs = pair_files(scene.name, (scene / 'color', ('.jpg', '.png')),
                           (scene / 'depth', ('.png',)), allowed)
        camera = read_matrix(scene / 'intrinsic/intrinsic_depth.txt')
        yield DatasetSequence(scene.name, [
            Frame(name, position, partial(read_rgb, pairs.pictures[name]),
                  partial(read_depth, pairs.truths[name], STEPS_PER_METRE),
                  None if camera is None else camera[:3, :3],
                  read_matrix(scene / 'pose' / f'{name}.txt'))
            for name, position in zip(pairs.names, pairs.positions, strict=True)
        ], pairs.unpaired, same_size=False)
