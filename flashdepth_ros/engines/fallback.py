"""PyTorch in place of an engine that cannot be had."""
from collections.abc import Callable
import copy
from dataclasses import replace
import logging
from typing import Any, TypeVar

from torch import Tensor

from .engine import Engine, EngineError, Request, State
from .launched import Launched
from .pytorch import TorchEngine

log = logging.getLogger(__name__)

Stand = TypeVar('Stand', bound='StandIn')


class StandIn(Engine):
    """Acts as `_engine`, which PyTorch may stand in for; attributes are the running engine's."""

    _engine: Engine

    def __init__(self, request: Request):  # not Engine's: it has no attributes of its own
        self._request = request

    def __getattr__(self, name: str) -> Any:
        if '_engine' not in self.__dict__:  # while copying
            raise AttributeError(name)
        return getattr(self._engine, name)

    def _torch(self, chosen: Engine | None = None) -> TorchEngine:
        """Open PyTorch where the chosen engine has the state, or would have it."""
        device = chosen.device if chosen else self._request.device
        if device != 'auto' and not device.startswith('cuda'):
            device = 'cpu'  # an Intel GPU's tensors lie there
        return TorchEngine(replace(
            self._request, device=device, precision=self._request.rival or 'fp32', path=''))

    def _running(self: Stand, engine: Engine) -> Stand:
        other = copy.copy(self)
        other._engine = engine
        return other

    def initial_state(self) -> State:
        return self._engine.initial_state()

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        return self._engine.step(frames, state)

    def launch(self, frames: Tensor, state: State) -> Launched:
        return self._engine.launch(frames, state)

    def warm_up(self) -> None:
        self._engine.warm_up()

    @property
    def preparing(self) -> str:
        return self._engine.preparing

    def steps_apart(self, height: int, width: int, streams: int) -> bool:
        return self._engine.steps_apart(height, width, streams)

    def memory(self) -> int:
        return self._engine.memory()


class FallbackEngine(StandIn):
    """The engine of a backend, or PyTorch in its place from the moment that it cannot be opened.

    `fell_back` says why PyTorch runs.
    """

    def __init__(self, open_engine: Callable[[Request], Engine], request: Request):
        super().__init__(request)
        self._opened: dict[str, Engine] = {}  # shared by the engines of all sizes
        try:
            self._opened['chosen'] = self._engine = open_engine(request)
        except EngineError as error:
            self._fall_back(error)

    def _fall_back(self, error: EngineError) -> None:
        if 'torch' not in self._opened:
            log.error('PyTorch runs in place of the chosen engine: %s', error)
            self._opened['torch'] = self._torch(self._opened.get('chosen'))
        self._engine = self._opened['torch']
        self.fell_back = str(error)

    def resized(self, height: int, width: int, streams: int | None = None) -> 'FallbackEngine':
        other = self._running(self._engine)
        other.fell_back = None
        try:
            if 'chosen' not in self._opened:
                raise EngineError(self.fell_back)
            other._engine = self._opened['chosen'].resized(height, width, streams or self.streams)
        except EngineError as error:
            streams = streams or self.streams
            other._fall_back(error)
            other._engine = other._engine.resized(height, width, streams)
        return other

    def close(self) -> None:
        for engine in self._opened.values():
            engine.close()
