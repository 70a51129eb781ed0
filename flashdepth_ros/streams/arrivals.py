"""The frames of one camera between the executor and the worker: only the newest waits. No ROS."""
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
import threading
import time
from typing import Any

from .continuity import Continuity, FrameOrigin
from .symptoms import Outcomes


@dataclass(frozen=True)
class Arrival:
    """A frame that waits.

    time: when it came (time.perf_counter). reset: why the temporal state must be forgotten before
    it, or None.
    """

    message: Any
    time: float
    reset: str | None


@dataclass
class Counts:
    """What became of the frames since configuring; see DepthStatus.msg."""

    received: int = 0
    processed: int = 0
    replaced: int = 0
    rejected: int = 0
    blind: int = 0
    late: int = 0
    repeated: int = 0
    failed: int = 0
    resets: Counter = field(default_factory=Counter)


class Arrivals:
    """Keeps the newest frame until the worker takes it.

    A reset that belongs to a replaced frame stays due for the one that replaces it. `ready` is
    notified when a frame waits; several cameras may share it. clock: in seconds, that by which
    frames arrive.
    """

    def __init__(self, continuity: Continuity, ready: threading.Condition,
                 clock: Callable[[], float] = time.perf_counter):
        self.continuity, self._clock = continuity, clock
        self.counts = Counts()
        self.outcomes = Outcomes()
        self.last_time: float | None = None
        self._ready = ready
        self._waiting: Arrival | None = None
        self._reset: str | None = None

    def put(self, message: Any, origin: FrameOrigin) -> None:
        """Take in a usable frame, in place of one that still waits.

        One whose stamp is late or repeated is counted and left out.
        """
        with self._ready:
            now = self._note()
            verdict = self.continuity.observe(origin, self._clock())
            self.outcomes.note(verdict.left_out or verdict.reset)
            if verdict.left_out == 'late':
                self.counts.late += 1
                return
            if verdict.left_out == 'repeated':
                self.counts.repeated += 1
                return
            if self._waiting is not None:
                self.counts.replaced += 1
            self._demand(verdict.reset)
            self._waiting = Arrival(message, now, self._reset)
            self._ready.notify()

    def reject(self) -> None:
        """Count a frame that cannot be used; it disturbs neither the stream nor a waiting frame."""
        with self._ready:
            self._note()
            self.counts.rejected += 1

    def reset(self, reason: str) -> None:
        """Have the temporal state forgotten before the next frame that is taken."""
        with self._ready:
            self.continuity.forget()
        self.demand(reason)

    def demand(self, reason: str) -> None:
        """Have the temporal state forgotten before the next frame that is taken; it continues."""
        with self._ready:
            self._demand(reason)
            if self._waiting is not None:
                self._waiting = replace(self._waiting, reset=self._reset)

    def count_reset(self, reason: str) -> None:
        """Count a reset that a frame asked for which was taken already."""
        with self._ready:
            self.counts.resets[reason] += 1

    def clock_jumped(self, now: int) -> None:
        """Take note that the node's clock went back to `now`, in ns."""
        with self._ready:
            self.continuity.clock_jumped(now, self._clock())

    def take(self) -> Arrival | None:
        """Hand over the waiting frame, if any, and the reset that is due with it."""
        with self._ready:
            arrival, self._waiting = self._waiting, None
            if arrival is not None:
                self._reset = None
            return arrival

    def waits(self) -> bool:
        return self._waiting is not None

    def clear(self) -> None:
        """Drop the waiting frame and start a new stream."""
        with self._ready:
            self._waiting = self._reset = None
            self.continuity.forget()
            self.outcomes.forget()

    def _note(self) -> float:
        now = self.last_time = time.perf_counter()
        self.counts.received += 1
        return now

    def _demand(self, reason: str | None) -> None:
        if reason is not None and self._reset is None:  # counted once, for its first reason
            self._reset = reason
            self.counts.resets[reason] += 1
