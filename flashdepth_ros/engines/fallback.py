"""PyTorch in place of another engine: while that is prepared, or where it cannot be had."""
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import copy
from dataclasses import replace
import logging
from typing import Any, TypeVar

from torch import Tensor

from .engine import MOST_SIZES, Engine, EngineError, Request, State
from .pytorch import TorchEngine

STEADY = 3  # frames of one size after which an engine for it is worth preparing

log = logging.getLogger(__name__)

StandIn = TypeVar('StandIn', bound='_StandIn')


class _StandIn(Engine):
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
        return TorchEngine(replace(self._request, device=device, precision='fp32', path=''))

    def _running(self: StandIn, engine: Engine) -> StandIn:
        other = copy.copy(self)
        other._engine = engine
        return other

    def initial_state(self) -> State:
        return self._engine.initial_state()

    def step(self, frames: Tensor, state: State) -> tuple[Tensor, State]:
        return self._engine.step(frames, state)

    def warm_up(self) -> None:
        self._engine.warm_up()

    def memory(self) -> int:
        return self._engine.memory()


class FallbackEngine(_StandIn):
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


class PreparingEngine(_StandIn):
    """PyTorch at once, and a faster engine from the moment that it is ready.

    Exporting a graph takes many seconds, and the size is known only from the first frame: a robot
    shall not be without depth for so long. The faster engine is prepared in another process once
    frames of a size keep coming, opened on a thread, and takes over between two frames with the
    state as it is.
    """

    def __init__(self, open_engine: Callable[[Request], Engine], request: Request):
        super().__init__(request)
        self._open = open_engine
        self._slow = self._engine = self._torch()
        self._seen: Counter = Counter()
        self._prepared: dict[tuple[int, int, int], Future] = {}
        self._thread = ThreadPoolExecutor(1, 'engine preparation')

    def resized(self, height: int, width: int, streams: int | None = None) -> 'PreparingEngine':
        key = (height, width, streams or self.streams)
        if key not in self._prepared:
            self._seen[key] += 1
            if self._seen[key] >= STEADY:
                self._prepare(key)
        future = self._prepared.get(key)
        engine = None
        if future is not None and future.done() and not future.cancelled():
            engine = future.result()
        return self._running(engine or self._slow.resized(*key))

    def _prepare(self, key: tuple[int, int, int]) -> None:
        height, width, streams = key
        self._prepared[key] = self._thread.submit(self._make, replace(
            self._request, height=height, width=width, streams=streams, apart=True))
        while len(self._prepared) > MOST_SIZES:  # a publisher may send any number of sizes
            oldest = next(iter(self._prepared))
            self._seen.pop(oldest, None)
            self._close(self._prepared.pop(oldest))

    def _make(self, request: Request) -> Engine | None:
        try:
            engine = self._open(request)
        except Exception as error:  # without it all goes on as it is
            log.warning('torch keeps running: the faster engine cannot be had: %s', error)
            return None
        log.info('%s runs %s at %dx%d from now on', engine.backend, request.spec.name,
                 request.width, request.height)
        return engine

    @staticmethod
    def _close(future: Future) -> None:
        def close(done: Future) -> None:
            if not done.cancelled() and done.result() is not None:
                done.result().close()
        future.cancel()
        future.add_done_callback(close)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        for future in self._prepared.values():
            self._close(future)
        self._prepared.clear()
        self._slow.close()
