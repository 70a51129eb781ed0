"""Which picture belongs to which truth: by name, by number, or by stamp."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import re

from ..files.image_folder import natural_key
from .sequence import UNPAIRED, DatasetError, check_unpaired


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


@dataclass(frozen=True)
class NamedPairs:
    """Pictures and truths whose files have one name, in the pictures' order.

    positions: each pair's place among the pictures. unpaired: what has no partner.
    """

    names: list[str]
    positions: list[int]
    pictures: dict[str, Path]
    truths: dict[str, Path]
    unpaired: list[str]


def pair_files(
    sequence: str, pictures: tuple[Path, Sequence[str]], truths: tuple[Path, Sequence[str]],
    allowed: float = UNPAIRED, only_within: bool = False,
) -> NamedPairs:
    """Pair the files of two folders by their names; see `by_name`.

    pictures, truths: a folder and the suffixes of its files. allowed: the largest share that may be
    without a partner; DatasetError where it is more.
    """
    seen, true = files_by_stem(*pictures), files_by_stem(*truths)
    names, unpaired = by_name(seen, true, only_within)
    check_unpaired(sequence, len(names), unpaired, allowed)
    places = {name: position for position, name in enumerate(seen) if name in true}
    return NamedPairs(list(places), list(places.values()), seen, true, unpaired)


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


@dataclass(frozen=True)
class StampedFile:
    """A file and the time of its frame, in seconds."""

    stamp: float
    path: Path


def pair_stamped(
    sequence: str, pictures: Sequence[StampedFile], truths: Sequence[StampedFile], largest: float,
    allowed: float = UNPAIRED,
) -> tuple[list[tuple[int, int]], list[str]]:
    """Return (picture, truth) indices that belong together by `by_stamp`, and what has no partner.

    allowed: the largest share of the rarer of both that may be without a partner, since the other
    can never be paired whole; DatasetError where it is more.
    """
    pairs = by_stamp([each.stamp for each in pictures], [each.stamp for each in truths], largest)
    with_truth, with_picture = {i for i, _ in pairs}, {j for _, j in pairs}
    unpaired = {
        'picture': [f'picture {each.path.name}' for i, each in enumerate(pictures)
                    if i not in with_truth],
        'truth': [f'truth {each.path.name}' for j, each in enumerate(truths)
                  if j not in with_picture]}
    rarer = 'picture' if len(pictures) <= len(truths) else 'truth'
    check_unpaired(sequence, len(pairs), unpaired[rarer], allowed)
    return pairs, [*unpaired['picture'], *unpaired['truth']]


def match_frames(
    predicted: Sequence[str] | None, count: int, truths: Sequence[str], allowed: float,
    first: int | None = None,
) -> tuple[list[tuple[int, int]], list[str]]:
    """Return (prediction, truth) indices that belong together, in the truths' order, and the rest.

    predicted: the names of `count` predictions, None where they have none. Names must be equal or,
    where none is, the numbers in them, if one side has all numbers of the other. Without names
    there must be as many of both. first: only so many pairs are wanted. Raises DatasetError.
    """
    if predicted is None:
        if count != len(truths):
            raise DatasetError(
                f'there are {count} predicted and {len(truths)} true frames, and the predictions, '
                f'made of a video, do not say which frame each is of: predict from the folder of '
                f'pictures, whose names are then kept, or give as many of both')
        return [(i, i) for i in range(count)][:first], []
    keys, true_keys = _common_keys(predicted, truths)
    places = {key: i for i, key in enumerate(keys)}
    pairs = [(places[key], j) for j, key in enumerate(true_keys) if key in places][:first]
    if not pairs:
        raise DatasetError(
            f'no prediction belongs to a truth: predictions are named {predicted[0]} to '
            f'{predicted[-1]}, truths {truths[0]} to {truths[-1]}')
    matched = {i for i, _ in pairs}
    last = pairs[-1][1] + 1 if first == len(pairs) else len(truths)
    unpaired = [f'truth {truths[j]}' for j in range(last) if true_keys[j] not in places]
    # a model may see frames before and after those that have truth
    unpaired += [f'prediction {predicted[i]}' for i in range(min(matched), max(matched))
                 if i not in matched]
    check_unpaired('predictions and truth', len(pairs), unpaired, allowed)
    return pairs, unpaired


def _common_keys(predicted: Sequence[str], truths: Sequence[str]) -> tuple[list, list]:
    """Return what the names are compared by: themselves or, where no two are equal, numbers."""
    if set(predicted) & set(truths):
        return list(predicted), list(truths)
    numbers, true_numbers = [number_of(each) for each in predicted], [
        number_of(each) for each in truths]
    one, other = set(numbers), set(true_numbers)
    unique = len(one) == len(numbers) and len(other) == len(true_numbers)
    if None in one | other or not unique or not (one <= other or other <= one):
        raise DatasetError(
            f'it is not clear which prediction belongs to which truth: predictions are named '
            f'{predicted[0]} to {predicted[-1]}, truths {truths[0]} to {truths[-1]}. Give both '
            f'the same names')
    return numbers, true_numbers
