"""One camera's topics: what it receives, and what is published of its depth."""
from collections.abc import Callable, Iterator
from dataclasses import dataclass
import math
import threading
import time

import cv2
import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header
from torch import Tensor

from ..engines import Engine
from ..images.cloud_filters import flying_pixels, height_mask, voxel_filter
from ..images.colours import pack_colours
from ..images.intrinsics import Intrinsics
from ..images.points import unproject
from ..images.preview import colour_depth, slice_mask, write_status
from ..metres.units import inverse_depth, to_metres
from ..models import Unit
from ..msg import DepthStatus
from ..ros.camera_info import info_to_intrinsics, intrinsics_to_info
from ..ros.cloud_messages import points_to_cloud
from ..ros.compressed_images import check_compressed, compressed_to_rgb
from ..ros.image_messages import (
    bgr_to_image,
    check_image,
    depth_to_image,
    depth_view,
    image_to_rgb,
    mask_to_image,
)
from ..ros.message import MessageError, stamp_to_ns
from ..ros.parameters import Settings
from ..ros.qos import LATCHED, NEWEST_RELIABLE, NEWEST_SENSOR_DATA
from ..streams.arrivals import Arrival, Arrivals
from ..streams.continuity import Continuity, FrameOrigin
from ..streams.depth_stream import DepthStream
from ..streams.frame_rate import FrameRate
from .parameter_table import ANY_HEIGHT
from .scale_sources import MetricScale, open_scale


@dataclass(frozen=True)
class Stages:
    """When a frame passed each stage, in time.perf_counter seconds.

    Messages are made and published by turns; publishing is the seconds that the latter took.
    """

    arrived: float
    started: float
    decoded: float
    prepared: float
    stepped: float
    published: float
    publishing: float


@dataclass
class Walk:
    """A frame between its arrival and its publication."""

    arrival: Arrival
    rgb: np.ndarray    # (H, W, 3) uint8
    frame: Tensor      # the network's, (3, h, w)
    started: float
    decoded: float
    prepared: float


