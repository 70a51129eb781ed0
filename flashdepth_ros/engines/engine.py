"""What every engine offers: one step of a model at a fixed size and number of streams."""
from abc import ABC, abstractmethod
from dataclasses import dataclass
import importlib.util

import torch
from torch import Tensor

from ..models import ModelSpec
from ..models.network import State
from .launched import Launched, on_its_way

MOST_SIZES = 6  # engines of different sizes that one request keeps ready


class EngineError(RuntimeError):
    """An engine cannot be opened or run; the message says why and what to do."""


class NotReadyError(EngineError):
    """An engine is being prepared; a later frame finds it. The message says which."""


class SlowerError(EngineError):
    """An engine is not faster than what it was to take over from; the message has the times."""


def missing(packages: str, purpose: str, error: ImportError) -> EngineError:
    """Return the error for a library that cannot be imported."""
    return EngineError(
        f'{purpose} needs {packages}, which cannot be imported here ({error}): '
        f"python3 -m pip install {packages.replace(' and ', ' ')}, or set engine.backend to torch")


@dataclass(frozen=True)
class Request:
    """What an engine is asked to be.

    weights: a .pth or .safetensors file, or 'random'. device: 'auto' or as the backend names them.
    precision: one that the backend offers. height, width: of the network's frame, 0 where only the
    first frame tells them. path: of a ready engine file to use instead of the cache, '' for none.
    threads: of a CPU to compute on, 0 for a thread on each core. apart: what is not in the cache is
    prepared in a process of its own. rival: the precision of the PyTorch that this takes over from
    if it is faster, '' where it was chosen by name.
    """

    spec: ModelSpec
    weights: str
    device: str
    precision: str
    height: int
    width: int
    streams: int = 1
    path: str = ''
    threads: int = 0
    apart: bool = False
    rival: str = ''


class Engine(ABC):
    """Runs `spec`'s step. Frames come in on the CPU; the state stays on the engine's device.

    Where the request has no size, this cannot step: `resized` gives what can.

    Attributes: spec, backend, device, precision, streams, height, width (of
    the network's frame), fell_back (why this runs in place of the engine that was asked for),
    frame_device (where frames may be prepared instead of on the CPU, if anywhere), asynchronous (a
    step is computed by another processor than the host's, which may do other things meanwhile).
    """

    # none has a value here, which would hide that of the engine that a stand-in acts as
    backend: str
    precisions: tuple[str, ...]  # that it offers; 'auto' is the first
    packages: tuple[str, ...]    # modules that it needs besides the package's own requirements
    spec: ModelSpec
    device: str
    precision: str
    streams: int
    height: int
    width: int
    fell_back: str | None
    frame_device: str | None
    asynchronous: bool
    known_good = ''         # version of the library, where some give wrong depth
    prepared_apart = False  # in a process of its own also where it was chosen by name

    def __init__(self, request: Request):
        """Open what the request describes; EngineError, CheckpointError."""
        self.spec, self.streams, self.precision = request.spec, request.streams, request.precision
        self.height, self.width = request.height, request.width
        self.fell_back = self.frame_device = None
        self.asynchronous = False

    @classmethod
    def is_installed(cls) -> bool:
        """Say whether the modules that this needs can be found."""
        return all(importlib.util.find_spec(package) for package in cls.packages)

    @abstractmethod
    def initial_state(self) -> State:
        """Return the state of streams that have seen no frame."""

    @abstractmethod
    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames (streams, 3, height, width) normalised float32 and state -> output and new state.

        The output is float32 on the engine's device, of `spec.output_shape`. The given state can
        be stepped again, until the returned one has been stepped.
        """

    def launch(self, frames: Tensor, state: State) -> Launched:
        """Begin a step, whose arguments are those of `step`; where not asynchronous, do it.

        What is wrong may be told here or when it is waited for.
        """
        return on_its_way(*self.step(frames, state))

    def warm_up(self) -> None:
        """Run a step on nothing, so that the first frame does not pay for lazy set-up."""
        if self.height:
            self.step(torch.zeros(self.streams, 3, self.height, self.width), self.initial_state())

    @abstractmethod
    def resized(self, height: int, width: int, streams: int | None = None) -> 'Engine':
        """Return the engine for frames of this size and so many streams (None: as many as now).

        Itself if nothing differs. Both may be used; weights are shared where that is possible.
        """

    @property
    def preparing(self) -> str:
        """What is being prepared meanwhile, '' for nothing."""
        return ''

    def steps_apart(self, height: int, width: int, streams: int) -> bool:
        """Say whether so many frames of a size are better stepped one by one for now."""
        return False

    @abstractmethod
    def memory(self) -> int:
        """Return the bytes of device memory in use, 0 on a CPU (see the process's own memory)."""

    @abstractmethod
    def close(self) -> None:
        """Free the weights and buffers; the engine cannot be used any more."""
