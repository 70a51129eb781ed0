"""What one camera sends: its subscriptions, the newest image that waits, and its camera_info."""
from dataclasses import dataclass, replace
import threading
import time

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..images.focal_shift import camera_of
from ..images.levels import Levels
from ..ros.camera_view import CameraView, CameraViews, rectifying_node
from ..ros.compressed_images import check_compressed, compressed_to_rgb
from ..ros.graph import compressed_topic, type_problem
from ..ros.image_messages import check_image, image_to_rgb
from ..ros.matching_subscription import BEST_EFFORT, MatchingSubscription
from ..ros.message import MessageError, stamp_to_ns
from ..ros.parameters import Settings
from ..ros.transport import driver_remedy, uses_fastdds
from ..streams import symptoms
from ..streams.arrivals import Arrivals
from ..streams.continuity import Continuity, FrameOrigin
from ..streams.point_maps import PointMaps
from ..streams.problems import Problems

LOST_AFTER = 3.0    # seconds until a best-effort driver is thought to lose all its images
SILENT_AFTER = 5.0  # seconds without an image until the input is called silent
AGREES = 1.2         # times larger or smaller than the other is a focal length at most


@dataclass(frozen=True)
class Picture:
    """An image as the network sees it: RGB (H, W, 3) uint8, and the camera that it is of."""

    rgb: np.ndarray
    view: CameraView


