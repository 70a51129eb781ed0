"""Which way is up, by an inertial measurement unit. No ROS here."""
from collections import deque
import math
import threading

import numpy as np

from .motion_pose import rotation_of

GRAVITY = 9.81          # m/s^2
DISTURBED = 1.5         # m/s^2 by which the acceleration may differ from it, to be believed
SETTLING = 2.0, 0.5     # seconds: that turning is believed for; without a gyroscope
RESTART = 500_000_000   # ns between measurements after which it begins anew
KEPT = 5_000_000_000    # ns
NEAR = 50_000_000       # ns that a measurement may be away from what is asked for


class UpEstimate:
    """A complementary filter: the gyroscope tells the quick, the accelerometer the lasting.

    Measurements are added by one thread and asked for by another.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget every measurement."""
        with self._lock:
            self._ups: deque[tuple[int, np.ndarray]] = deque()

    @property
    def empty(self) -> bool:
        return not self._ups

    def add(self, stamp: int, acceleration: np.ndarray, turn: np.ndarray | None) -> None:
        """Take a measurement of a stamp in ns, in the unit's frame, as REP 145 has it.

        acceleration: (3,) in m/s^2, upwards at rest. turn: (3,) in rad/s; None without a
        gyroscope. What is not finite is left out.
        """
        size = float(np.linalg.norm(acceleration))
        if turn is not None and not np.isfinite(turn).all():
            turn = None
        if not math.isfinite(size):
            return
        calm = abs(size - GRAVITY) < DISTURBED
        with self._lock:
            last, up = self._ups[-1] if self._ups else (0, None)
            if up is None or not 0 < stamp - last < RESTART:
                if up is not None and 0 <= last - stamp < RESTART:
                    return    # late, or a second time
                self._ups.clear()
                if calm:
                    self._ups.append((stamp, acceleration / size))
                return
            seconds = (stamp - last) / 1e9
            if turn is not None:
                up = rotation_of(-turn * seconds) @ up
            if calm:
                share = min(1.0, seconds / SETTLING[turn is None])
                up = up + share * (acceleration / size - up)
            self._ups.append((stamp, up / np.linalg.norm(up)))
            while stamp - self._ups[0][0] > KEPT:
                self._ups.popleft()

    def at(self, stamp: int) -> np.ndarray | None:
        """Return what is up (3,), of length 1, at a stamp in ns; None without a measurement."""
        with self._lock:
            nearest = min(self._ups, key=lambda each: abs(each[0] - stamp), default=None)
        if nearest is None or abs(nearest[0] - stamp) > NEAR:
            return None
        return nearest[1]
