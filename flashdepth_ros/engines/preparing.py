"""An engine that is prepared in another process while frames come."""
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
import logging
import time

from .engine import (
    MOST_SIZES,
    Engine,
    EngineError,
    NotReadyError,
    Request,
    SlowerError,
)
from .fallback import StandIn

STEADY = 3         # frames of one size after which a faster engine for it is worth preparing
IN_USE = 60.0      # seconds after its last frame until an engine may give way to another one

Size = tuple[int, int, int]  # height and width of the frames, number of streams

log = logging.getLogger(__name__)


class PreparingEngine(StandIn):
    """The engine of a backend for every size that comes, each from the moment that it is ready.

    Exporting a graph takes many seconds, and the size is known only from the first frame. So it is
    prepared in another process, opened on a thread, and takes over between two frames with the
    state as it is, unless it turns out to be slower here. Until then PyTorch runs or, with `wait`,
    there is NotReadyError: somebody who names a backend wants no other. Several streams step apart
    while only the engine for one is ready.

    fallback: PyTorch is for good in place of an engine that cannot be had, and `fell_back` says
    why. Raises EngineError where the backend's library or device is missing.
    """

    def __init__(
        self, open_engine: Callable[[Request], Engine], request: Request, wait: bool = False,
        fallback: bool = False,
    ):
        super().__init__(request)
        self._open, self._fallback = open_engine, fallback
        self._seen: Counter[Size] = Counter()
        self._used: dict[Size, float] = {}
        self._prepared: dict[Size, Future[Engine | EngineError]] = {}
        self._told: set[Size] = set()
        self._slow: Engine | None = None
        self._settled: Engine | None = None  # tells backend and device while nothing is ready
        if wait or fallback:
            self._settled = self._engine = open_engine(replace(request, height=0, width=0))
        if not wait:
            self._slow = self._engine = self._torch()
        self._thread = ThreadPoolExecutor(1, 'engine preparation')
        if wait and request.height:  # there is time now
            size = request.height, request.width, request.streams
            self._prepared[size] = Future()
            self._engine = open_engine(replace(request, apart=True))
            self._prepared[size].set_result(self._engine)

    @property
    def preparing(self) -> str:
        """What is being prepared, '' for nothing."""
        return ', '.join(_words(size) for size, future in self._prepared.copy().items()
                         if not future.done())

    def resized(self, height: int, width: int, streams: int | None = None) -> 'PreparingEngine':
        size = height, width, streams or self.streams
        self._want(size)
        engine = self._ready(size)
        if engine is not None:
            return self._running(engine)
        if self._slow is None:
            raise NotReadyError(
                f'{self._engine.backend} is being prepared for frames of {_words(size)}: there is '
                f'no depth until it is ready (engine.backend auto would run PyTorch meanwhile)')
        other = self._running(self._slow.resized(*size))
        if self._fallback and (error := self._failure(size)) is not None:
            other.fell_back = str(error)
        return other

    def steps_apart(self, height: int, width: int, streams: int) -> bool:
        one, all_ = (height, width, 1), (height, width, streams)
        if self._slow is None:
            self._want(one)
        self._want(all_)
        return self._ready(all_) is None and (
            self._slow is None or self._ready(one) is not None)

    def _ready(self, size: Size) -> Engine | None:
        """Return the engine of a size, if it is there; where nothing stands in, why it never is."""
        future = self._prepared.get(size)
        if future is None or not future.done() or future.cancelled():
            return None
        result = future.result()
        if isinstance(result, Engine):
            return result
        if self._slow is None and size[2] == 1:
            raise result
        return None

    def _failure(self, size: Size) -> EngineError | None:
        future = self._prepared.get(size)
        result = future.result() if future is not None and future.done() else None
        return result if isinstance(result, EngineError) else None

    def _want(self, size: Size) -> None:
        """Take note of a frame, or several, of a size; prepare what is worth it."""
        self._seen[size] += 1
        self._used[size] = time.monotonic()
        if size in self._prepared or self._seen[size] < (1 if self._slow is None else STEADY):
            return
        if len(self._prepared) >= MOST_SIZES and not self._give_way():
            if size not in self._told:
                self._told.add(size)
                log.warning(
                    'frames of more than %d sizes, or numbers of cameras at once, keep coming, and '
                    'no more engines are prepared: %s goes through %s', MOST_SIZES, _words(size),
                    'the engine for one camera, if there is one' if self._slow is None
                    else 'PyTorch, or camera by camera')
            return
        height, width, streams = size
        self._prepared[size] = self._thread.submit(self._make, replace(
            self._request, height=height, width=width, streams=streams, apart=True))

    def _give_way(self) -> bool:
        """Close the engine that was not used for longest, if that is long enough."""
        oldest = min(self._prepared, key=lambda size: self._used.get(size, 0.0))
        if time.monotonic() - self._used.get(oldest, 0.0) < IN_USE:
            return False
        self._seen.pop(oldest, None)
        self._close(self._prepared.pop(oldest))
        return True

    def _make(self, request: Request) -> Engine | EngineError:
        try:
            engine = self._open(request)
        except SlowerError as error:
            log.info('torch keeps running: %s', error)
            return error
        except Exception as error:  # whatever it is, frames go on
            problem = error if isinstance(error, EngineError) else EngineError(
                f'{type(error).__name__}: {error}')
            if self._slow is None:
                log.error('the chosen engine cannot be had: %s', problem)
            else:
                log.warning('torch keeps running: %s', problem)
            return problem
        log.info('%s runs %s at %s from now on', engine.backend, request.spec.name,
                 _words((request.height, request.width, request.streams)))
        return engine

    @staticmethod
    def _close(future: Future) -> None:
        def close(done: Future) -> None:
            if not done.cancelled() and isinstance(done.result(), Engine):
                done.result().close()
        future.cancel()
        future.add_done_callback(close)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        for future in self._prepared.values():
            self._close(future)
        self._prepared.clear()
        for engine in (self._slow, self._settled):
            if engine is not None:
                engine.close()


def _words(size: Size) -> str:
    height, width, streams = size
    return f'{width}x{height}' + (f' of {streams} cameras' if streams > 1 else '')
