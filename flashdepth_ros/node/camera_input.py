"""What one camera sends: its subscriptions, the newest image that waits, and its camera_info."""
from dataclasses import dataclass, replace
from functools import cached_property
import threading

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..images.focal_shift import camera_of
from ..images.levels import Levels
from ..images.resampling import square_pixels
from ..ros.camera_view import CameraView, CameraViews
from ..ros.compressed_images import check_compressed, compressed_to_rgb
from ..ros.image_messages import check_image, image_to_rgb
from ..ros.message import MessageError, stamp_to_ns
from ..ros.parameters import Settings
from ..ros.topics import Subscription, Topics
from ..streams.arrivals import Arrivals
from ..streams.continuity import Continuity, FrameOrigin
from ..streams.point_maps import PointMaps
from ..streams.problems import Problems

AGREES = 1.2         # times larger or smaller than the other is a focal length at most


@dataclass(frozen=True)
class Picture:
    """An image, rectified where that is due: RGB (H, W, 3) uint8, and the camera that it is of."""

    rgb: np.ndarray
    view: CameraView

    @cached_property
    def square(self) -> np.ndarray:
        """The image as the network sees it, with square pixels: mostly it is that already."""
        return square_pixels(self.rgb, self.view.pixel_aspect)


class CameraInput:
    """The topics image and camera_info of one camera, below `prefix`.

    Messages come on an executor thread; the newest usable image waits in `arrivals`, whose `ready`
    is notified. Unusable messages are counted, told once, and change nothing else. `problems` is
    what is wrong at this moment.

    newest: the last usable image. rectified_by: the node that is seen to rectify the images before
    they come here.
    """

    def __init__(
        self, topics: Topics, prefix: str, settings: Settings, ready: threading.Condition,
    ):
        self._topics, self._prefix = topics, prefix
        self.arrivals = Arrivals(Continuity(0.0), ready, topics.arrival)
        self.problems = Problems()
        self.info: CameraInfo | None = None
        self.view = CameraView()   # of the newest image
        self.estimate: CameraView | None = None  # the network's, where it takes its place
        self._views = CameraViews()
        self.rectified_by: str | None = None
        self.newest: FrameOrigin | None = None
        self.image: Subscription | None = None
        self.camera_info: Subscription | None = None
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
        return self._topics.name(f'{self._prefix}image')

    @property
    def source(self) -> str:
        """The full name of the topic that images are taken from, raw or compressed."""
        return (self._topics.compressed_name(f'{self._prefix}image') if self._compressed
                else self.image_topic)

    @property
    def info_topic(self) -> str:
        """The full name of the camera_info topic."""
        return self._topics.name(f'{self._prefix}camera_info')

    def subscribe(self) -> None:
        """Begin to receive."""
        self.camera_info = self._topics.subscribe(CameraInfo, self.info_topic, self._on_info)
        self.image = self._topics.subscribe(self.kind, self.source, self._on_image)
        self._topics.log.info(f'listening to {self.source} and {self.info_topic}')

    def unsubscribe(self) -> None:
        """Stop receiving, drop the frame that waits, and what was wrong."""
        for subscription in (self.image, self.camera_info):
            if subscription is not None:
                subscription.destroy()
        self.image = self.camera_info = None
        self.arrivals.clear()
        self.problems.clear()

    @property
    def kind(self) -> type:
        """The message class of the images."""
        return CompressedImage if self._compressed else Image

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
        self.newest = FrameOrigin(
            stamp_to_ns(message.header.stamp), message.header.frame_id, width, height, encoding)
        self.arrivals.put(message, self.newest)

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def bad_frame(self, stage: str, error: Exception) -> None:
        """Take note of an image that cannot be used; told in the log once, and while it lasts."""
        if self.problems.bad_frame(stage, str(error)):
            self._topics.log.error(f'{self.source}: {error}')

    # What becomes of it, on the worker's thread

    def decode(self, message: Image | CompressedImage, settings: Settings) -> Picture:
        """Return an image, rectified where that is due; MessageError."""
        rgb = (compressed_to_rgb(message) if self._compressed
               else image_to_rgb(message, self._levels))
        if news := self._levels.news():
            self._topics.log.info(f'{self.source}: {news}')
        height, width = rgb.shape[:2]
        view = self._views.of(
            self.info, width, height, message.header.frame_id,
            rectify=settings['input.rectify'], hfov=settings['camera.hfov'],
            rectified_by=self.rectified_by)
        if view is not self.view:
            self._tell_view(view)
        if view.rectifier is not None:
            rgb = view.rectifier.apply(rgb)
        return Picture(rgb, view)

    def _tell_view(self, view: CameraView) -> None:
        log, before, self.view = self._topics.log, self.view, view
        # that none has come is told by `look_around`, and only after a while
        if self.info is not None and view.problem and view.problem != before.problem:
            log.warning(f'{self.info_topic}: {view.problem}')
        if view.intrinsics is not None and view.words != before.words:
            log.info(f'{self.source}: {view.words}')

    def take_estimate(
        self, points: PointMaps, picture: Picture, given: float | None,
    ) -> None:
        """Take note of the focal length that the network sees in images such as a picture.

        given: the one in use over half the diagonal; without it the network's takes its place.
        """
        self.estimate, before = None, self.estimate
        if points.focal is None:
            return
        (height, width), (high, wide) = picture.rgb.shape[:2], picture.square.shape[:2]
        camera = camera_of(points.focal, wide, high).resized(width, height)
        log = self._topics.log
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
