"""What every engine offers: one step of a model at a fixed size and number of streams."""
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ..models import ModelSpec

State = dict[str, Tensor]  # fixed shapes, dimension 0 is the stream, all zeros = forget everything


class EngineError(RuntimeError):
    """An engine cannot be opened or run; the message says why and what to do."""


class Engine(ABC):
    """Runs `spec`'s step. Frames come in on the CPU; the state stays on the engine's device.

    Attributes: spec, backend, device, precision, streams, height, width (of the network's frame).
    """

    spec: ModelSpec
    backend: str
    device: str
    precision: str
    streams: int
    height: int
    width: int

    @abstractmethod
    def initial_state(self) -> State:
        """Return the state of streams that have seen no frame."""

    @abstractmethod
    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Frames (streams, 3, height, width) normalised float32 and state -> output and new state.

        The output (streams, height, width) is float32 on the engine's device, in `spec.unit`.
        """

    def warm_up(self) -> None:
        """Run a step on nothing, so that the first frame does not pay for lazy set-up."""
        self.step(torch.zeros(self.streams, 3, self.height, self.width), self.initial_state())

    @abstractmethod
    def resized(self, height: int, width: int, streams: int | None = None) -> 'Engine':
        """Return the engine for frames of this size and so many streams (None: as many as now).

        Itself if nothing differs. Both may be used; weights are shared where that is possible.
        """

    @abstractmethod
    def memory(self) -> int:
        """Return the bytes of device memory in use, 0 on a CPU (see the process's own memory)."""

    @abstractmethod
    def close(self) -> None:
        """Free the weights and buffers; the engine cannot be used any more."""
