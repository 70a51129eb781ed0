"""The datasets by name."""
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from . import kitti, nyuv2, scannet, sintel, tum, vda_index, waymo
from .sequence import UNPAIRED, DatasetError, DatasetSequence

Reader = Callable[[Path, float], Iterator[DatasetSequence]]
READERS: dict[str, Reader] = {
    'kitti': kitti.sequences,
    'nyuv2': nyuv2.sequences,
    'bonn': partial(tum.sequences, by_position=True),
    'tum': tum.sequences,
    'scannet': scannet.sequences,
    'sintel': sintel.sequences,
    'sintel-final': partial(sintel.sequences, rendering='final'),
    'waymo': waymo.sequences,
}


def open_dataset(
    name: str, root: Path, allowed: float = UNPAIRED,
) -> Iterator[DatasetSequence]:
    """Yield the sequences of a dataset in a folder, or of an index file of that dataset.

    allowed: the share of a sequence's frames that may have no partner. Raises DatasetError.
    """
    if name not in READERS:
        raise DatasetError(f"there is no dataset '{name}'; there are {', '.join(READERS)}")
    root = root.expanduser()
    if not root.exists():
        raise DatasetError(f'there is no folder {root}')
    if root.suffix != '.json':
        return READERS[name](root, allowed)
    of, _ = vda_index.read_index(root)
    if of != name.removesuffix('-final'):
        raise DatasetError(f'{root} is an index of {of}, not of {name}')
    return vda_index.sequences(root, allowed)
