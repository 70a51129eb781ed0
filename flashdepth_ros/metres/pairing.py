"""Frames and what a reference sensor gave, paired by stamp though both come late. No ROS here."""
from collections import deque
from collections.abc import Sequence
import threading
from typing import Any

SAME = 1_000_000    # ns between stamps of one moment: some drivers round them
KEPT_FRAMES = 16
KEPT_REFERENCES = 50
KEPT_BYTES = 100_000_000    # of references: a lidar's cloud may have megabytes
JUMP = 1_000_000_000    # ns back after which stamps are those of a clock that began anew


class Pairing:
    """Keeps the newest frames and references until it is known which belong together.

    A frame and a reference are a pair where each is the other's nearest, at most max_delay ns
    apart. It is settled as soon as nothing nearer can come: at once for equal stamps, else when
    both sides have gone on beyond the other's stamp; for a frame also when max_delay has passed
    without a reference. Each is used once, in order.

    References may be added by another thread.
    """

    def __init__(self, max_delay: int):
        self._max_delay = max_delay
        self._frames: deque[tuple[int, Any]] = deque(maxlen=KEPT_FRAMES)
        self._references: deque[tuple[int, Any, int]] = deque(maxlen=KEPT_REFERENCES)
        self._newest = 0    # stamp of a reference
        self._changing = threading.Lock()    # of the references

    def add_frame(self, stamp: int, frame: Any) -> None:
        """Take in a frame of a stamp in ns."""
        if self._frames and stamp < self._frames[-1][0]:    # the stream has begun anew
            self._frames.clear()
        self._frames.append((stamp, frame))

    def add_reference(self, stamp: int, reference: Any, size: int = 0) -> None:
        """Take in what the reference sensor gave at a stamp in ns; size: its bytes."""
        with self._changing:
            if stamp < self._newest:
                if self._newest - stamp < JUMP:    # late, and of no use any more
                    return
                self._references.clear()
            self._newest = stamp
            self._references.append((stamp, reference, size))
            total = sum(each[2] for each in self._references)
            while total > KEPT_BYTES and len(self._references) > 1:
                total -= self._references.popleft()[2]

    def take(self) -> tuple[int, Any, Any] | None:
        """Hand over the newest settled pair as (frame's stamp, frame, reference), if there is one.

        It and all that is older is forgotten.
        """
        with self._changing:
            references = list(self._references)
        times = [stamp for stamp, _, _ in references]
        frames = [stamp for stamp, _ in self._frames]
        for index in range(len(frames) - 1, -1, -1):
            stamp = frames[index]
            if not times:
                break
            place = _nearest(times, stamp)
            other = times[place]
            apart = abs(other - stamp)
            if apart > self._max_delay or frames[_nearest(frames, other)] != stamp:
                continue
            gone_on = (times[-1] >= stamp or frames[-1] - stamp >= self._max_delay
                       ) and frames[-1] >= other
            if apart > SAME and not gone_on:
                continue
            frame = self._frames[index][1]
            for _ in range(index + 1):
                self._frames.popleft()
            reference = references[place][1]
            with self._changing:
                while self._references and self._references[0][0] <= other <= self._newest:
                    self._references.popleft()
            return stamp, frame, reference
        return None

    def waits(self) -> bool:
        """Whether there is a frame that a reference is near to, though a nearer one may come."""
        with self._changing:
            times = [stamp for stamp, _, _ in self._references]
        return bool(times) and any(
            abs(times[_nearest(times, stamp)] - stamp) <= self._max_delay
            for stamp, _ in self._frames)

    def forget_frames(self) -> None:
        self._frames.clear()

    def clear(self) -> None:
        self._frames.clear()
        with self._changing:
            self._references.clear()
            self._newest = 0


def _nearest(stamps: Sequence[int], stamp: int) -> int:
    """Return where in a sequence the stamp lies that is nearest to another, the first of equals."""
    return min(range(len(stamps)), key=lambda i: abs(stamps[i] - stamp))
