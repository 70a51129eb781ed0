"""How a model's step is run. No ROS here."""
from collections.abc import Callable

from ..models import ModelSpec, model_spec
from .engine import Engine, EngineError, State
from .pytorch import TorchEngine

__all__ = ['BACKENDS', 'Engine', 'EngineError', 'State', 'open_engine']

# backend: what opens it; 'auto' takes the first
BACKENDS: dict[str, Callable[..., Engine]] = {'torch': TorchEngine}


def open_engine(
    spec: ModelSpec | str, weights: str, backend: str = 'auto', device: str = 'auto',
    precision: str = 'auto', *, height: int, width: int, streams: int = 1,
) -> Engine:
    """Open an engine for a model at a network size (height, width) and number of streams.

    weights: a .pth or .safetensors file, or 'random'. precision: 'auto' or what the backend offers.
    Raises EngineError, CheckpointError or ValueError, each with the remedy.
    """
    spec = model_spec(spec) if isinstance(spec, str) else spec
    name = next(iter(BACKENDS)) if backend == 'auto' else backend
    if name not in BACKENDS:
        raise EngineError(
            f"engine.backend is '{backend}'; it must be auto or one of: {', '.join(BACKENDS)}")
    if precision not in ('auto', BACKENDS[name].precision):
        raise EngineError(
            f"engine.precision is '{precision}'; the {name} backend offers auto and "
            f"{BACKENDS[name].precision}")
    return BACKENDS[name](spec, str(weights), device, height, width, streams)
