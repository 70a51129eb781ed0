"""Whether a frame continues the ones before it: the rules for forgetting the temporal state."""
from dataclasses import dataclass, field

SECOND = 1_000_000_000

SET_BACK = 3  # late frames in a row, each after the one before: the camera's clock was set back
LEFTOVER = 0.5  # seconds after a jump of the clock in which frames of before it may still come


@dataclass(frozen=True)
class FrameOrigin:
    """Where and when a frame comes from: stamp in ns, optical frame, size in pixels, encoding.

    A stamp of zero is one that was never set.
    """

    stamp: int
    frame_id: str
    width: int
    height: int
    encoding: str


@dataclass(frozen=True)
class Verdict:
    """What is to become of a frame.

    left_out: 'late' or 'repeated' where it is not to be used. reset: why the temporal state must
    be forgotten before it.
    """

    left_out: str | None = None
    reset: str | None = None


@dataclass(frozen=True)
class _Seen:
    frame: FrameOrigin
    arrived: float


@dataclass
class Continuity:
    """Decides whether a frame continues the ones before it.

    It must see every frame that arrives, also those that a busy worker never takes: skipped frames
    are no gap. max_gap is in seconds, 0 for no limit. A stamp that goes back by up to max_backward
    seconds belongs to a frame that was overtaken; one that goes back by more begins a new stream.

    Where the camera's clock is set back by that little, its stamps go on from there: after a few
    late frames, at the pace at which they arrive, they are believed.
    """

    max_gap: float
    max_backward: float = 1.0
    _last: _Seen | None = field(default=None, init=False)
    _late: list[_Seen] = field(default_factory=list, init=False)  # in a row
    _went_back: bool = field(default=False, init=False)           # and no clock jumped since
    _jumped: float | None = field(default=None, init=False)       # when the clock did

    def observe(self, frame: FrameOrigin, arrived: float) -> Verdict:
        """Take note of a frame that arrived at a time in seconds, on a clock that only advances."""
        last, seen = self._last, _Seen(frame, arrived)
        if last is None:
            self._last = seen
            return Verdict()
        stamped = frame.stamp != 0 and last.frame.stamp != 0
        elapsed = ((frame.stamp - last.frame.stamp) / SECOND if stamped
                   else arrived - last.arrived)
        if self._jumped is not None and (
                elapsed < 0 or arrived - self._jumped > LEFTOVER or not stamped):
            self.forget()
            self._last = seen
            return Verdict(reset='clock jumped back')
        if stamped and elapsed == 0:
            return Verdict(left_out='repeated')
        if -self.max_backward <= elapsed < 0 and not self._set_back(seen):
            return Verdict(left_out='late')
        self._late = []
        self._last = seen
        if elapsed < -self.max_backward:
            self._went_back = True
            return Verdict(reset='stamp went back')
        return Verdict(reset=self._break(last.frame, frame, elapsed))

    def _break(self, last: FrameOrigin, frame: FrameOrigin, elapsed: float) -> str | None:
        if self.max_gap and elapsed > self.max_gap:
            return 'gap in time'
        if (frame.width, frame.height) != (last.width, last.height):
            return 'new image size'
        if frame.encoding != last.encoding:
            return 'new encoding'
        if frame.frame_id != last.frame_id:
            return 'new frame_id'
        return None

    def _set_back(self, seen: _Seen) -> bool:
        """Take note of a late frame; say whether it and those before it show a clock set back.

        Frames that were held up somewhere come in a burst, faster than they were taken.
        """
        if self._late:
            before = self._late[-1]
            taken = (seen.frame.stamp - before.frame.stamp) / SECOND
            if taken <= 0 or seen.arrived - before.arrived < taken / 2:
                self._late = []
        self._late.append(seen)
        return len(self._late) >= SET_BACK

    def clock_jumped(self, now: int, arrived: float) -> None:
        """Take note that the node's clock went back to `now`, in ns: a bag begins again, perhaps.

        That is one break, whichever comes first, the clock or the first image; and images of
        before it that were under way still belong to what was.
        """
        if self._last is None:
            return
        if self._went_back and self._last.frame.stamp <= now + self.max_backward * SECOND:
            self._went_back = False
            return
        self._jumped = arrived

    def forget(self) -> None:
        """Start anew, so that the next frame continues nothing and breaks nothing."""
        self._last, self._late, self._went_back, self._jumped = None, [], False, None
