"""Where a camera's metres come from while it runs: a sensor, the floor, or its own motion."""
from collections.abc import Callable
from typing import Protocol

import numpy as np
from std_msgs.msg import Header

from ..metres.motion import MotionState
from ..metres.tracker import Scale, ScaleTracker, motion_tracker
from ..models import Unit
from ..ros.message import stamp_to_ns
from ..ros.parameters import Settings
from ..ros.topics import Topics
from .camera_input import Picture
from .ground_source import GroundSource
from .motion_source import MotionSource
from .reference import FitResult, ReferenceSource

STANDS = 0.5    # metres since the last fit


class Source(Protocol):
    """What metres are fitted to."""

    def fit(self, d: np.ndarray, picture: Picture, header: Header,
            scale: Scale | None) -> FitResult:
        """Fit inverse depth (h, w) of a picture; scale: the one so far, if there is one."""

    def subscribe(self) -> None: ...

    def unsubscribe(self) -> None: ...

    def look_around(self) -> None:
        """Follow publishers that come and go; twice a second."""

    def forget(self) -> None:
        """Drop what belongs to the stream so far."""


class MetricScale:
    """One camera's factor and shift: of the parameters, or followed through time from a source."""

    def __init__(self, source: Source | None, tracker: ScaleTracker | None = None):
        self.source = source
        self._tracker = tracker or ScaleTracker()
        self.problem: str | None = None   # why the last frame gave no fit
        self.current: Scale | None = None

    def update(
        self, inverse_depth: Callable[[], np.ndarray], picture: Picture, header: Header,
        settings: Settings,
    ) -> tuple[float, float] | None:
        """Return the factor and shift for a frame, or None while there are none.

        inverse_depth: gives d (h, w) of the picture, if it is needed.
        """
        if self.source is None:
            return settings['scale.factor'], settings['scale.shift']
        # of this frame or, where its reference comes later than it, of an earlier one
        stamp, fit, reason = self.source.fit(inverse_depth(), picture, header, self.current)
        if fit is not None:
            believed = self._tracker.update(stamp, fit)
            self.problem = None if believed else (
                'the newest fits contradict the scale so far' if self.current is not None
                else 'the first fits do not agree yet')
        elif reason:
            self.problem = reason
        unseen = self.source.unseen if isinstance(self.source, MotionSource) else 0.0
        self.current = self._tracker.at(stamp_to_ns(header.stamp), unseen)
        return None if self.current is None else (self.current.factor, self.current.shift)

    @property
    def motion(self) -> MotionState | None:
        """What the newest frame told of the robot's motion; None in other modes."""
        return self.source.state if isinstance(self.source, MotionSource) else None

    def forget(self, scale: bool) -> None:
        """Drop what belongs to the stream so far; scale: and begin anew with that."""
        if scale:
            self._tracker.reset()
            self.current = None
        if self.source is not None:
            self.source.forget()

    def is_fresh(self, max_age: float) -> bool:
        """Whether there are metres whose last fit is at most max_age seconds old; 0 is any age.

        With scale.mode motion a robot that stands has no fit, and may see nevertheless.
        """
        if self.source is None:
            return True
        if self.current is None:
            return False
        stands = self.motion is not None and self.motion.travelled < STANDS
        return not max_age or self.current.age <= max_age or stands

    @property
    def followed(self) -> bool:
        """Whether the scale is fitted while the node runs."""
        return self.source is not None

    def subscribe(self) -> None:
        """Begin to receive the reference, if there is one."""
        if self.source is not None:
            self.source.subscribe()

    def look_around(self) -> None:
        """Follow the reference's publishers; twice a second."""
        if self.source is not None:
            self.source.look_around()

    def unsubscribe(self) -> None:
        """Stop receiving, and drop what has come."""
        if self.source is not None:
            self.source.unsubscribe()


def open_scale(topics: Topics, prefix: str, settings: Settings, unit: Unit) -> MetricScale:
    """Make what scale.mode asks for; ParameterError where it cannot be had."""
    mode = settings['scale.mode']
    if mode == 'reference':
        return MetricScale(ReferenceSource(topics, prefix, settings, unit))
    if mode == 'motion':
        source = MotionSource(topics, prefix, settings, not unit.has_shift)
        return MetricScale(source, motion_tracker(settings['scale.odometry_error']))
    if mode == 'ground':
        return MetricScale(GroundSource(topics, prefix, settings))
    return MetricScale(None)
