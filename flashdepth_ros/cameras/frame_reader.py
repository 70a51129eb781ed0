"""A source of frames that is read in a thread of its own, and is connected again. No ROS here."""
from collections.abc import Callable
from dataclasses import dataclass, field
import threading
import time

from ..files.sources import Frame, FrameSource, SourceError

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds before the next try, doubled each time
STABLE = 5.0  # seconds of frames after which a connection counts as one


@dataclass(frozen=True)
class Arrived:
    """A frame: time in seconds, which goes on over the rounds of a recording; stamp in ns.

    period: in seconds, of the source. live: it is published as it comes.
    """

    frame: Frame
    time: float
    stamp: int
    pixel_aspect: float
    period: float
    live: bool


@dataclass
class Counts:
    """Of frames that came and that were damaged, and how often the source was opened."""

    received: int = 0
    damaged: int = 0
    connections: int = 0


@dataclass
class FrameReader:
    """Reads a source: of a camera the newest frame waits, of a recording the next one.

    open_again: opens it. opened: it, where it is open already. now: a clock in ns, for stamps.
    ready: called in the reading thread when a frame waits or `problem` or `finished` changed.

    A camera that cannot be opened or is lost is tried again until it comes, for ever (retrying);
    problem says why, and is None once it has given frames for some seconds. A recording ends: then
    it is finished, and problem says where it broke off. The thread may hang in a driver or network:
    nobody waits for it.
    """

    open_again: Callable[[], FrameSource]
    opened: FrameSource | None
    loop: bool
    now: Callable[[], int]
    ready: Callable[[], None]
    problem: str | None = None
    retrying: bool = False
    finished: bool = False
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._waiting: Arrived | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._since = 0.0  # when the connection gave its first frame
        threading.Thread(target=self._run, name='camera', daemon=True).start()

    def take(self) -> Arrived | None:
        """Return the frame that waits, and make room for the next."""
        with self._changed:
            frame, self._waiting = self._waiting, None
            self._changed.notify_all()
        return frame

    def close(self) -> None:
        """Let the thread end as soon as it comes back from where it reads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        source, wait = self.opened, FIRST_WAIT
        while not self._closed:
            received = self.counts.received
            try:
                source = source or self.open_again()
                self.counts.connections += 1
                if not source.live:
                    self._play(source)
                    break
                self._follow(source)
                reason = f'{source.name}: the server ended the stream'
            except SourceError as error:
                reason = str(error)
            self.retrying = True
            if source is not None:
                source.close()
                source = None
            if self.counts.received > received:
                wait = FIRST_WAIT
            self._tell(reason)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, wait)
            wait = min(2 * wait, LONGEST_WAIT)
        if source is not None:
            source.close()
        self.finished = True
        self._notify()

    def _notify(self) -> None:
        with self._changed:  # once close() has returned nobody is called
            if not self._closed:
                self.ready()

    def _tell(self, problem: str | None) -> None:
        if problem != self.problem:
            self.problem = problem
            self._notify()

    def _follow(self, source: FrameSource) -> None:
        """Keep the newest frame of a camera, until it ends; SourceError where it is lost."""
        damaged, self._since = self.counts.damaged, time.monotonic()
        try:
            for frame in source:
                self.counts.damaged = damaged + source.damaged
                if time.monotonic() - self._since > STABLE:
                    self._tell(None)
                self._put(source, frame, frame.time)
                if self._closed:
                    return
        finally:
            self.counts.damaged = damaged + source.damaged

    def _play(self, source: FrameSource) -> None:
        """Give the frames of a recording, each once the one before was taken."""
        begin, count = 0.0, -1
        while count != self.counts.received and not self._closed:  # a round without a frame
            count, last, damaged = self.counts.received, begin, self.counts.damaged
            try:
                for frame in source:
                    last = begin + frame.time
                    self._put(source, frame, last)
                    if self._closed:
                        return
            except SourceError as error:
                self._tell(str(error))
            self.counts.damaged = damaged + source.damaged
            begin = last + 1 / source.fps
            if not self.loop:
                return
            try:
                source.rewind()
            except SourceError as error:
                self._tell(str(error))
                return

    def _put(self, source: FrameSource, frame: Frame, when: float) -> None:
        arrived = Arrived(
            frame, when, self.now(), source.pixel_aspect, 1 / source.fps, source.live)
        with self._changed:
            if not source.live:
                self._changed.wait_for(lambda: self._waiting is None or self._closed)
            self._waiting = arrived
            self.counts.received += 1
        self._notify()
