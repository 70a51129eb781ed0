"""What every dataset is turned into: sequences of frames that are read when they are needed."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

UNPAIRED = 0.05  # the largest share of a sequence's frames that may have no partner
NAMED = 8        # so many unpaired frames are named, the rest is counted


class DatasetError(ValueError):
    """A dataset cannot be read as it claims to be; the message says what is wrong and where."""


@dataclass(frozen=True)
class Frame:
    """One frame: its name, under which a prediction lies, and how it is read.

    position: in the dataset's own list of the sequence, which protocols cut their ranges from.
    read_rgb gives (h, w, 3) uint8; read_depth (h, w) float64 in metres: 0, negative and NaN have no
    truth, +inf is sky. intrinsics (3, 3) in the truth's pixels, pose (4, 4) camera to world in
    metres, None where the dataset has none for the frame. read_by_position: another truth, with
    which the papers' code pairs the picture; None where it is the same.
    """

    name: str
    position: int
    read_rgb: Callable[[], np.ndarray]
    read_depth: Callable[[], np.ndarray]
    intrinsics: np.ndarray | None = None
    pose: np.ndarray | None = None
    read_by_position: Callable[[], np.ndarray] | None = None


@dataclass(frozen=True)
class DatasetSequence:
    """Frames that belong to one video, in time.

    unpaired: the names that were left out. extracted: the frames are a protocol's own selection,
    with cropped pictures. notes: what a reader of the results should know.
    """

    name: str
    frames: Sequence[Frame]
    unpaired: Sequence[str] = ()
    same_size: bool = True  # whether pictures and truths have one size in this dataset
    extracted: bool = False
    notes: Sequence[str] = ()
    _sizes: dict = field(default_factory=dict, repr=False, compare=False)

    def rgb(self, index: int) -> np.ndarray:
        """Read a picture (h, w, 3) uint8; DatasetError where its size is not the sequence's."""
        return self._checked('picture', index, self.frames[index].read_rgb())

    def depth(self, index: int) -> np.ndarray:
        """Read a truth (h, w) float64 in metres; DatasetError where its size is another."""
        return self._checked('truth', index, self.frames[index].read_depth())

    def depth_by_position(self, index: int) -> np.ndarray:
        """Read the truth that the papers' code pairs with a picture; as `depth`."""
        read = self.frames[index].read_by_position
        return self.depth(index) if read is None else self._checked('truth', index, read())

    def _checked(self, kind: str, index: int, array: np.ndarray) -> np.ndarray:
        height, width = array.shape[:2]
        expected = self._sizes.setdefault('frame' if self.same_size else kind, (height, width))
        if (height, width) != expected:
            raise DatasetError(
                f'{self.name}: the {kind} of frame {self.frames[index].name} is {width}x{height}, '
                f'but the sequence is {expected[1]}x{expected[0]}')
        return array


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f' and {len(names) - NAMED} more' if len(names) > NAMED else ''
    return ', '.join(names[:NAMED]) + more


def check_unpaired(
    sequence: str, pairs: int, unpaired: Sequence[str], allowed: float = UNPAIRED,
) -> None:
    """Raise DatasetError where too many of a sequence's frames have no partner, or all."""
    if not pairs:
        raise DatasetError(f'{sequence}: no picture has a truth: {listed(unpaired) or "no files"}')
    share = len(unpaired) / (pairs + len(unpaired))
    if share > allowed:
        raise DatasetError(
            f'{sequence}: {len(unpaired)} of {pairs + len(unpaired)} frames have no partner '
            f'({100 * share:.0f} %, more than {100 * allowed:g} %): {listed(unpaired)}. '
            f'Complete the dataset, or give --allow-unpaired PERCENT')
