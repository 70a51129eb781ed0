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


@dataclass(frozen=True)
class ModelSpec:
    """One row: how to build a model, feed it and read its output, and whose weights it takes.

    build: returns the Network with random weights. repository, file: where the official weights
    lie on Hugging Face; the repository is '' where they come with this package, in weights/.
    licence: of those weights; commercial: whether it allows commercial use. domain: what they were
    trained on, where that is so narrow that a user must know.
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

    @property
    def domain_warning(self) -> str:
        """What a user of the official weights must know, '' if nothing."""
        return (f'{self.name} was trained on {self.domain} only: elsewhere its depth may be far off'
                if self.domain else '')
