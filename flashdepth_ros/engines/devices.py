"""What engine.device names: cpu, cuda, cuda:N and the like."""
from collections.abc import Sequence

import torch

from .engine import EngineError


def settle(wanted: str, backend: str, kinds: Sequence[str]) -> tuple[str, int]:
    """Return kind and index of a device name, of the kinds that a backend has; EngineError."""
    kind, colon, index = wanted.partition(':')
    if kind not in kinds or (colon and not index.isdigit()):
        raise EngineError(f"engine.device is '{wanted}'; the {backend} backend has auto, "
                          f'{", ".join(kinds)}' + (' and cuda:N' if 'cuda' in kinds else ''))
    if kind == 'cuda':
        require_cuda(int(index or 0), 'engine.device to cpu' if 'cpu' in kinds else
                     'engine.backend to openvino, onnx or torch')
    return kind, int(index or 0)


def require_cuda(index: int, instead: str) -> None:
    """Raise EngineError where PyTorch has no CUDA device of that index.

    instead: the setting that does without it, such as 'engine.device to cpu'.
    """
    if not torch.cuda.is_available():
        raise EngineError(
            f'engine.device cuda:{index} needs an NVIDIA GPU, and PyTorch {torch.__version__} sees '
            f'none: install the driver and a CUDA build of torch, or set {instead}')
    if index >= torch.cuda.device_count():
        raise EngineError(f'engine.device is cuda:{index}, and there are '
                          f'{torch.cuda.device_count()} CUDA devices, counted from 0')


def out_of_memory(name: str, device: str, error: Exception) -> EngineError:
    """Return the error for a model that does not fit into a device's memory."""
    return EngineError(
        f'{name} does not fit into the memory of {device}: close other programs there, set a '
        f'smaller input.short_side, or choose a smaller model.name ({error})')


def gpu(device: str) -> str:
    """Return what a CUDA device computes by: its name, capability and driver."""
    capability = '.'.join(map(str, torch.cuda.get_device_capability(device)))
    # only CUDA builds of torch have the last
    driver = torch._C._cuda_getDriverVersion()  # type: ignore[attr-defined]
    return f'{torch.cuda.get_device_name(device)} {capability} {driver}'
