"""An engine that hands over to PyTorch where the chosen backend cannot be opened."""
from collections.abc import Callable
from dataclasses import replace
import logging

from torch import Tensor

from .engine import Engine, EngineError, Request, State
from .pytorch import TorchEngine

log = logging.getLogger(__name__)


class FallbackEngine(Engine):
    """The engine of a backend, or PyTorch in its place from the moment that it cannot be opened.

    `fell_back` says why PyTorch runs; all else is the running engine's.
    """

    def __init__(self, open_engine: Callable[[Request], Engine], request: Request):
        self._request = request
        self._use(lambda: open_engine(request), request.height, request.width)

    def _use(self, make: Callable[[], Engine], height: int, width: int) -> None:
        try:
            self._engine = make()
        except EngineError as error:
            log.error('PyTorch runs in place of the chosen engine: %s', error)
            device = self._request.device if self._request.device.startswith('cuda') else 'auto'
            self._engine = TorchEngine(replace(
                self._request, device=device, precision='fp32', path='', height=height,
                width=width))
            self.fell_back = str(error)

    def __getattr__(self, name: str) -> object:
        return getattr(self.__dict__['_engine'], name)

    def initial_state(self) -> State:
        return self._engine.initial_state()

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        return self._engine.step(frames, state)

    def resized(self, height: int, width: int) -> 'FallbackEngine':
        old = self._engine
        self._use(lambda: old.resized(height, width), height, width)
        if self._engine is not old and self.fell_back:
            old.close()
        return self

    def memory(self) -> int:
        return self._engine.memory()

    def close(self) -> None:
        self._engine.close()
