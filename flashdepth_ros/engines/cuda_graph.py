"""A step as one CUDA graph, so that the host launches once instead of hundreds of times.

The step is of PyTorch, or of a library that launches on PyTorch's current stream (TensorRT).

A graph reads and writes at fixed addresses. Frames and what is small of a state are copied there; a
ring of remembered frames, of up to hundreds of megabytes, is written in place where the state has
it, so a graph of a network with rings belongs to one state and ends with it.

Everything here but CudaCapture is the same on a CPU, where the tests run it.
"""
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import logging
import threading
import time
from typing import Protocol
import weakref

import torch
from torch import Tensor, nn

from ..models import ModelSpec
from ..models.network import State, advance_in_place
from ..models.size_tables import tables_of
from .trust import TOLERANCE, deviation

STEADY = 3       # steps of one size (and of one state, where there are rings) until it is captured
MOST_GRAPHS = 4  # each has the memory of a step
IDLE = 200       # steps of others after which a graph makes room for another

log = logging.getLogger(__name__)

Work = Callable[[], None]
# (warm up, step) -> what does the same as the step again, with the same tensors
Capture = Callable[[Work, Work], Work]


class Computes(Protocol):
    """What a step is of: a Network, or an engine that launches on PyTorch's current stream."""

    spec: ModelSpec

    def compute(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Return a step's output and what it changes of the state, as Network.compute does."""


class CudaCapture:
    """Captures work on a CUDA device.

    Each graph is captured on a stream that no other living graph was captured on: cuBLAS's
    workspaces belong to a stream, and some versions of PyTorch free them with the first of its
    graphs. It is replayed on the current stream of whoever replays it, on any thread.
    """

    def __init__(self, device: str):
        self._device = torch.device(device)
        self._free: list[torch.cuda.Stream] = []

    def __call__(self, warm_up: Work, step: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device), self._stream() as stream:
            with torch.cuda.stream(stream):
                for _ in range(2):  # libraries load kernels, choose among them and take memory
                    warm_up()
            # other threads may go on allocating memory
            with torch.cuda.graph(graph, stream=stream, capture_error_mode='thread_local'):
                step()
        weakref.finalize(graph, self._free.append, stream).atexit = False
        return graph.replay

    @contextmanager
    def _stream(self) -> Iterator[torch.cuda.Stream]:
        stream = self._free.pop() if self._free else torch.cuda.Stream()
        before = torch.cuda.current_stream()
        stream.wait_stream(before)
        try:
            yield stream
        finally:
            torch.cuda.set_stream(before)  # a capture that fails may leave its own
            before.wait_stream(stream)


class StaticStep:
    """A step over tensors that stay where they are, captured once.

    rings: names of the state's tensors that are written in place; those of the given state are.
    """

    def __init__(
        self, model: Computes, frames: Tensor, state: State, rings: list[str], capture: Capture,
    ):
        self._model = model
        self._frames = frames.clone()
        self._given = {name: value.clone() for name, value in state.items() if name not in rings}
        # other objects than the state's: what is only used here does not count as held
        self._rings = {name: state[name].view_as(state[name]) for name in rings}
        self._replay = capture(self._compute, self._step)
        # what the graph reads for as long as it lives
        self._tables = tables_of(model) if isinstance(model, nn.Module) else []

    @property
    def device(self) -> torch.device:
        return self._frames.device

    def _compute(self) -> None:
        self._model.compute(self._frames, {**self._given, **self._rings})

    def _step(self) -> None:
        state = {**self._given, **self._rings}
        self._output, changes = self._model.compute(self._frames, state)
        self._after = advance_in_place(state, changes)

    def fits(self, state: State) -> bool:
        """Say whether the rings of a state are those that were captured."""
        return all(ring.data_ptr() == state[name].data_ptr() for name, ring in self._rings.items())

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Step a state that fits, as Network.step does."""
        self._frames.copy_(frames)
        for name, value in self._given.items():
            value.copy_(state[name])
        self._replay()
        # the next replay writes there again, and the given state may be stepped again
        return self._output.clone(), {
            name: state[name] if name in self._rings else self._after[name].clone()
            for name in state}


@dataclass
class _Candidate:
    """A size, or a state where it has rings, that may be worth a graph."""

    state: weakref.ref | None  # of one of its rings
    steps: int = 0
    used: int = 0
    graph: StaticStep | None = None
    refused: bool = field(default=False)

    def is_gone(self) -> bool:
        return self.state is not None and self.state() is None


Key = tuple[tuple[int, ...], int]


class GraphedSteps:
    """Steps what computes: at first as it is, and what is stepped steadily as a graph.

    A graph is compared with the step that it was captured after; one that cannot be captured or
    departs is told once, and the steps go on as they are.
    """

    def __init__(self, model: Computes, capture: Capture, precision: str):
        self._model, self._capture, self._tolerance = model, capture, TOLERANCE[precision]
        self._candidates: dict[Key, _Candidate] = {}
        self._steps = 0
        self._lock = threading.Lock()  # a graph has one set of tensors

    @property
    def graphs(self) -> int:
        """The number of graphs there are now."""
        return sum(each.graph is not None for each in self._candidates.values())

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        """Step as Network.step does."""
        with self._lock:
            self._steps += 1
            for key in [key for key, each in self._candidates.items() if each.is_gone()]:
                self._forget(key)
            candidate = self._find(frames, state)
            if candidate and candidate.graph and candidate.graph.fits(state):
                candidate.used = self._steps
                return candidate.graph.step(frames, state)
            output, changes = self._model.compute(frames, state)
            after = advance_in_place(state, changes)
            rings = [name for name, value in after.items() if value is state[name]]
            candidate = candidate or self._new(frames, state, rings)
            candidate.steps, candidate.used = candidate.steps + 1, self._steps
            if (candidate.steps >= STEADY and not candidate.refused and candidate.graph is None
                    and self._has_room()):
                candidate.graph = self._captured(frames, state, rings, output)
                candidate.refused = candidate.graph is None
            return output, after

    def _find(self, frames: Tensor, state: State) -> _Candidate | None:
        shape = tuple(frames.shape)
        for identity in (0, *map(id, state.values())):
            if (found := self._candidates.get((shape, identity))) is not None:
                return found
        return None

    def _new(self, frames: Tensor, state: State, rings: list[str]) -> _Candidate:
        ring = state[rings[0]] if rings else None
        candidate = _Candidate(None if ring is None else weakref.ref(ring))
        self._candidates[tuple(frames.shape), 0 if ring is None else id(ring)] = candidate
        if len(self._candidates) > 8 * MOST_GRAPHS:  # a publisher may send any number of sizes
            self._forget(min((key for key, each in self._candidates.items() if each.graph is None),
                             key=lambda key: self._candidates[key].used))
        return candidate

    def _has_room(self) -> bool:
        """Say whether there may be one more graph; one that is idle goes for it."""
        used = {each.used: key for key, each in self._candidates.items() if each.graph is not None}
        if len(used) < MOST_GRAPHS:
            return True
        if self._steps - min(used) <= IDLE:
            return False
        self._forget(used[min(used)])
        return True

    def _forget(self, key: Key) -> None:
        graph = self._candidates.pop(key).graph
        if graph is not None and graph.device.type == 'cuda':
            torch.cuda.synchronize(graph.device)  # it may still run

    def _captured(
        self, frames: Tensor, state: State, rings: list[str], output: Tensor,
    ) -> StaticStep | None:
        """Return the graph of a step that gave `output`, if it gives that again."""
        begin = time.perf_counter()
        what = f'{self._model.spec.name} at {frames.shape[-1]}x{frames.shape[-2]}'
        try:
            graph = StaticStep(self._model, frames, state, rings, self._capture)
            again, _ = graph.step(frames, state)
            departs = deviation(again, output)
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            log.warning('%s runs without a CUDA graph, slower: %s', what, error)
            return None
        if not departs <= self._tolerance:
            log.error('%s runs without a CUDA graph, slower: its graph departs by %.2e (mean '
                      'relative difference)', what, departs)
            return None
        log.info('%s is a CUDA graph now (%.1f s)', what, time.perf_counter() - begin)
        return graph

    def close(self) -> None:
        """Drop every graph."""
        for key in list(self._candidates):
            self._forget(key)
