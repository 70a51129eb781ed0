"""The JSON indices of Video Depth Anything's benchmark, which name the pairs themselves.

{dataset: [{sequence: [{image, gt_depth, factor, and for the TAE K and pose}, ...]}, ...]};
paths are relative to the index's folder.
"""
from collections.abc import Iterator
from functools import partial
import json
from pathlib import Path

import numpy as np

from .formats import read_depth, read_rgb
from .sequence import DatasetError, DatasetSequence, Frame, check_unpaired


def read_index(path: Path) -> tuple[str, list]:
    """Return the dataset that an index is of, and its sequences as they are; DatasetError."""
    try:
        content = json.loads(path.read_text())
        (name, entries), = content.items()
    except (OSError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path} is no index of Video Depth Anything's: {error}") from error
    if not entries:
        raise DatasetError(f'{path} names no sequence')
    return name, entries


def sequences(path: Path, allowed: float) -> Iterator[DatasetSequence]:
    """Yield the sequences of an index, in its order, with the pairs that it names."""
    for entry in read_index(path)[1]:
        for name, items in entry.items():
            frames, missing = [], []
            for position, item in enumerate(items):
                try:
                    image, truth = path.parent / item['image'], path.parent / item['gt_depth']
                    factor = float(item['factor'])
                    camera = np.array(item['K'])[:3, :3] if 'K' in item else None
                    pose = np.array(item['pose']) if 'pose' in item else None
                except (KeyError, TypeError, ValueError) as error:
                    raise DatasetError(f'{path}, {name}: an entry is damaged: {error!r}') from error
                missing += [str(each.relative_to(path.parent)) for each in (image, truth)
                            if not each.is_file()]
                if image.is_file() and truth.is_file():
                    frames.append(Frame(
                        image.stem, position, partial(read_rgb, image),
                        partial(read_depth, truth, factor), camera, pose))
            check_unpaired(name, len(frames), missing, allowed)
            yield DatasetSequence(name, frames, missing, same_size=False, extracted=True)
