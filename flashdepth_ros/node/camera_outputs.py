"""What is published of one camera's depth."""
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
import math
import time
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from torch import Tensor

from ..images.cloud_filters import flying_pixels
from ..images.intrinsics import Intrinsics
from ..images.preview import colour_depth, slice_mask, write_status
from ..images.resampling import resize_aligned
from ..metres.units import to_metres
from ..msg import DepthStatus
from ..ros.camera_view import CameraView
from ..ros.cloud_messages import depth_to_clearing_cloud, depth_to_cloud
from ..ros.image_messages import bgr_to_image, depth_to_image, depth_view, mask_to_image
from ..ros.parameters import Settings
from ..ros.topics import Publisher, Topics
from ..streams.depth_stream import DepthStream
from .camera_input import Picture
from .parameter_table import ANY_HEIGHT


class CameraOutputs:
    """The publishers of one camera, below `prefix`.

    Messages are kept and filled again. Only what somebody subscribes to is made, and each is
    published as soon as it is made, in order: another thread hands the depth image over while the
    cloud is made.
    """

    def __init__(self, topics: Topics, prefix: str):
        self._topics = topics
        self.qos_problem = ''  # a connection that QoS prevented
        self._cloud_time = -math.inf
        self._clearings = 0    # clouds that clear, so far
        self._publishing = 0.0
        self._messages = {}    # by publisher
        self._beside = ThreadPoolExecutor(1, 'publishing')
        self._under_way: tuple[Future, Publisher, Any] | None = None
        self._depth = self._publisher(Image, f'{prefix}depth/image')
        self._depth_info = self._publisher(CameraInfo, f'{prefix}depth/camera_info')
        self._points = self._publisher(PointCloud2, f'{prefix}points')
        self._clearing = self._publisher(PointCloud2, f'{prefix}points/clearing')
        self._confidence = self._publisher(Image, f'{prefix}depth/confidence')
        self._disparity = self._publisher(Image, f'{prefix}disparity/image')
        self._preview = self._publisher(Image, f'{prefix}depth/preview')
        self._slice = self._publisher(Image, f'{prefix}depth/slice')
        self._status = self._publisher(DepthStatus, f'~/{prefix}status')

    def _publisher(self, kind: type, topic: str) -> Publisher:
        publisher = self._topics.publisher(kind, topic, self._on_problem)
        self._messages[publisher] = publisher.message()
        return publisher

    def _on_problem(self, problem: str) -> None:
        if problem != self.qos_problem:
            self.qos_problem = problem
            self._topics.log.warning(problem)

    def close(self) -> None:
        """Remove every topic."""
        self._beside.shutdown()
        for publisher in self._messages:
            self._topics.remove(publisher)

    def wants_status(self) -> bool:
        return self._status.get_subscription_count() > 0

    def wants_confidence(self, settings: Settings) -> bool:
        """Say whether anybody needs the confidence of this frame, or will of those after it."""
        return self._confidence.get_subscription_count() > 0 or (
            _judges_points(settings) and self._points.get_subscription_count() > 0)

    def publish_status(self, status: DepthStatus) -> None:
        self._status.publish(status)

    def publish(
        self, output: Tensor, stream: DepthStream, scale: tuple[float, float] | None,
        believed: bool, picture: Picture, header: Header,
        status_line: Callable[[], list[str]], settings: Settings,
        confidence: np.ndarray | None = None,
    ) -> float:
        """Publish what a frame became; return the seconds that handing it over took.

        output: plane (h, w) in the model's unit. scale: factor and shift, None while there are no
        metres. believed: whether a robot may act on them; else no cloud is published, so that what
        listens notices. status_line: gives that of the preview, where one is wanted. confidence:
        (h, w) float32, NaN where there is no depth; None where nobody wants it, and where there is
        no depth at all.
        """
        self._publishing = 0.0
        unit, rgb, view = stream.engine.spec.unit, picture.rgb, picture.view
        wanted = self._wanted(view.intrinsics is not None, believed, settings)
        height, width = rgb.shape[:2] if settings['output.size'] == 'camera' else output.shape
        if self._disparity in wanted:
            disparity = stream.resample(output, height, width)
            if unit.is_depth:
                with np.errstate(divide='ignore'):
                    disparity = 1 / disparity
            self._publish(self._disparity, depth_to_image(
                disparity, header, out=self._messages[self._disparity]))
        if self._depth_info in wanted:
            self._publish(self._depth_info, view.info(header, width, height))
        clouds = wanted & {self._points, self._clearing}
        trust = None
        if self._confidence in wanted or (self._points in wanted and _judges_points(settings)):
            trust = _trust(confidence if scale is not None else None, height, width)
            _leave_unseen(trust, view, 0.0)
        if self._confidence in wanted:
            self._publish(self._confidence, depth_to_image(
                trust, header, out=self._messages[self._confidence]))
        if not wanted - {self._disparity, self._depth_info, self._confidence}:
            return self._publishing
        depth = self._metres(output, stream, scale, height, width, settings)
        _leave_unseen(depth, view, np.nan)
        if self._depth in wanted:
            image = depth_to_image(
                depth, header, settings['output.encoding'], self._messages[self._depth])
            if wanted & {self._preview, self._slice, *clouds}:
                self._publish_beside(self._depth, image)
            else:
                self._publish(self._depth, image)
        if self._preview in wanted:
            preview = colour_depth(depth, settings['preview.near'], settings['preview.far'],
                                   settings['preview.colormap'])
            if settings['preview.status']:
                write_status(preview, status_line())
            self._publish(self._preview, bgr_to_image(
                preview, header, self._messages[self._preview]))
        if self._slice in wanted:
            mask = slice_mask(depth, settings['slice.near'], settings['slice.far'])
            self._publish(self._slice, mask_to_image(mask, header, self._messages[self._slice]))
        if clouds:
            if settings['points.remove_edges']:
                flying = flying_pixels(self._to_metres(
                    output, stream, scale, settings, 0.0, math.inf, np.empty_like(depth)))
                self._finish_publishing()    # which may read from `depth`
                depth[flying] = np.nan
            camera = view.intrinsics.resized(width, height)
            if self._clearing in wanted:
                self._clearings += 1
                self._publish(self._clearing, depth_to_clearing_cloud(
                    depth, camera, header, self._clearings, settings['output.max_range'],
                    self._messages[self._clearing]))
            if self._points in wanted:
                if settings['points.min_confidence']:
                    self._finish_publishing()
                    depth[trust < settings['points.min_confidence']] = np.nan
                self._publish(self._points, self._cloud(
                    depth, rgb, camera, header, settings, trust))
        self._finish_publishing()
        return self._publishing

    def _publish(self, publisher: Publisher, message: Any) -> None:
        self._finish_publishing()
        begin = time.perf_counter()
        publisher.publish(message)
        self._publishing += time.perf_counter() - begin

    def _publish_beside(self, publisher: Publisher, message: Any) -> None:
        """Publish on another thread, before anything else is published here."""
        self._finish_publishing()
        self._under_way = self._beside.submit(publisher.publish, message), publisher, message

    def _finish_publishing(self) -> None:
        """Wait for what is published on another thread, or do it, if that has not begun yet."""
        if self._under_way is None:
            return
        (future, publisher, message), self._under_way = self._under_way, None
        begin = time.perf_counter()
        if future.cancel():
            publisher.publish(message)
        else:
            future.result()
        self._publishing += time.perf_counter() - begin

    def _wanted(self, has_camera: bool, believed: bool, settings: Settings) -> set:
        """Return the publishers that have subscribers and are due."""
        wanted = {publisher for publisher in self._messages if publisher is not self._status
                  and publisher.get_subscription_count() > 0}
        clouds = {self._points, self._clearing}
        if not has_camera:
            wanted.discard(self._depth_info)
        # of one frame both or none
        if wanted & clouds and not (has_camera and believed and self._cloud_is_due(settings)):
            wanted -= clouds
        return wanted

    def _cloud_is_due(self, settings: Settings) -> bool:
        now = self._topics.arrival()
        # a tenth of tolerance, or every second frame of a camera at just that rate would be missed
        if settings['points.rate'] and now - self._cloud_time < 0.9 / settings['points.rate']:
            return False
        self._cloud_time = now
        return True

    def _metres(
        self, output: Tensor, stream: DepthStream, scale: tuple[float, float] | None,
        height: int, width: int, settings: Settings,
    ) -> np.ndarray:
        """Plane (h, w) -> depth (height, width) in metres, NaN without a scale."""
        self._finish_publishing()    # of the frame before, had that failed meanwhile
        if settings['output.encoding'] == '32FC1':
            depth = depth_view(self._messages[self._depth], height, width)  # published from there
        else:
            depth = np.empty((height, width), np.float32)
        if scale is None:
            depth[...] = np.nan
            return depth
        return self._to_metres(output, stream, scale, settings, settings['output.min_range'],
                               settings['output.max_range'], depth)

    def _to_metres(
        self, output: Tensor, stream: DepthStream, scale: tuple[float, float], settings: Settings,
        min_range: float, max_range: float, out: np.ndarray,
    ) -> np.ndarray:
        return to_metres(output.numpy(), stream.engine.spec.unit, settings['scale.mode'], *scale,
                         min_range, max_range, out)

    def _cloud(
        self, depth: np.ndarray, rgb: np.ndarray, camera: Intrinsics, header: Header,
        settings: Settings, trust: np.ndarray | None,
    ) -> PointCloud2:
        """Depth (H, W) in metres -> the cloud that is asked for."""
        if not settings['points.color']:
            rgb = None
        elif rgb.shape[:2] != depth.shape:
            rgb = cv2.resize(rgb, depth.shape[::-1], interpolation=cv2.INTER_AREA)
        heights = settings['points.min_height'], settings['points.max_height']
        return depth_to_cloud(
            depth, rgb, camera, header, settings['points.stride'], settings['points.organized'],
            (-math.inf, math.inf) if heights == ANY_HEIGHT else heights, settings['points.voxel'],
            self._messages[self._points], trust if settings['points.confidence'] else None,
            settings['points.margin'])


def _judges_points(settings: Settings) -> bool:
    return settings['points.min_confidence'] > 0 or settings['points.confidence']


def _trust(confidence: np.ndarray | None, height: int, width: int) -> np.ndarray:
    """Resample confidence (h, w) as depth is resampled: 0 where that is NaN; 0 for None."""
    if confidence is None:
        return np.zeros((height, width), np.float32)
    resized = resize_aligned(confidence, height, width)
    resized[np.isnan(resized)] = 0
    return resized


def _leave_unseen(image: np.ndarray, view: CameraView, value: float) -> None:
    """Fill what no pixel of the camera shows, of a picture that was rectified."""
    if view.rectifier is not None and view.rectifier.unseen is not None:
        image[view.rectifier.unseen_at(image.shape[1], image.shape[0])] = value
