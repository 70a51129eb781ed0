"""The backends by name, and opening an engine of one."""
from dataclasses import replace

import torch

from ..models import ModelSpec, model_spec
from .devices import gpu
from .engine import Engine, EngineError, Request
from .fallback import FallbackEngine
from .half import trusted_precision
from .onnx import OnnxEngine
from .openvino import OpenVinoEngine
from .preparing import PreparingEngine
from .pytorch import TorchEngine, torch_device
from .tensorrt import TensorRtEngine, TensorRtRtxEngine

BACKENDS: dict[str, type[Engine]] = {engine.backend: engine for engine in (
    TorchEngine, OnnxEngine, OpenVinoEngine, TensorRtEngine, TensorRtRtxEngine)}

# What 'auto' takes on a CPU: the first that is installed, in the order measured in docs/engines.md.
# All in fp32, where all agree with PyTorch to 1e-4.
FASTEST_ON_CPU = ('openvino', 'onnx', 'torch')
# On CUDA it takes torch, in the precision that half.py finds. What may take over from it:
FASTER_ON_CUDA = ('tensorrt', 'tensorrt_rtx')


def choose(device: str) -> str:
    """Return the backend that 'auto' means for a device."""
    if device.startswith('cuda') or (device == 'auto' and torch.cuda.is_available()):
        return 'torch'
    return next(name for name in FASTEST_ON_CPU if BACKENDS[name].is_installed())


def open_engine(
    spec: ModelSpec | str, weights: str, backend: str = 'auto', device: str = 'auto',
    precision: str = 'auto', *, height: int = 0, width: int = 0, streams: int = 1, path: str = '',
    fallback: bool = False, at_once: bool = False, threads: int = 0,
) -> Engine:
    """Open an engine for a model at a network size (height, width) and number of streams.

    height, width: 0 where they are not known yet; Engine.resized then makes the engine to step.

    weights: a .pth or .safetensors file, or 'random'. precision: 'auto' or what the backend offers.
    path: a file that export_engine made, in place of the cache. fallback: run PyTorch where the
    backend cannot. at_once: prepare engines while frames come; meanwhile PyTorch runs with backend
    'auto' or a fallback, and NotReadyError comes where the backend was named.
    threads: of a CPU to compute on; 0 is a thread on each core.
    Raises EngineError, CheckpointError or ValueError, each with the remedy.
    """
    spec = model_spec(spec) if isinstance(spec, str) else spec
    name = choose(device) if backend == 'auto' else backend
    if name not in BACKENDS:
        raise EngineError(
            f"engine.backend is '{backend}'; it must be auto or one of: {', '.join(BACKENDS)}")
    offered = BACKENDS[name].precisions
    if precision not in ('auto', *offered):
        raise EngineError(f"engine.precision is '{precision}'; the {name} backend offers auto and "
                          f'{", ".join(offered)}')
    request = Request(
        spec, str(weights), device, offered[0] if precision == 'auto' else precision,
        height, width, streams, path, threads, BACKENDS[name].prepared_apart)
    if name == 'torch' and precision == 'auto' and torch_device(device).startswith('cuda'):
        request = replace(request, precision=trusted_precision(
            request, TorchEngine, gpu(torch_device(device))))
        faster = next((BACKENDS[other] for other in FASTER_ON_CUDA
                       if BACKENDS[other].is_installed()), None)
        if at_once and backend == 'auto' and faster is not None:
            wanted = request.precision if request.precision in faster.precisions else 'fp32'
            return PreparingEngine(
                faster, replace(request, precision=wanted, rival=request.precision))
    if at_once and name != 'torch' and not path:
        try:
            if backend == 'auto' and precision == 'auto':
                return PreparingEngine(BACKENDS[name], replace(request, rival='fp32'))
            return PreparingEngine(BACKENDS[name], request, not fallback, fallback)
        except EngineError:
            if not fallback:
                raise
    return FallbackEngine(BACKENDS[name], request) if fallback else BACKENDS[name](request)