class CameraInput:
    """The topics image and camera_info of one camera, below `prefix`.

    Messages come on an executor thread; the newest usable image waits in `arrivals`, whose `ready`
    is notified. Unusable messages are counted, told once, and change nothing else. `problems` is
    what is wrong at this moment; `look_around` brings it up to date, twice a second.
    """

    def __init__(
        self, node: LifecycleNodeMixin, prefix: str, settings: Settings,
        ready: threading.Condition, group: CallbackGroup,
    ):
        self._node, self._prefix, self._group = node, prefix, group
        self.arrivals = Arrivals(Continuity(0.0), ready)
        self.problems = Problems()
        self.info: CameraInfo | None = None
        self.view = CameraView()   # of the newest image
        self.estimate: CameraView | None = None  # the network's, where it takes its place
        self._views = CameraViews()
        self._rectified_by: str | None = None  # the node that rectifies the images before us
        self._newest: FrameOrigin | None = None
        self._since = 0.0          # when it began to receive
        self._met: float | None = None  # when a publisher was first seen since then
        self._image: MatchingSubscription | None = None
        self._camera_info: MatchingSubscription | None = None
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take settings that cannot change while active."""
        self._compressed = settings['input.transport'] == 'compressed'
        self._levels = Levels(settings['input.bits'])
        self.estimate = None  # of another network, perhaps
        self.take_running(settings)

    def take_running(self, settings: Settings) -> None:
        """Take settings that may change while active."""
        self.arrivals.continuity.max_gap = settings['stream.max_gap']
        self.arrivals.continuity.max_backward = settings['stream.max_backward']

    @property
    def image_topic(self) -> str:
        """The full name of the image topic."""
        return self._node.resolve_topic_name(f'{self._prefix}image')

    @property
    def source(self) -> str:
        """The full name of the topic that images are taken from, raw or compressed."""
        return (compressed_topic(self._node, f'{self._prefix}image') if self._compressed
                else self.image_topic)

    @property
    def info_topic(self) -> str:
        """The full name of the camera_info topic."""
        return self._node.resolve_topic_name(f'{self._prefix}camera_info')

    def subscribe(self) -> None:
        """Begin to receive."""
        self._since = time.perf_counter()
        self._losses, self._met = symptoms.Losses(), None
        self._camera_info = MatchingSubscription(
            self._node, CameraInfo, self.info_topic, self._on_info, self._group)
        self._image = MatchingSubscription(
            self._node, self._kind, self.source, self._on_image, self._group)
        self._node.get_logger().info(
            f'listening to {self.source} and {self.info_topic}')

    def unsubscribe(self) -> None:
        """Stop receiving, drop the frame that waits, and what was wrong."""
        for subscription in (self._image, self._camera_info):
            if subscription is not None:
                subscription.destroy()
        self._image = self._camera_info = None
        self.arrivals.clear()
        self.problems.clear()

    @property
    def _kind(self) -> type:
        return CompressedImage if self._compressed else Image

    def silent(self) -> float:
        """Return the seconds since the last image, or since `subscribe`."""
        return time.perf_counter() - max(self.arrivals.last_time or 0.0, self._since)

    def publishers(self) -> int:
        """Return how many publish the images."""
        return len(self._image.publishers) if self._image is not None else 0

    # What comes in, on an executor thread

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
            self.bad_frame('message', error)
            return
        self.problems.good_frame('message')
        self._newest = FrameOrigin(
            stamp_to_ns(message.header.stamp), message.header.frame_id, width, height, encoding)
        self.arrivals.put(message, self._newest)

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def bad_frame(self, stage: str, error: Exception) -> None:
        """Take note of an image that cannot be used; told in the log once, and while it lasts."""
        if self.problems.bad_frame(stage, str(error)):
            self._node.get_logger().error(f'{self.source}: {error}')

    # What becomes of it, on the worker's thread

    def decode(self, message: Image | CompressedImage, settings: Settings) -> Picture:
        """Return an image as the network sees it, rectified where that is due; MessageError."""
        rgb = (compressed_to_rgb(message) if self._compressed
               else image_to_rgb(message, self._levels))
        if news := self._levels.news():
            self._node.get_logger().info(f'{self.source}: {news}')
        height, width = rgb.shape[:2]
        view = self._views.of(
            self.info, width, height, message.header.frame_id,
            rectify=settings['input.rectify'], hfov=settings['camera.hfov'],
            rectified_by=self._rectified_by)
        if view is not self.view:
            self._tell_view(view)
        if view.rectifier is not None:
            rgb = view.rectifier.apply(rgb)
        return Picture(rgb, view)

    def _tell_view(self, view: CameraView) -> None:
        log, before, self.view = self._node.get_logger(), self.view, view
        # that none has come is told by `look_around`, and only after a while
        if self.info is not None and view.problem and view.problem != before.problem:
            log.warning(f'{self.info_topic}: {view.problem}')
        if view.intrinsics is not None and view.words != before.words:
            log.info(f'{self.source}: {view.words}')

    def take_estimate(
        self, points: PointMaps, size: tuple[int, int], given: float | None,
    ) -> None:
        """Take note of the focal length that the network sees in images of a (height, width).

        given: the one in use over half the diagonal; without it the network's takes its place.
        """
        self.estimate, before = None, self.estimate
        if points.focal is None:
            return
        camera, log = camera_of(points.focal, size[1], size[0]), self._node.get_logger()
        if given is None:
            self.estimate = replace(
                self.view, intrinsics=camera, calibration=None, baseline=(0.0, 0.0),
                words=f"the focal length is the network's own estimate, {camera.fx:.0f} pixels")
            if points.settled and (before is None or before.words != self.estimate.words):
                log.info(f'{self.source}: {self.estimate.words}')
        text = None
        if given is not None and points.settled and not (
                1 / AGREES < given / points.focal < AGREES):
            text = (f'{self.info_topic}: the focal length in use is '
                    f'{camera.fx * given / points.focal:.0f} pixels, and the network sees '
                    f'{camera.fx:.0f}: check the calibration and camera.hfov, or set camera.focal '
                    f'to model')
        if self.problems.set('focal', text):
            log.warning(text)

    # Twice a second, on a timer's thread

    def look_around(self, settings: Settings) -> None:
        """Follow publishers that come and go, and see what is wrong."""
        image, info = self._image, self._camera_info
        if image is None or info is None:
            return
        image.refresh()
        info.refresh()
        self._rectified_by = rectifying_node(self._node, self.source, self.info_topic)
        clock = self._node.get_clock().now().nanoseconds
        use_sim_time = self._node.get_parameter('use_sim_time').value
        received, lost = self._losses.look(image.received, image.lost)
        best_effort = any(reliability is BEST_EFFORT for reliability, _ in image.qualities)
        newest, silent = self._newest, self.silent() > SILENT_AFTER
        wrong_type = type_problem(self._node, self.source, self._kind)
        remedy = driver_remedy() if uses_fastdds() else None
        lossy = symptoms.loss_problem(self.source, received, lost, best_effort, remedy)
        if best_effort and self._nothing_comes(image):
            lossy = symptoms.nothing_problem(self.source, remedy)
        frames = newest is not None and not silent
        for key, text in {
            'type': wrong_type,
            'loss': lossy,
            'silence': self._silence() if silent and not wrong_type and not lossy else None,
            'publishers': symptoms.publishers_problem(self.source, len(image.publishers)),
            'outcomes': self.arrivals.outcomes.problem(settings['stream.max_gap']),
            'frame_id': symptoms.frame_id_problem(newest.frame_id) if frames else None,
            'clock': symptoms.clock_problem(use_sim_time, clock),
            'stamp': (symptoms.stamp_problem(newest.stamp, clock, use_sim_time)
                      if frames else None),
            'camera_info': self._view_problem() if frames else None,
        }.items():
            if self.problems.set(key, text) and key != 'camera_info':
                self._node.get_logger().warning(text)

    def _nothing_comes(self, image: MatchingSubscription) -> bool:
        """Whether a publisher has been there for a while without an image, and with few before.

        Of large images from a small shared-memory segment the first may arrive.
        """
        if not image.publishers or image.received >= symptoms.FEW:
            self._met = None
            return False
        self._met = self._met or time.perf_counter()
        return min(time.perf_counter() - self._met, self.silent()) > LOST_AFTER

    def _silence(self) -> str:
        publishers = self.publishers()
        remedy = (
            'is the camera driver running, and is this its topic? Remap image to the right one'
            if not publishers else
            'the driver is there and sends nothing that arrives: does ros2 topic hz show images?')
        return (f'no image on {self.source} for {self.silent():.0f} s, where {publishers} '
                f'publishers are seen: {remedy}')

    def _view_problem(self) -> str | None:
        if self.view.problem is None or (self.estimate is not None and self.info is None):
            return None
        consequence = ('' if (self.estimate or self.view).intrinsics is not None
                       else ': no points and no depth/camera_info')
        return f'{self.info_topic}: {self.view.problem}{consequence}'
