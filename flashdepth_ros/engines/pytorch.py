"""The step run by PyTorch itself: the reference for every other engine."""
import copy

import torch
from torch import Tensor

from ..models import ModelSpec, build_model, load_weights, randomise
from .engine import Engine, EngineError, State


def _device(name: str) -> torch.device:
    """Resolve 'auto', 'cpu', 'cuda' or 'cuda:N'; EngineError where PyTorch cannot use it."""
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError:
        raise EngineError(
            f"engine.device is '{name}'; it must be auto, cpu, cuda or cuda:N") from None
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise EngineError(
            f"engine.device is '{name}', but PyTorch {torch.__version__} sees no CUDA device: "
            f"install a CUDA build of torch and the driver, or set engine.device to cpu")
    return device


class TorchEngine(Engine):
    """Eager PyTorch in float32, on a CPU or a CUDA device."""

    backend = 'torch'
    precision = 'fp32'

    def __init__(
        self, spec: ModelSpec, weights: str, device: str, height: int, width: int, streams: int,
    ):
        target = _device(device)
        model = build_model(spec.name)
        if weights == 'random':
            randomise(model)
        else:
            load_weights(model, weights)
        try:
            self._model = model.to(target)
        except torch.OutOfMemoryError as error:
            raise EngineError(
                f'{spec.name} does not fit into the memory of {target}: close other programs there,'
                f' or choose a smaller model.name ({error})') from error
        self.spec, self.device, self.streams = spec, str(target), streams
        self.height, self.width = height, width

    @torch.inference_mode()
    def initial_state(self) -> State:
        return self._model.initial_state(self.streams, self.height, self.width)

    @torch.inference_mode()
    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        return self._model.step(frames.to(self.device, non_blocking=True), state)

    def resized(self, height: int, width: int, streams: int | None = None) -> 'TorchEngine':
        other = copy.copy(self)  # the same weights
        other.height, other.width, other.streams = height, width, streams or self.streams
        return other

    def memory(self) -> int:
        return torch.cuda.memory_reserved(self.device) if self.device.startswith('cuda') else 0

    def close(self) -> None:
        self._model = None
        if self.device.startswith('cuda'):
            torch.cuda.empty_cache()
