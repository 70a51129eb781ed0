"""Every model that the package runs, one row each."""
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from torch import nn

from .flashdepth import FlashDepth
from .preprocess import FrameFormat, native_sizes


class Unit(str, Enum):
    """What the numbers of a model's output mean."""

    HUNDRED_PER_METRE = '100/m'  # inverse depth, 100 / Z with Z in metres, nominally
    RELATIVE = 'relative'        # inverse depth up to an unknown scale and shift
    METRES = 'm'                 # depth along the optical axis


@dataclass(frozen=True)
class ModelSpec:
    """One row: how to build a model, feed it and read its output, and whose weights it takes.

    build: returns the network with random weights. repository, file: where the official weights
    lie on Hugging Face. licence: of those weights; commercial: whether it allows commercial use.
    """

    name: str
    build: Callable[[], nn.Module]
    unit: Unit
    frame: FrameFormat
    repository: str
    file: str
    licence: str
    commercial: bool = True


def _flashdepth(name: str, step: int, licence: str, min_side: int, **layers) -> ModelSpec:
    return ModelSpec(
        name=name, build=lambda: FlashDepth(**layers), unit=Unit.HUNDRED_PER_METRE,
        frame=FrameFormat(native_sizes, clip=True, min_side=min_side),
        repository='Eyeline-Research/FlashDepth', file=f'{name}/iter_{step}.pth',
        licence=licence, commercial=licence == 'Apache-2.0')


# FlashDepth-L and Full descend from Depth Anything V2 Large, whose weights are non-commercial.
_FROM_LARGE = 'Apache-2.0, derived from CC-BY-NC-4.0 weights'

MODELS = {spec.name: spec for spec in (
    _flashdepth('flashdepth-s', 14001, 'Apache-2.0', min_side=70,
                backbone='vits', refined_level=3, expand=4, headdim=32),
    _flashdepth('flashdepth-l', 10001, _FROM_LARGE, min_side=28,
                backbone='vitl', refined_level=1, expand=2, headdim=64),
    _flashdepth('flashdepth', 43002, _FROM_LARGE, min_side=70,
                backbone='vits', refined_level=3, expand=4, headdim=32, hybrid=True),
)}


def model_spec(name: str) -> ModelSpec:
    """Return the row of `name`; ValueError names the models that there are."""
    try:
        return MODELS[name]
    except KeyError:
        raise ValueError(
            f"there is no model '{name}'; model.name is one of: {', '.join(MODELS)}") from None


def build_model(name: str) -> nn.Module:
    """Build a model by name, in evaluation mode, with random weights until some are loaded.

    The module has `spec`, `initial_state(streams, height, width)` and `step(frames, state)`.
    """
    spec = model_spec(name)
    model = spec.build().eval().requires_grad_(False)
    model.spec = spec
    return model
