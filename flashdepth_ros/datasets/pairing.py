"""Which picture belongs to which truth: by name, by number, or by stamp."""
from collections.abc import Mapping, Sequence
from pathlib import Path
import re

from ..files.sources import natural_key
from .sequence import DatasetError


def files_by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Return a folder's files by their names without suffix, in natural order; DatasetError."""
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}')
    paths = sorted((path for path in folder.iterdir() if path.suffix.lower() in suffixes),
                   key=lambda path: natural_key(path.name))
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise DatasetError(f'{folder} has {found[path.stem].name} and {path.name}: which is it')
        found[path.stem] = path
    if not found:
        raise DatasetError(f'{folder} holds no {", ".join(suffixes)} file')
    return found


def by_name(
    pictures: Mapping[str, object], truths: Mapping[str, object], only_within: bool = False,
) -> tuple[list[str], list[str]]:
    """Return the names that both have, in the truths' order, and what has no partner.

    only_within: pictures before the first and after the last truth are not missed: the dataset has
    no truth there (KITTI's first and last five frames).
    """
    pairs = [name for name in truths if name in pictures]
    unpaired = [f'truth {name}' for name in truths if name not in pictures]
    names = list(pictures)
    if only_within and pairs:
        first, last = names.index(pairs[0]), names.index(pairs[-1])
        names = names[first:last + 1]
    unpaired += [f'picture {name}' for name in names if name not in truths]
    return pairs, unpaired


def number_of(name: str) -> int | None:
    """Return the last number in a name: 7 of 'left_0007'; None where there is none."""
    digits = re.findall(r'\d+', name)
    return int(digits[-1]) if digits else None


def by_stamp(
    pictures: Sequence[float], truths: Sequence[float], largest: float = 0.02,
) -> list[tuple[int, int]]:
    """Return (picture, truth) indices of which the stamps, in seconds, are closest, in time.

    The rule of TUM's associate.py: of all pairs that are less than `largest` apart the closest is
    taken first, and each frame once.
    """
    close = []
    first = 0
    order = sorted(range(len(truths)), key=truths.__getitem__)
    for i in sorted(range(len(pictures)), key=pictures.__getitem__):
        while first < len(order) and truths[order[first]] <= pictures[i] - largest:
            first += 1
        for j in order[first:]:
            if truths[j] >= pictures[i] + largest:
                break
            close.append((abs(pictures[i] - truths[j]), i, j))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(close):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return sorted(pairs.items(), key=lambda pair: pictures[pair[0]])
