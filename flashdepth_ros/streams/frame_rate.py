"""How often something happens. No ROS here."""
from collections import deque
from dataclasses import dataclass, field
import time


@dataclass
class FrameRate:
    """Frames per second over the last few seconds."""

    window: float = 3.0
    _times: deque = field(default_factory=lambda: deque(maxlen=1000))

    def tick(self) -> None:
        self._times.append(time.perf_counter())

    def value(self) -> float:
        """Return frames per second; 0.0 when there were none in the window."""
        start = time.perf_counter() - self.window
        times = [moment for moment in self._times.copy() if moment >= start]
        if len(times) < 2:
            return len(times) / self.window
        return (len(times) - 1) / (times[-1] - times[0])
