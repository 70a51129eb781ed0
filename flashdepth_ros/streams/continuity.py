"""Whether a frame continues the ones before it: the rules for forgetting the temporal state."""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FrameOrigin:
    """Where and when a frame comes from: stamp in ns, optical frame, size in pixels, encoding."""

    stamp: int
    frame_id: str
    width: int
    height: int
    encoding: str


@dataclass
class Continuity:
    """Decides whether a frame continues the ones before it.

    It must see every frame that arrives, also those that a busy worker never takes: skipped frames
    are no gap. max_gap is in seconds, 0 for no limit.
    """

    max_gap: float
    _last: FrameOrigin | None = field(default=None, init=False)

    def observe(self, frame: FrameOrigin) -> str | None:
        """Take note of a frame; return why the state must be forgotten before it, or None."""
        last, self._last = self._last, frame
        if last is None:
            return None
        elapsed = (frame.stamp - last.stamp) / 1e9
        if elapsed < 0:
            return 'stamp went back'
        if self.max_gap and elapsed > self.max_gap:
            return 'gap in time'
        if (frame.width, frame.height) != (last.width, last.height):
            return 'new image size'
        if frame.encoding != last.encoding:
            return 'new encoding'
        if frame.frame_id != last.frame_id:
            return 'new frame_id'
        return None

    def forget(self) -> None:
        """Start anew, so that the next frame continues nothing and breaks nothing."""
        self._last = None
