"""One camera's topics: what it receives, and what is published of its depth."""
from collections.abc import Callable
from dataclasses import dataclass
import threading
import time

import cv2
import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from .arrivals import Arrival, Arrivals
from .engines import Engine
from .geometry import Intrinsics, unproject
from .messages import (
    MessageError,
    bgr_to_image,
    check_image,
    depth_to_image,
    image_to_rgb,
    info_to_intrinsics,
    intrinsics_to_info,
    points_to_cloud,
    stamp_to_ns,
)
from .models import Unit
from .msg import DepthStatus
from .parameters import Settings
from .preview import colour_depth
from .scale import to_metres
from .stream import Continuity, DepthStream, FrameOrigin

NEWEST_SENSOR_DATA = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1,
    reliability=qos_profile_sensor_data.reliability)
NEWEST_RELIABLE = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST, depth=1, reliability=QoSReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class Stages:
    """When a frame passed each stage, in time.perf_counter seconds."""

    arrived: float
    started: float
    decoded: float
    prepared: float
    stepped: float
    made: float
    published: float


class CameraTopics:
    """The subscriptions and publishers of one camera, and the walk of its frames between them.

    Frames arrive on an executor thread (`_on_image`); the worker thread calls `process`.
    """

    def __init__(
        self, node: LifecycleNodeMixin, engine: Engine, settings: Settings,
        ready: threading.Condition, group: CallbackGroup, report_bad_input: Callable[[str], None],
    ):
        self._node, self._group, self._report = node, group, report_bad_input
        self.use(engine, settings)
        self.arrivals = Arrivals(Continuity(settings['stream.max_gap']), ready)
        self.info: CameraInfo | None = None
        self.bad_input: str | None = None    # the last problem with an incoming message
        self.stages: Stages | None = None    # of the newest frame
        self._subscriptions = []

        self._image_out, self._disparity_out, self._preview_out = Image(), Image(), Image()
        self._cloud_out = PointCloud2()
        self._depth = self._publisher(Image, 'depth/image')
        self._depth_info = self._publisher(CameraInfo, 'depth/camera_info')
        self._points = self._publisher(PointCloud2, 'points')
        self._disparity = self._publisher(Image, 'disparity/image')
        self._preview = self._publisher(Image, 'depth/preview')
        self.status = self._publisher(DepthStatus, '~/status')

    def _publisher(self, kind: type, topic: str):
        return self._node.create_lifecycle_publisher(
            kind, topic, NEWEST_RELIABLE,
            qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def use(self, engine: Engine, settings: Settings) -> None:
        """Take another engine or other settings; the temporal state starts anew."""
        self.stream = DepthStream(engine, settings['input.short_side'])

    def subscribe(self) -> None:
        """Begin to receive."""
        options = QoSOverridingOptions.with_default_policies()
        self._subscriptions = [
            self._node.create_subscription(
                kind, topic, callback, NEWEST_SENSOR_DATA, callback_group=self._group,
                qos_overriding_options=options)
            for kind, topic, callback in (
                (Image, 'image', self._on_image), (CameraInfo, 'camera_info', self._on_info))]

    def unsubscribe(self) -> None:
        """Stop receiving, and drop the frame that waits."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self.arrivals.clear()

    def destroy(self) -> None:
        """Remove every topic."""
        self.unsubscribe()
        for publisher in (self._depth, self._depth_info, self._points, self._disparity,
                          self._preview, self.status):
            self._node.destroy_lifecycle_publisher(publisher)

    @property
    def topic(self) -> str:
        """The full name of the image topic."""
        return self._node.resolve_topic_name('image')

    def _on_image(self, message: Image) -> None:
        try:
            check_image(message)
        except MessageError as error:
            self.arrivals.reject()
            self._bad(error)
            return
        self.arrivals.put(message, FrameOrigin(
            stamp_to_ns(message.header.stamp), message.header.frame_id,
            message.width, message.height, message.encoding))

    def _on_info(self, message: CameraInfo) -> None:
        try:
            info_to_intrinsics(message, message.width, message.height)
        except MessageError as error:  # the last good one stays
            self._bad(error)
            return
        self.info = message

    def _bad(self, error: MessageError) -> None:
        if str(error) != self.bad_input:  # once, not at the camera's rate
            self.bad_input = str(error)
            self._report(f'{self.topic}: {error}')

    def process(self, arrival: Arrival, settings: Settings) -> None:
        """Walk one frame from its message to the published depth."""
        started = time.perf_counter()
        if arrival.reset is not None:
            self.stream.reset()
        message: Image = arrival.message
        rgb = image_to_rgb(message)
        decoded = time.perf_counter()
        frame = self.stream.prepare(rgb)
        prepared = time.perf_counter()
        output = self.stream.step(frame)
        stepped = time.perf_counter()
        outgoing = self._outputs(output, rgb, message.header, settings)
        made = time.perf_counter()
        for publisher, content in outgoing:
            publisher.publish(content)
        self.arrivals.counts.processed += 1
        self.stages = Stages(
            arrival.time, started, decoded, prepared, stepped, made, time.perf_counter())

    def _outputs(self, output, rgb: np.ndarray, header: Header, settings: Settings) -> list:
        """Make the messages that somebody subscribes to."""
        at_camera_size = settings['output.size'] == 'camera'
        height, width = rgb.shape[:2] if at_camera_size else output.shape
        intrinsics = self.intrinsics(rgb.shape[1], rgb.shape[0])
        if intrinsics is not None:
            intrinsics = intrinsics.resized(width, height)
        wanted = [publisher.get_subscription_count() > 0 for publisher in (
            self._disparity, self._depth_info, self._depth, self._points, self._preview)]
        want_disparity, want_info, want_depth, want_points, want_preview = wanted
        want_points = want_points and intrinsics is not None
        if not any(wanted):
            return []
        outgoing = []
        output = self.stream.resample(output, height, width)
        if want_disparity:
            metric = self.stream.engine.spec.unit is Unit.METRES
            with np.errstate(divide='ignore'):
                disparity = 1 / output if metric else output
            outgoing.append((
                self._disparity, depth_to_image(disparity, header, out=self._disparity_out)))
        if want_info and intrinsics is not None:
            outgoing.append((self._depth_info, intrinsics_to_info(intrinsics, header, self.info)))
        if not (want_depth or want_points or want_preview):
            return outgoing
        depth = to_metres(
            output, self.stream.engine.spec.unit, settings['scale.mode'],
            settings['scale.factor'], settings['scale.shift'],
            settings['output.min_range'], settings['output.max_range'])
        if want_depth:
            outgoing.append((self._depth, depth_to_image(
                depth, header, settings['output.encoding'], self._image_out)))
        if want_points:
            outgoing.append((self._points, self._cloud(depth, rgb, intrinsics, header, settings)))
        if want_preview:
            preview = colour_depth(
                depth, settings['preview.near'], settings['preview.far'],
                settings['preview.colormap'])
            outgoing.append((self._preview, bgr_to_image(preview, header, self._preview_out)))
        return outgoing

    def _cloud(
        self, depth: np.ndarray, rgb: np.ndarray, intrinsics: Intrinsics, header: Header,
        settings: Settings,
    ) -> PointCloud2:
        stride = settings['points.stride']
        colours = None
        if settings['points.color']:
            if rgb.shape[:2] != depth.shape:
                rgb = cv2.resize(rgb, depth.shape[::-1], interpolation=cv2.INTER_AREA)
            colours = rgb[::stride, ::stride]
        return points_to_cloud(
            unproject(depth, intrinsics, stride), colours, settings['points.organized'], header,
            self._cloud_out)

    def intrinsics(self, width: int, height: int) -> Intrinsics | None:
        """Return the camera of a width x height image, or None while no camera_info has come."""
        return None if self.info is None else info_to_intrinsics(self.info, width, height)