class CameraTopics:
    """The subscriptions and publishers of one camera, and the walk of its frames between them.

    Frames arrive on an executor thread (`_on_image`); the worker thread calls `begin`, runs the
    network on what it returns, and calls `finish`.
    """

    def __init__(
        self, node: LifecycleNodeMixin, name: str, engine: Engine, settings: Settings,
        ready: threading.Condition, group: CallbackGroup,
    ):
        self._node, self._group = node, group
        self.name = name
        self._prefix = f'{name}/' if name else ''
        self.arrivals = Arrivals(Continuity(settings['stream.max_gap']), ready)
        self.info: CameraInfo | None = None
        self.bad_input: str | None = None    # the last problem with an incoming message
        self.qos_problem: str | None = None  # the last connection that QoS prevented
        self.stages: Stages | None = None    # of the newest frame
        self.rate = FrameRate()
        self.age_ms = float('nan')
        self.scale = MetricScale(None)
        self._cloud_time = 0.0
        self._subscriptions, self._latched = [], None
        self.use(engine, settings)

        self._messages = {}  # kept and filled again, by publisher
        self._depth = self._publisher(Image, f'{self._prefix}depth/image')
        self._depth_info = self._publisher(CameraInfo, f'{self._prefix}depth/camera_info')
        self._points = self._publisher(PointCloud2, f'{self._prefix}points')
        self._disparity = self._publisher(Image, f'{self._prefix}disparity/image')
        self._preview = self._publisher(Image, f'{self._prefix}depth/preview')
        self._slice = self._publisher(Image, f'{self._prefix}depth/slice')
        self.status = self._publisher(DepthStatus, f'~/{self._prefix}status')

    def _publisher(self, kind: type, topic: str):
        publisher = self._node.create_lifecycle_publisher(
            kind, topic, NEWEST_RELIABLE,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=PublisherEventCallbacks(
                incompatible_qos=lambda event: self._on_qos(topic, 'a subscriber wants', event)))
        self._messages[publisher] = kind()
        return publisher

    @property
    def topic(self) -> str:
        """The full name of the image topic."""
        return self._node.resolve_topic_name(f'{self._prefix}image')

    @property
    def source(self) -> str:
        """The full name of the topic that images are taken from, raw or compressed."""
        # a compressed image's topic lies below the raw one's, also where that is remapped
        return f'{self.topic}/compressed' if self._compressed else self.topic

    @property
    def info_topic(self) -> str:
        """The full name of the camera_info topic."""
        return self._node.resolve_topic_name(f'{self._prefix}camera_info')

    # What comes in

    def use(self, engine: Engine, settings: Settings) -> None:
        """Take another engine or other settings; the temporal state starts anew."""
        self.scale.close()
        self.scale = open_scale(self._node, self._prefix, settings, self._group)
        self._compressed = settings['input.transport'] == 'compressed'
        self.stream = DepthStream(engine, settings['input.short_side'])

    def subscribe(self) -> None:
        """Begin to receive."""
        kind = CompressedImage if self._compressed else Image
        self._subscriptions = [
            self._subscription(kind, self.source, self._on_image, NEWEST_SENSOR_DATA),
            self._subscription(CameraInfo, self.info_topic, self._on_info, NEWEST_SENSOR_DATA)]

    def _subscription(self, kind: type, topic: str, callback: Callable, qos: QoSProfile):
        return self._node.create_subscription(
            kind, topic, callback, qos, callback_group=self._group,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=lambda event: self._on_qos(topic, 'a publisher offers', event)))

    def look_for_latched_info(self) -> None:
        """Ask for a camera_info that was published once, before we came, if there is one.

        Only where a publisher keeps it: otherwise every camera driver would be warned of a
        subscriber that it cannot serve.
        """
        if self.info is None and self._latched is None and self._subscriptions and any(
                endpoint.qos_profile.durability is QoSDurabilityPolicy.TRANSIENT_LOCAL
                for endpoint in self._node.get_publishers_info_by_topic(self.info_topic)):
            self._latched = self._node.create_subscription(
                CameraInfo, self.info_topic, self._on_info, LATCHED, callback_group=self._group)
            self._subscriptions.append(self._latched)

    def unsubscribe(self) -> None:
        """Stop receiving, and drop the frame that waits."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions, self._latched = [], None
        self.arrivals.clear()

    def destroy(self) -> None:
        """Remove every topic."""
        self.unsubscribe()
        self.scale.close()
        for publisher in self._messages:
            self._node.destroy_lifecycle_publisher(publisher)

    def _on_image(self, message: Image | CompressedImage) -> None:
        try:
            if self._compressed:
                width, height = check_compressed(message)
                encoding = 'compressed'
            else:
                check_image(message)
                width, height, encoding = message.width, message.height, message.encoding
        except MessageError as error:
            self.arrivals.reject()
            self._bad(error)
            return
        self.arrivals.put(message, FrameOrigin(
            stamp_to_ns(message.header.stamp), message.header.frame_id, width, height, encoding))

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
            self._node.get_logger().error(f'{self.topic}: {error}')

    def _on_qos(self, topic: str, who: str, event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        problem = f'{topic}: {who} another quality of service ({policy}), so nothing is exchanged'
        if problem != self.qos_problem:
            self.qos_problem = problem
            self._node.get_logger().warning(problem)

    # The walk of a frame

    def begin(self, arrival: Arrival) -> Walk:
        """Decode a frame and prepare it for the network; MessageError or FrameTooSmallError."""
        started = time.perf_counter()
        if arrival.reset is not None:
            self.stream.reset()
            if self.stream.engine.spec.unit is Unit.RELATIVE:
                self.scale.forget()  # a new stream of such a model has a scale of its own
        rgb = (compressed_to_rgb if self._compressed else image_to_rgb)(arrival.message)
        decoded = time.perf_counter()
        frame = self.stream.prepare(rgb)
        return Walk(arrival, rgb, frame, started, decoded, time.perf_counter())

    def finish(self, walk: Walk, output: Tensor, settings: Settings) -> None:
        """Publish what became of a frame: output (h, w) of the network."""
        stepped = time.perf_counter()
        publishing = 0.0
        model_ms = 1e3 * (stepped - walk.prepared)
        # each as soon as it is made: the depth image is on its way while the cloud is made
        for publisher, content in self._outputs(output, walk, settings, model_ms):
            made = time.perf_counter()
            publisher.publish(content)
            publishing += time.perf_counter() - made
        self.arrivals.counts.processed += 1
        self.rate.tick()
        self.stages = Stages(
            walk.arrival.time, walk.started, walk.decoded, walk.prepared, stepped,
            time.perf_counter(), publishing)

    def intrinsics(self, width: int, height: int, settings: Settings) -> Intrinsics | None:
        """Return the camera of a width x height image, or None while nothing tells it."""
        if self.info is not None:
            return info_to_intrinsics(self.info, width, height)
        if settings['camera.hfov'] > 0:
            return Intrinsics.from_field_of_view(settings['camera.hfov'], width, height)
        return None

    def _outputs(
        self, output: Tensor, walk: Walk, settings: Settings, model_ms: float,
    ) -> Iterator[tuple]:
        """Make the messages that somebody subscribes to, one by one, as (publisher, message)."""
        header, rgb = walk.arrival.message.header, walk.rgb
        unit = self.stream.engine.spec.unit
        camera = self.intrinsics(rgb.shape[1], rgb.shape[0], settings)
        # also where nobody subscribes: a scale that is followed through time must not fall behind
        scale = self.scale.update(
            lambda: inverse_depth(output.numpy(), unit),
            camera and camera.resized(output.shape[1], output.shape[0]), header, settings)
        wanted = {publisher for publisher in self._messages
                  if publisher is not self.status and publisher.get_subscription_count() > 0}
        if camera is None or not self._cloud_is_due(settings):
            wanted.discard(self._points)
        if not wanted:
            return
        height, width = rgb.shape[:2] if settings['output.size'] == 'camera' else output.shape
        camera = camera and camera.resized(width, height)
        if self._disparity in wanted:
            disparity = self.stream.resample(output, height, width)
            if unit is Unit.METRES:
                with np.errstate(divide='ignore'):
                    disparity = 1 / disparity
            yield self._disparity, depth_to_image(
                disparity, header, out=self._messages[self._disparity])
        if self._depth_info in wanted and camera is not None:
            yield self._depth_info, intrinsics_to_info(camera, header, self.info)
        if not wanted & {self._depth, self._points, self._preview, self._slice}:
            return
        if self._depth in wanted and settings['output.encoding'] == '32FC1':
            depth = depth_view(self._messages[self._depth], height, width)  # published from there
        else:
            depth = np.empty((height, width), np.float32)
        if scale is None:
            depth[...] = np.nan
        else:
            for band, values in self.stream.resample_bands(output, height, width):
                to_metres(values, unit, settings['scale.mode'], *scale,
                          settings['output.min_range'], settings['output.max_range'], depth[band])
        if self._depth in wanted:
            yield self._depth, depth_to_image(
                depth, header, settings['output.encoding'], self._messages[self._depth])
        if self._preview in wanted:
            preview = colour_depth(depth, settings['preview.near'], settings['preview.far'],
                                   settings['preview.colormap'])
            if settings['preview.status']:
                write_status(preview, self._status_line(settings, scale, model_ms))
            yield self._preview, bgr_to_image(preview, header, self._messages[self._preview])
        if self._slice in wanted:
            mask = slice_mask(depth, settings['slice.near'], settings['slice.far'])
            yield self._slice, mask_to_image(mask, header, self._messages[self._slice])
        if self._points in wanted:
            yield self._points, self._cloud(depth, rgb, camera, header, settings)

    def _status_line(
        self, settings: Settings, scale: tuple[float, float] | None, model_ms: float,
    ) -> list[str]:
        """Say in short what made the frame; rate and age are those of the frame before."""
        engine = self.stream.engine
        age = f'age {self.age_ms:.0f} ms' if self.age_ms < 60_000 else 'age over a minute'
        return [
            *(['RANDOM WEIGHTS'] if settings['model.weights'] == 'random' else []),
            f'{engine.spec.name} {engine.backend}', f'{model_ms:.0f} ms',
            f'{self.rate.value():.1f} Hz',
            f'{settings["scale.mode"]} '
            + ('without a scale yet' if scale is None else f'x{scale[0]:.3g}'),
            f'{self.arrivals.counts.resets.total()} resets',
            *([age] if math.isfinite(self.age_ms) else [])]

    def _cloud_is_due(self, settings: Settings) -> bool:
        now = time.perf_counter()
        # a tenth of tolerance, or every second frame of a camera at just that rate would be missed
        if settings['points.rate'] and now - self._cloud_time < 0.9 / settings['points.rate']:
            return False
        self._cloud_time = now
        return True

    def _cloud(
        self, depth: np.ndarray, rgb: np.ndarray, camera: Intrinsics, header: Header,
        settings: Settings,
    ) -> PointCloud2:
        """Depth (H, W) in metres, which it may change, -> the cloud that is asked for."""
        stride, organized = settings['points.stride'], settings['points.organized']
        if settings['points.remove_edges']:
            depth[flying_pixels(depth)] = np.nan
        points = unproject(depth, camera, stride)
        low, high = settings['points.min_height'], settings['points.max_height']
        if (low, high) != ANY_HEIGHT:
            points[~height_mask(points, low, high)] = np.nan
        colours = None
        if settings['points.color']:
            if rgb.shape[:2] != depth.shape:
                rgb = cv2.resize(rgb, depth.shape[::-1], interpolation=cv2.INTER_AREA)
            colours = pack_colours(rgb, stride)
        if settings['points.voxel'] and not organized:
            points, colours = voxel_filter(
                points, None if colours is None else colours[..., None], settings['points.voxel'])
            points, colours = points[None], None if colours is None else colours[None, :, 0]
        return points_to_cloud(points, colours, organized, header, self._messages[self._points])
