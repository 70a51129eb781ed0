"""What one camera sends: its subscriptions, the newest image that waits, and its camera_info."""
from collections.abc import Callable
import threading
import time

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..images.intrinsics import Intrinsics
from ..ros.camera_info import info_to_intrinsics
from ..ros.compressed_images import check_compressed, compressed_to_rgb
from ..ros.image_messages import check_image, image_to_rgb
from ..ros.message import MessageError, stamp_to_ns
from ..ros.parameters import Settings
from ..ros.qos import LATCHED, NEWEST_SENSOR_DATA
from ..ros.qos_events import SubscriptionEventCallbacks
from ..streams.arrivals import Arrivals
from ..streams.continuity import Continuity, FrameOrigin


class CameraInput:
    """The topics image and camera_info of one camera, below `prefix`.

    Messages come on an executor thread; the newest usable image waits in `arrivals`, whose `ready`
    is notified. Unusable messages are counted, told once, and change nothing else.
    """

    def __init__(
        self, node: LifecycleNodeMixin, prefix: str, settings: Settings,
        ready: threading.Condition, group: CallbackGroup,
    ):
        self._node, self._prefix, self._group = node, prefix, group
        self.arrivals = Arrivals(Continuity(settings['stream.max_gap']), ready)
        self.info: CameraInfo | None = None
        self.last_problem = ''  # with an incoming message
        self.qos_problem = ''   # a connection that QoS prevented
        self._since = 0.0       # when it began to receive
        self._subscriptions, self._latched = [], None
        self._changing = threading.Lock()  # of the subscriptions
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take settings that cannot change while active."""
        self._compressed = settings['input.transport'] == 'compressed'

    @property
    def image_topic(self) -> str:
        """The full name of the image topic."""
        return self._node.resolve_topic_name(f'{self._prefix}image')

    @property
    def source(self) -> str:
        """The full name of the topic that images are taken from, raw or compressed."""
        # a compressed image's topic lies below the raw one's, also where that is remapped
        return f'{self.image_topic}/compressed' if self._compressed else self.image_topic

    @property
    def info_topic(self) -> str:
        """The full name of the camera_info topic."""
        return self._node.resolve_topic_name(f'{self._prefix}camera_info')

    def subscribe(self) -> None:
        """Begin to receive."""
        kind = CompressedImage if self._compressed else Image
        with self._changing:
            self._since = time.perf_counter()
            self._subscriptions = [
                self._subscription(kind, self.source, self._on_image, NEWEST_SENSOR_DATA),
                self._subscription(
                    CameraInfo, self.info_topic, self._on_info, NEWEST_SENSOR_DATA)]

    def unsubscribe(self) -> None:
        """Stop receiving, and drop the frame that waits."""
        with self._changing:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions, self._latched = [], None
        self.arrivals.clear()

    def follow_publishers(self) -> None:
        """Ask for a camera_info that was published once, before we came, if there is one.

        Only where a publisher keeps it: otherwise every camera driver would be warned of a
        subscriber that it cannot serve.
        """
        with self._changing:
            if self._subscriptions and self.info is None and self._latched is None and any(
                    endpoint.qos_profile.durability is QoSDurabilityPolicy.TRANSIENT_LOCAL
                    for endpoint in self._node.get_publishers_info_by_topic(self.info_topic)):
                self._latched = self._node.create_subscription(
                    CameraInfo, self.info_topic, self._on_info, LATCHED,
                    callback_group=self._group)
                self._subscriptions.append(self._latched)

    def silent(self) -> float:
        """Return the seconds since the last image, or since `subscribe`."""
        return time.perf_counter() - max(self.arrivals.last_time or 0.0, self._since)

    def decode(self, message: Image | CompressedImage) -> np.ndarray:
        """Return an image's RGB (H, W, 3) uint8; MessageError."""
        return (compressed_to_rgb if self._compressed else image_to_rgb)(message)

    def intrinsics(self, width: int, height: int, settings: Settings) -> Intrinsics | None:
        """Return the camera of a width x height image, or None while nothing tells it."""
        if self.info is not None:
            return info_to_intrinsics(self.info, width, height)
        if settings['camera.hfov'] > 0:
            return Intrinsics.from_field_of_view(settings['camera.hfov'], width, height)
        return None

    def _subscription(self, kind: type, topic: str, callback: Callable, qos: QoSProfile):
        return self._node.create_subscription(
            kind, topic, callback, qos, callback_group=self._group,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=lambda event: self._on_incompatible_qos(topic, event)))

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
            self._tell(error)
            return
        self.arrivals.put(message, FrameOrigin(
            stamp_to_ns(message.header.stamp), message.header.frame_id, width, height, encoding))

    def _on_info(self, message: CameraInfo) -> None:
        try:
            info_to_intrinsics(message, message.width, message.height)
        except MessageError as error:  # the last good one stays
            self._tell(error)
            return
        self.info = message

    def _tell(self, error: MessageError) -> None:
        if str(error) != self.last_problem:  # once, not at the camera's rate
            self.last_problem = str(error)
            self._node.get_logger().error(f'{self.image_topic}: {error}')

    def _on_incompatible_qos(self, topic: str, event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        problem = (f'{topic}: a publisher offers another quality of service ({policy}), so nothing '
                   f'is exchanged')
        if problem != self.qos_problem:
            self.qos_problem = problem
            self._node.get_logger().warning(problem)
