"""The step run by PyTorch itself: in float32 the reference for every other engine."""
from collections.abc import Iterator
from contextlib import contextmanager
import copy
from typing import Any

import torch
from torch import Tensor

from ..models import Network
from .cores import torch_threads
from .cuda_graph import STEADY, CudaCapture, GraphedSteps
from .devices import out_of_memory, settle
from .engine import Engine, EngineError, Request, State
from .export import load_model
from .folding import fold_gains
from .precision import lower


@contextmanager
def full_float32() -> Iterator[None]:
    """Let float32 on CUDA have its 24 bits: by default convolutions there have 11 (TF32)."""
    switches: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = False
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


def torch_device(wanted: str) -> str:
    """Return what engine.device means to PyTorch: 'cpu' or 'cuda:N'; EngineError."""
    if wanted == 'auto':
        wanted = 'cuda' if torch.cuda.is_available() else 'cpu'
    kind, index = settle(wanted, 'torch', ('cpu', 'cuda'))
    return 'cpu' if kind == 'cpu' else f'cuda:{index}'


class TorchEngine(Engine):
    """PyTorch at any size: eager on a CPU; on a CUDA device a graph of what is stepped steadily."""

    backend = 'torch'
    precisions = ('fp32', 'fp16', 'bf16')
    packages = ()

    def __init__(self, request: Request):
        super().__init__(request)
        self.device = torch_device(request.device)
        kind = self.device.partition(':')[0]
        if request.path:
            raise EngineError(
                f"engine.path is '{request.path}', and the torch backend runs no engine files: "
                f'leave it empty, or set engine.backend to the one that the file is for')
        model = load_model(request.spec, request.weights)
        if kind == 'cuda':  # where each of them is a launch
            fold_gains(model)
        lower(model, request.precision)
        try:
            # the decoder's convolutions are faster so: a step by 4 to 10 percent on a CPU
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._model = model.to(self.device)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.spec.name, self.device, error) from error
        self._chosen_threads = request.threads
        self._steps: Network | GraphedSteps = self._model
        if kind == 'cuda':
            self.frame_device, self.asynchronous = self.device, True
            self._steps = GraphedSteps(self._model, CudaCapture(self.device), request.precision)

    @property
    def _threads(self) -> int:
        """The number of threads to compute on, 0 for PyTorch's own."""
        light = self.streams * self.height * self.width <= self.spec.light
        return self._chosen_threads or (1 if light else 0)

    @torch.inference_mode()
    def initial_state(self) -> State:
        return self._model.initial_state(self.streams, self.height, self.width)

    @torch.inference_mode()
    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        try:
            with torch_threads(self._threads), full_float32():
                return self._steps.step(frames.to(self.device, non_blocking=True), state)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.spec.name, self.device, error) from error

    def warm_up(self) -> None:
        side = self.spec.frame.min_side
        engine = self if self.height else self.resized(side, side)
        frames = torch.zeros(engine.streams, 3, engine.height, engine.width)
        state = engine.initial_state()
        # known sizes are captured now, where no state has a part in it
        for _ in range(STEADY if self.height and self.frame_device else 1):
            _, state = engine.step(frames, state)

    def resized(self, height: int, width: int, streams: int | None = None) -> 'TorchEngine':
        wanted = height, width, streams or self.streams
        if wanted == (self.height, self.width, self.streams):
            return self
        other = copy.copy(self)  # the same weights
        other.height, other.width, other.streams = wanted
        return other

    def memory(self) -> int:
        return torch.cuda.memory_reserved(self.device) if self.device.startswith('cuda') else 0

    def close(self) -> None:
        if isinstance(steps := vars(self).pop('_steps', None), GraphedSteps):  # open still
            steps.close()
        vars(self).pop('_model', None)
        if self.device.startswith('cuda'):
            torch.cuda.empty_cache()
