"""When the frames of a recording are due. No ROS here."""
SECOND = 1_000_000_000
BEHIND = 0.2  # seconds that playing may lag before it goes on from there
AHEAD = 1.0   # seconds beyond a frame's own time that it may wait: the clock was set back


class Playback:
    """Puts the times of a recording's frames on a clock in ns.

    rate: frames per second in place of their own times; 0 for their own.
    """

    def __init__(self, rate: float):
        self._rate = rate
        self._begin: int | None = None
        self._number = -1
        self._last = 0.0

    def due(self, time: float, now: int) -> int:
        """Return when the next frame is due: it has this time in seconds, and it is now `now`."""
        self._number += 1
        if self._rate:
            time = self._number / self._rate
        pause, self._last = time - self._last, time
        offset = round(time * SECOND)
        if self._begin is None:
            self._begin = now - offset
        late = (now - self._begin - offset) / SECOND
        if late > BEHIND or -late > max(pause, 0) + AHEAD:
            self._begin = now - offset
        return self._begin + offset
