"""Where a camera's metres come from while it runs: a reference sensor, or the floor.

message_filters, sensor_msgs_py and tf2_ros are imported only here and only when a reference needs
them; where one is missing, configuring fails with the name of the package to install.
"""
from collections.abc import Callable
import importlib
import os
from types import ModuleType

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from ..images.intrinsics import Intrinsics
from ..metres.affine_fit import Fit, fit_affine
from ..metres.floor_fit import fit_ground
from ..metres.samples import Samples, samples_from_depth_image, samples_from_points
from ..metres.tracker import Scale, ScaleTracker
from ..ros.image_messages import image_to_depth
from ..ros.message import MessageError, stamp_to_ns
from ..ros.parameters import ParameterError, Settings

REMEMBERED = 50  # reference messages among which a frame's is looked for

FitResult = tuple[Fit | None, str]  # a fit, or why there is none


def require(module: str, package: str, purpose: str) -> ModuleType:
    """Import a ROS module that has no PyPI wheel; ParameterError names its apt package."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        distribution = os.environ.get('ROS_DISTRO', '<distro>')
        raise ParameterError(
            f'{purpose} needs {module}, which is missing ({error}): '
            f'sudo apt install ros-{distribution}-{package}') from error


class GroundSource:
    """The camera's height over a flat floor."""

    def __init__(self, camera_height: float):
        self._height = camera_height

    def fit(self, d: np.ndarray, intrinsics: Intrinsics | None, header: Header) -> FitResult:
        """Fit inverse depth (h, w) to the floor; intrinsics are of that size."""
        if intrinsics is None:
            return None, 'no camera_info has come'
        return fit_ground(d, intrinsics, self._height)

    def close(self) -> None:
        pass


class ReferenceSource:
    """A depth image aligned with the camera, or a cloud that TF brings into its optical frame.

    Subscribes to reference/depth/image or reference/points, below the camera's namespace.
    """

    def __init__(
        self, node: LifecycleNodeMixin, prefix: str, settings: Settings, group: CallbackGroup,
    ):
        purpose = 'scale.mode reference'
        filters = require('message_filters', 'message-filters', purpose)
        self._node, self._max_delay = node, settings['scale.max_delay']
        self._used: int | None = None
        self._transforms = None
        self._points = settings['scale.reference'] == 'points'
        if self._points:
            self._point_cloud2 = require('sensor_msgs_py.point_cloud2', 'sensor-msgs-py', purpose)
            tf2 = require('tf2_ros', 'tf2-ros-py', purpose)
            self._transforms = tf2.Buffer()
            self._listener = tf2.TransformListener(self._transforms, node)
        kind, topic = (
            (PointCloud2, 'reference/points') if self._points else (Image, 'reference/depth/image'))
        self.topic = node.resolve_topic_name(prefix + topic)
        self._cache = filters.Cache(filters.SimpleFilter(), REMEMBERED)
        self._subscription = node.create_subscription(
            kind, self.topic, self._on_reference, qos_profile_sensor_data, callback_group=group)

    def _on_reference(self, message: Image | PointCloud2) -> None:
        if message.header.stamp.sec >= 0:  # for others rclpy has no Time, and raises
            self._cache.add(message)

    def fit(self, d: np.ndarray, intrinsics: Intrinsics | None, header: Header) -> FitResult:
        """Fit inverse depth (h, w) to the reference nearest in time, if it was not used before."""
        if header.stamp.sec < 0:
            return None, "the image's stamp is negative"
        stamp = Time.from_msg(header.stamp)
        delay = Duration(seconds=self._max_delay)
        near = self._cache.getInterval(
            stamp - delay if stamp.nanoseconds > delay.nanoseconds
            else Time(clock_type=stamp.clock_type), stamp + delay)
        if not near:
            return None, f'nothing on {self.topic} within {self._max_delay} s of the image'
        reference = min(near, key=lambda message: abs(
            stamp_to_ns(message.header.stamp) - stamp.nanoseconds))
        if stamp_to_ns(reference.header.stamp) == self._used:
            return None, ''
        try:
            samples = self._samples(d, intrinsics, header, reference)
        except (MessageError, ValueError, LookupError) as error:
            return None, str(error)
        self._used = stamp_to_ns(reference.header.stamp)
        return fit_affine(*samples)

    def _samples(
        self, d: np.ndarray, intrinsics: Intrinsics | None, header: Header, reference,
    ) -> Samples:
        if not self._points:
            return samples_from_depth_image(d, image_to_depth(reference))
        if intrinsics is None:
            raise LookupError('no camera_info has come, which a cloud as reference needs')
        try:
            points = self._point_cloud2.read_points_numpy(
                reference, field_names=['x', 'y', 'z'], skip_nans=True)
        except Exception as error:  # of any kind, by what is wrong: it does not look before
            raise MessageError(
                f'a cloud on {self.topic} cannot be read; x, y and z must be of one type, and '
                f'point_step, size and data go together: {error!r}') from error
        try:
            transform = self._transforms.lookup_transform(
                header.frame_id, reference.header.frame_id, Time.from_msg(reference.header.stamp))
        except Exception as error:  # of many kinds, all below tf2's own base class
            raise LookupError(f'no transform from {reference.header.frame_id} to '
                              f'{header.frame_id}: {error}') from error
        return samples_from_points(d, intrinsics, apply(transform.transform, points))

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)
        if self._transforms is not None:
            self._listener.unregister()


