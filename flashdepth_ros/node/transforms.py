"""Where frames are in each other: through TF, or as parameters tell it."""
import math
import threading

import numpy as np
from rclpy.time import Time

from ..images.poses import pose_of
from ..metres.pose_history import mounted
from ..ros.parameters import Settings
from ..ros.topics import Topics
from .required import require

JUMP = 5_000_000_000    # ns back after which stamps are those of a clock that began anew


class Transforms:
    """TF, while it is subscribed to. ParameterError where tf2_ros is not installed.

    purpose: what needs it, for that error.
    problem: why the last pose that was asked for is not known, as TF says it; '' where it is.
    """

    def __init__(self, topics: Topics, purpose: str):
        self._topics, self._tf2 = topics, require('tf2_ros', 'tf2-ros-py', purpose)
        self._changing = threading.Lock()
        self._buffer, self._stop = None, None
        self._newest, self.problem = 0, ''

    def subscribe(self) -> None:
        """Begin to receive, where that has not begun."""
        with self._changing:
            if self._buffer is None:
                self._buffer = self._tf2.Buffer()
                self._stop = self._topics.follow_transforms(self._tf2, self._buffer)

    def unsubscribe(self) -> None:
        """Stop receiving, and drop what has come."""
        with self._changing:
            if self._stop is not None:
                self._stop()
            self._buffer = self._stop = None

    def pose(self, target: str, source: str, stamp: int) -> np.ndarray | None:
        """Look up where one frame is in another, (4, 4); None where TF does not know it.

        stamp: in ns; 0 is the newest.
        """
        buffer = self._buffer
        if buffer is None:
            self.problem = 'TF is not subscribed to'
            return None
        if stamp and self._newest - stamp > JUMP:
            buffer.clear()    # it would keep what was to come, and take nothing older
        self._newest, self.problem = stamp or self._newest, ''
        try:
            found = buffer.lookup_transform(target, source, Time(nanoseconds=stamp)).transform
        except Exception as error:  # of many kinds, all below tf2's own base class
            self.problem = str(error)
            return None
        t, q = found.translation, found.rotation
        pose = pose_of((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        if np.isfinite(pose).all():
            return pose
        self.problem = (f"the transform from '{source}' to '{target}' is not a finite translation "
                        f'and a quaternion of length 1')
        return None


def mounting(settings: Settings) -> np.ndarray:
    """Return the camera's optical frame in the robot's, (4, 4), as scale.camera_* tell it."""
    roll, pitch, yaw = (math.radians(settings[f'scale.camera_{name}'])
                        for name in ('roll', 'pitch', 'yaw'))
    return mounted(settings['scale.camera_x'], settings['scale.camera_y'],
                   settings['scale.camera_height'], roll, pitch, yaw)
