"""What a model is to those who choose, feed and read it."""
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from torch import nn

from .preprocess import FrameFormat


class Unit(str, Enum):
    """What the numbers of a model's output mean."""

    HUNDRED_PER_METRE = '100/m'  # inverse depth, 100 / Z with Z in metres, nominally
    RELATIVE = 'relative'        # inverse depth up to an unknown scale and shift
    METRES = 'm'                 # depth along the optical axis
    UP_TO_SCALE = 'up to scale'  # the same but for an unknown factor, one for a stream

    @property
    def is_depth(self) -> bool:
        """Whether larger is farther: else it is inverse depth."""
        return self in (Unit.METRES, Unit.UP_TO_SCALE)

    @property
    def is_metric(self) -> bool:
        """Whether there are metres without a reference, be they nominal."""
        return self in (Unit.METRES, Unit.HUNDRED_PER_METRE)

    @property
    def has_shift(self) -> bool:
        """Whether the inverse depth has an unknown shift, besides a factor."""
        return self is Unit.RELATIVE


PLANE = ('plane',)                        # one plane in the model's unit
POINT_MAP = ('x', 'y', 'log z', 'mask')   # x and y are over z; the mask is above 0.5 where depth is


@dataclass(frozen=True)
class ModelSpec:
    """One row: how to build a model, feed it and read its output, and whose weights it takes.

    build: returns the Network with random weights. repository, file: where the official weights
    lie on Hugging Face; the repository is '' where they come with this package, in weights/.
    licence: of those weights; commercial: whether it allows commercial use. domain: what they were
    trained on, where that is so narrow that a user must know. outputs: the planes that a step
    gives; of PLANE the output is (N, h, w), else (N, planes, h, w), of which streams/ makes a
    plane in `unit`. light: pixels of a step's frames up to which PyTorch on a CPU gains nothing
    from a second thread.
    """

    name: str
    build: Callable[[], nn.Module]
    unit: Unit
    frame: FrameFormat
    repository: str
    file: str
    licence: str
    commercial: bool = True
    domain: str = ''
    outputs: tuple[str, ...] = PLANE
    light: int = 0

    @property
    def gives_focal(self) -> bool:
        """Whether the camera's focal length can be told from the output."""
        return self.outputs == POINT_MAP

    def output_shape(self, streams: int, height: int, width: int) -> tuple[int, ...]:
        """Return the shape of a step's output."""
        planes = () if self.outputs == PLANE else (len(self.outputs),)
        return streams, *planes, height, width

    @property
    def domain_warning(self) -> str:
        """What a user of the official weights must know, '' if nothing."""
        return (f'{self.name} was trained on {self.domain} only: elsewhere its depth may be far off'
                if self.domain else '')
