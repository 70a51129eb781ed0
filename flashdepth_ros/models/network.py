"""What every model is to the rest of the package."""
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .spec import ModelSpec

State = dict[str, Tensor]  # fixed shapes, dimension 0 is the stream, all zeros = seen nothing

COUNT = 'count'  # the state tensor (N,) that counts the frames, where there are rings
RING = 2         # the dimension of a ring's slots: (N, places, slots, channels)


def advance_in_place(state: State, changes: State) -> State:
    """Return the state after a step: what the step changed takes the place of what was there.

    A change with one slot where the state has a ring of them, (N, places, 1, channels), is written
    into the ring, at slot `count` modulo the number of slots. A ring has a slot more than a step
    attends, and that is the one: so the given state can be stepped again, until the returned one
    has been stepped.
    """
    after = {}
    for name, change in changes.items():
        before = state[name]
        if change.shape == before.shape:
            after[name] = change
            continue
        slot = state[COUNT].long() % before.shape[RING]
        streams = torch.arange(len(slot), device=slot.device)
        with torch.inference_mode():  # which the ring may have been made in
            before[streams, :, slot] = change[:, :, 0]
        after[name] = before
    return after


def advanced(state: State, changes: State) -> State:
    """Return what `advance_in_place` does, writing nothing: gradients go through all of it."""
    after = {}
    for name, change in changes.items():
        before = state[name]
        if change.shape != before.shape:
            slots = torch.arange(before.shape[RING], device=before.device)
            written = slots == (state[COUNT].long() % before.shape[RING])[:, None]
            change = torch.where(written[:, None, :, None], change, before)
        after[name] = change
    return after


def newest(state: State) -> State:
    """Return what the step that gave this state has written: of a ring its slot alone, a copy."""
    if COUNT not in state:
        return state
    written = state[COUNT].long() - 1

    def slot(ring: Tensor) -> Tensor:
        # faster than indexing by ten
        return torch.stack([each.index_select(RING - 1, index % ring.shape[RING])[:, 0]
                            for each, index in zip(ring, written.split(1), strict=True)])

    return {name: slot(value) if value.dim() > RING + 1 else value
            for name, value in state.items()}


class Network(nn.Module, ABC):
    """A model that is stepped from frame to frame; what it remembers is in the state alone.

    spec: its row of the registry, from build_model. spare_keys: beginnings of the keys of a weights
    file that are another model's.
    """

    spec: ModelSpec
    spare_keys: tuple[str, ...] = ()

    @abstractmethod
    def initial_state(self, streams: int, height: int, width: int) -> State:
        """Return the state of streams that have seen no frame: zeros."""

    @abstractmethod
    def compute(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Return a step's output and what it changes of the state, see `advance_in_place`.

        Nothing is written anywhere, so that this is what is exported.
        """

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Normalised frames (N, 3, H, W), H and W multiples of 14 -> output, new state.

        The output is (N, H, W) in the spec's unit, or has the planes of the spec's outputs. The
        given state can be stepped again, until the returned one has been stepped: what is
        remembered frame by frame is written into a ring.
        """
        output, changes = self.compute(frames, state)
        return output, advance_in_place(state, changes)

    def clip(
        self, frames: Tensor, state: State, forget: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Normalised clips (N, T, 3, H, W) -> outputs (N, T, ...) and the state after them.

        The same as stepping, for training: gradients go back through the state, and what can be
        is computed for all frames at once. forget: (N, T, slots), bool, for models that remember
        frames in a ring: the slots that a frame may not attend; its own are the last ones written.
        """
        outputs = []
        for frame in frames.unbind(1):
            output, changes = self.compute(frame, state)
            state = advanced(state, changes)
            outputs.append(output)
        return torch.stack(outputs, dim=1), state

    def adjust_random(self) -> None:
        """Change random weights where the output would otherwise be nothing like depth."""
