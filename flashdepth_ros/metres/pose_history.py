"""The last seconds of a robot's poses, asked for between them. No ROS here."""
from bisect import bisect_left
from collections import deque
import math
import threading

import numpy as np

from ..images.poses import OPTICAL
from .motion_pose import rotation_of, vector_of

KEPT = 10_000_000_000    # ns
GAP = 250_000_000        # ns between poses over which nothing is told
STEP = 0.05              # metres that are no jump, however fast
TURN = math.radians(20)    # likewise
FASTER = 1.0             # metres per second beyond what the odometry itself tells
FASTEST = 3.0            # metres per second where it tells none
FASTEST_TURN = 6.0       # radians per second


class PoseHistory:
    """Poses (4, 4) by stamp, added in order by one thread and asked for by another.

    epoch: grows with each jump, whose poses say nothing about those before.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self.epoch = 0
        self.clear()

    def clear(self) -> None:
        """Forget every pose."""
        with self._lock:
            self._poses: deque[tuple[int, np.ndarray]] = deque()

    @property
    def empty(self) -> bool:
        return not self._poses

    def add(self, stamp: int, pose: np.ndarray, speed: float | None = None) -> None:
        """Take a pose of a stamp in ns; speed: in m/s, as the odometry tells it.

        A pose that is not finite, or of a stamp that was there, is left out.
        """
        if not np.isfinite(pose).all():
            return
        with self._lock:
            if self._poses:
                last, before = self._poses[-1]
                if stamp == last:
                    return
                if stamp < last or _is_jump((stamp - last) / 1e9, before, pose, speed):
                    self._poses.clear()
                    self.epoch += 1
            self._poses.append((stamp, pose))
            while stamp - self._poses[0][0] > KEPT:
                self._poses.popleft()

    def at(self, stamp: int) -> np.ndarray | None:
        """Return the pose at a stamp in ns; None before the first, after the last and in gaps."""
        with self._lock:
            stamps = [each for each, _ in self._poses]
            index = bisect_left(stamps, stamp)
            if index == len(stamps):
                return None
            later, after = self._poses[index]
            if later == stamp:
                return after
            if index == 0:
                return None
            earlier, before = self._poses[index - 1]
        if later - earlier > GAP:
            return None
        share = (stamp - earlier) / (later - earlier)
        pose = np.eye(4)
        pose[:3, 3] = (1 - share) * before[:3, 3] + share * after[:3, 3]
        turn = vector_of(before[:3, :3].T @ after[:3, :3])
        pose[:3, :3] = before[:3, :3] @ rotation_of(share * turn)
        return pose


def _is_jump(seconds: float, before: np.ndarray, after: np.ndarray, speed: float | None) -> bool:
    step = float(np.linalg.norm(after[:3, 3] - before[:3, 3]))
    turn = float(np.linalg.norm(vector_of(before[:3, :3].T @ after[:3, :3])))
    fastest = FASTEST if not speed else speed + FASTER
    return (step > max(STEP, fastest * seconds)
            or turn > max(TURN, FASTEST_TURN * seconds))


def mounted(
    x: float, y: float, z: float, roll: float, pitch: float, yaw: float,
) -> np.ndarray:
    """Return the pose (4, 4) of the optical frame in the robot's, of a camera's body frame there.

    Metres; radians about the robot's x, y and z axis, as static_transform_publisher has them: a
    positive pitch looks down.
    """
    turned = (rotation_of(np.array([0, 0, yaw])) @ rotation_of(np.array([0, pitch, 0]))
              @ rotation_of(np.array([roll, 0, 0])))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turned @ OPTICAL, (x, y, z)
    return pose
