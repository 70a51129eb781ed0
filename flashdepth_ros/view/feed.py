"""What comes of one camera, kept as bytes until the page wants to see it."""
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..images.intrinsics import Intrinsics
from ..msg import DepthStatus
from ..ros.camera_info import read_calibration
from ..ros.compressed_images import compressed_to_rgb
from ..ros.graph import SUFFIX, published_types
from ..ros.image_messages import image_to_depth, image_to_rgb
from ..ros.matching_subscription import MatchingSubscription
from ..ros.message import MessageError, deserialised, serialised_stamp

MOST_BYTES = 1 << 26  # of images that wait for their depth


@dataclass(frozen=True)
class Frame:
    """A depth image and what belongs to it.

    stamp: ns. depth: (H, W) float32 in metres, NaN for no value, +Inf for farther. rgb: (h, w, 3)
    uint8, the same view, perhaps of another size; None where the image did not come. camera: of
    the depth, None while it is not known. confidence: (H, W) float32, 0 to 1, or None.
    """

    stamp: int
    depth: np.ndarray
    rgb: np.ndarray | None
    camera: Intrinsics | None
    confidence: np.ndarray | None


class Feed:
    """The topics of one camera, and the newest of each.

    Messages are kept as they came: only those that are shown are read. recorded: gets the topic,
    the type and the bytes of each. has_confidence: the node publishes depth/confidence.
    """

    def __init__(
        self, node: Node, base: str, depth_node: str, camera: str,
        on_status: Callable[[DepthStatus], None],
        recorded: Callable[[str, type, bytes], None],
    ):
        """base: what topics begin with, depth_node: its services, such as depth_node."""
        self._node, self._recorded = node, recorded
        self._prefix = prefix = f'{base}{camera}/' if camera else base
        self._own = f'{camera}/' if camera else ''
        self._images: OrderedDict[int, tuple[type, bytes]] = OrderedDict()
        self._depth = self._info = self._confidence = b''
        self._image: MatchingSubscription | None = None
        self.has_confidence = False
        self._shown = self._calibration_of = b''
        self._camera: Intrinsics | None = None
        self._subscriptions = {
            name: self._subscribe(name, kind, topic) for name, kind, topic in (
                ('_depth', Image, f'{prefix}depth/image'),
                ('_info', CameraInfo, f'{prefix}depth/camera_info'))}
        self._status = MatchingSubscription(
            node, DepthStatus, f'{depth_node}/{self._own}status',
            lambda data: self._on_status(data, on_status), depth=1, raw=True)

    def _subscribe(self, name: str, kind: type, topic: str) -> MatchingSubscription:
        def keep(data: bytes) -> None:
            setattr(self, name, data)
            self._recorded(subscription.topic, kind, data)

        subscription = MatchingSubscription(self._node, kind, topic, keep, depth=1, raw=True)
        return subscription

    def _on_status(self, data: bytes, on_status: Callable[[DepthStatus], None]) -> None:
        self._recorded(self._status.topic, DepthStatus, data)
        on_status(deserialised(data, DepthStatus))

    def look_around(self, image_topic: str, with_confidence: bool) -> None:
        """Follow publishers that come and go; about once a second.

        image_topic: from which the depth node takes its images, '' while it has not told.
        with_confidence: depth/confidence is wanted, which the node computes only then.
        """
        topic = image_topic or self._node.resolve_topic_name(f'{self._prefix}image')
        if self._image is None or self._image.topic != topic:
            if self._image is not None:
                self._image.destroy()
            self._images.clear()
            kind = CompressedImage if topic.endswith(SUFFIX) else Image
            self._image = MatchingSubscription(
                self._node, kind, topic, lambda data: self._on_image(topic, kind, data), raw=True)
        name = f'{self._prefix}depth/confidence'
        self.has_confidence = bool(published_types(
            self._node, self._node.resolve_topic_name(name)))
        if not with_confidence and '_confidence' in self._subscriptions:
            self._subscriptions.pop('_confidence').destroy()
            self._confidence = b''
        elif with_confidence and self.has_confidence and '_confidence' not in self._subscriptions:
            self._subscriptions['_confidence'] = self._subscribe('_confidence', Image, name)
        for each in (self._image, self._status, *self._subscriptions.values()):
            each.refresh()

    def _on_image(self, topic: str, kind: type, data: bytes) -> None:
        self._recorded(topic, kind, data)
        self._images[serialised_stamp(data)] = kind, data
        while len(self._images) > 1 and len(self._images) * len(data) > MOST_BYTES:
            self._images.popitem(last=False)

    def newest(self) -> Frame | None:
        """Return the newest depth with what belongs to it, or None where nothing new has come.

        MessageError where it cannot be read; it is not tried again.
        """
        data = self._depth
        if not data or data is self._shown:
            return None
        self._shown = data
        stamp = serialised_stamp(data)
        depth = image_to_depth(deserialised(data, Image), far=True)
        return Frame(stamp, depth, self._picture(stamp), self._view(depth), self._sureness(depth))

    def _picture(self, stamp: int) -> np.ndarray | None:
        kind, data = self._images.get(stamp, (None, b''))
        for old in [each for each in self._images if each <= stamp]:
            del self._images[old]
        if kind is None:
            return None
        message = deserialised(data, kind)
        return image_to_rgb(message) if kind is Image else compressed_to_rgb(message)

    def _view(self, depth: np.ndarray) -> Intrinsics | None:
        if not self._info:
            return None
        height, width = depth.shape
        size = self._camera and (self._camera.height, self._camera.width)
        # of the same camera only its stamp differs
        content = self._info[12:]
        if content != self._calibration_of or size != (height, width):
            self._calibration_of = content
            self._camera = None
            self._camera = read_calibration(
                deserialised(self._info, CameraInfo), width, height).rectified
        return self._camera

    def _sureness(self, depth: np.ndarray) -> np.ndarray | None:
        if not self._confidence:
            return None
        message = deserialised(self._confidence, Image)
        size = message.height, message.width
        if message.encoding != '32FC1' or len(message.data) != 4 * size[0] * size[1]:
            raise MessageError('depth/confidence is no image of 32FC1')
        return np.frombuffer(message.data, np.float32).reshape(size)

    def close(self) -> None:
        """Subscribe to nothing any more."""
        for each in (self._image, self._status, *self._subscriptions.values()):
            if each is not None:
                each.destroy()
