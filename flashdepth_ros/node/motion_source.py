"""The scale from the robot's own motion, of odometry and images."""
import numpy as np
from std_msgs.msg import Header

from ..metres.motion import NO_POSE, MotionFitter, MotionState
from ..metres.motion_tracks import to_grey
from ..metres.tracker import Scale
from ..ros.message import stamp_to_ns
from ..ros.parameters import Settings
from ..ros.topics import Topics
from .camera_input import Picture
from .odometry_input import OdometryInput
from .reference import FitResult


class MotionSource:
    """Compares what the camera saw from places that odometry tells the distance of.

    shift_known: of models whose inverse depth has no unknown shift.
    """

    def __init__(
        self, topics: Topics, prefix: str, settings: Settings, shift_known: bool,
    ):
        self.odometry = OdometryInput(topics, prefix, settings)
        self._fitter = MotionFitter(shift_known)
        self._epoch = self.odometry.epoch

    @property
    def state(self) -> MotionState:
        """What became of the newest frame, for people."""
        return self._fitter.state

    @property
    def unseen(self) -> float:
        """How far the scale may be off, relatively, for what the camera sees since the last fit."""
        return self._fitter.unseen

    def fit(
        self, d: np.ndarray, picture: Picture, header: Header, scale: Scale | None = None,
    ) -> FitResult:
        """Fit the inverse depth (h, w) of a frame, or of one before whose pose has come late."""
        stamp, view = stamp_to_ns(header.stamp), picture.view
        if view.intrinsics is None:
            return stamp, None, 'no camera_info has come'
        if view.calibration is not None:
            return stamp, None, ('the images stay distorted (see input.rectify), where motion '
                                 'cannot be measured')
        stamp, fit, reason = self._fitter.fit(
            stamp, to_grey(picture.rgb), d, view.intrinsics,
            lambda at: self._pose(at, header.frame_id),
            None if scale is None else (scale.factor, scale.shift))
        return stamp, fit, self.odometry.problem() if reason == NO_POSE else reason

    def _pose(self, stamp: int, frame: str) -> np.ndarray | None:
        pose = self.odometry.pose(stamp, frame)
        if self.odometry.epoch != self._epoch:    # nothing before can be compared with it
            self._epoch = self.odometry.epoch
            self._fitter.forget_keyframes()
        return pose

    def subscribe(self) -> None:
        self.odometry.subscribe()

    def unsubscribe(self) -> None:
        self.odometry.unsubscribe()
        self._fitter.forget()

    def look_around(self) -> None:
        self.odometry.refresh()

    def forget(self) -> None:
        self._fitter.forget()
