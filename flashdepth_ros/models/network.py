"""What every model is to the rest of the package."""
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:  # the registry imports the models, and they import this
    from .registry import ModelSpec

State = dict[str, Tensor]  # fixed shapes, dimension 0 is the stream, all zeros = seen nothing


class Network(nn.Module, ABC):
    """A model that is stepped from frame to frame; what it remembers is in the state alone.

    spec: its row of the registry, from build_model.
    """

    spec: 'ModelSpec'

    @abstractmethod
    def initial_state(self, streams: int, height: int, width: int) -> State:
        """Return the state of streams that have seen no frame: zeros."""

    @abstractmethod
    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Normalised frames (N, 3, H, W), H and W multiples of 14 -> output (N, H, W), new state.

        The output's unit is the spec's. The given state is not changed.
        """