def apply(transform, points: np.ndarray) -> np.ndarray:
    """geometry_msgs/Transform applied to points (N, 3)."""
    q, t = transform.rotation, transform.translation
    x, y, z, w = q.x, q.y, q.z, q.w
    rotation = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]])
    with np.errstate(invalid='ignore', over='ignore'):  # a point may be anywhere
        return points @ rotation.T.astype(np.float32) + np.array([t.x, t.y, t.z], np.float32)


class MetricScale:
    """One camera's factor and shift: of the parameters, or followed through time from a source."""

    def __init__(self, source: GroundSource | ReferenceSource | None):
        self._source = source
        self._tracker = ScaleTracker()
        self.problem: str | None = None   # why the last frame gave no fit
        self.current: Scale | None = None

    def update(
        self, inverse_depth: Callable[[], np.ndarray], intrinsics: Intrinsics | None,
        header: Header, settings: Settings,
    ) -> tuple[float, float] | None:
        """Return the factor and shift for a frame, or None while there are none.

        inverse_depth: gives d (h, w), if it is needed; intrinsics are of that size.
        """
        if self._source is None:
            return settings['scale.factor'], settings['scale.shift']
        stamp = stamp_to_ns(header.stamp)
        fit, reason = self._source.fit(inverse_depth(), intrinsics, header)
        if fit is not None:
            believed = self._tracker.update(stamp, fit)
            self.problem = None if believed else 'the newest fits contradict the scale so far'
        elif reason:
            self.problem = reason
        self.current = self._tracker.at(stamp)
        return None if self.current is None else (self.current.factor, self.current.shift)

    def forget(self) -> None:
        """Begin anew: the next fit is believed as it is."""
        self._tracker.reset()
        self.current = None

    @property
    def followed(self) -> bool:
        """Whether the scale is fitted while the node runs."""
        return self._source is not None

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


def open_scale(
    node: LifecycleNodeMixin, prefix: str, settings: Settings, group: CallbackGroup,
) -> MetricScale:
    """Make what scale.mode asks for; ParameterError where it cannot be had."""
    mode = settings['scale.mode']
    if mode == 'reference':
        return MetricScale(ReferenceSource(node, prefix, settings, group))
    if mode == 'ground':
        if settings['scale.camera_height'] <= 0:
            raise ParameterError(
                'scale.mode is ground, and scale.camera_height is not set: give the height of the '
                "camera's lens above the floor in metres")
        return MetricScale(GroundSource(settings['scale.camera_height']))
    return MetricScale(None)
