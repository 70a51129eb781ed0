"""The topics of one camera in a bag, in place of those of a node."""
from collections.abc import Callable, Iterable, Mapping
import functools
from types import ModuleType
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from ..files.bag_types import COMPRESSED, BagTopic
from ..ros.compressed_depth import compressed_to_depth, depth_to_compressed
from ..ros.graph import type_name
from ..ros.image_messages import depth_to_image
from ..ros.message import deserialised, serialised
from ..ros.qos import DEPTH
from ..ros.transport import share_folder
from .notes import Notes

SUFFIX = '/compressedDepth'
TF, TF_STATIC = '/tf', '/tf_static'
STATUS = 'depth_node/status'

Write = Callable[[str, int, bytes], None]  # a message of a topic, at a time in ns


class BagTopics:
    """What of a bag one camera receives, and where in another bag goes what is made of it.

    prefix: of the camera's relative names in the node, such as 'front/'. image, info: full names in
    the bag. namespace: of what is written, and of other inputs that `remaps` does not name. kinds:
    the types in the bag by topic. wanted: the relative names of what is to be made.
    compress: png or rvl, for depth/image as image_transport's compressedDepth has it.

    ranges: of such depth, nearest and farthest in metres. subscribed: the topics that are received.
    made: those that are written.
    """

    def __init__(
        self, prefix: str, image: str, info: str, namespace: str, remaps: Mapping[str, str],
        kinds: Mapping[str, str], wanted: Iterable[str], write: Write, log: Notes,
        compress: str | None = None,
    ):
        self._prefix, self.namespace = prefix, namespace
        self._names = {'image': image, 'camera_info': info, **remaps}
        self._kinds, self._wanted, self._write = kinds, set(wanted), write
        self._compress, self.ranges = compress, (0.1, 100.0)
        self.log = log
        self.made: dict[str, BagTopic] = {}
        self._callbacks: dict[str, list[tuple[type, Callable[[Any], None]]]] = {}
        self._now = self._arrival = 0

    @property
    def subscribed(self) -> set[str]:
        return set(self._callbacks)

    def deliver(self, topic: str, time: int, data: bytes) -> None:
        """Hand a message over to whoever receives its topic; MessageError for a damaged one."""
        self.at(time)
        for kind, callback in self._callbacks.get(topic, ()):
            if kind is Image and self._kinds[topic] == COMPRESSED:
                message = deserialised(data, CompressedImage)
                callback(depth_to_image(compressed_to_depth(message), message.header))
            else:
                callback(deserialised(data, kind))

    def at(self, time: int) -> None:
        """Let it be a time in ns."""
        self._now, self._arrival = time, max(self._arrival, time)

    def relative(self, topic: str) -> str:
        """Return the name of a topic as it is without the camera's own name."""
        if topic.startswith('~/'):
            return STATUS
        return topic.removeprefix(self._prefix)

    # The interface of Topics

    def name(self, topic: str) -> str:
        if topic.startswith('/'):
            return topic
        name = self.relative(topic)
        return self._names.get(name) or f'{self.namespace}/{name}'

    def compressed_name(self, image: str) -> str:
        return self.name(image)

    def subscribe(self, kind: type, topic: str, callback: Callable[[Any], None],
                  depth: int = DEPTH) -> 'BagSubscription':
        name, each = self.name(topic), (kind, callback)
        self._callbacks.setdefault(name, []).append(each)
        return BagSubscription(functools.partial(self._unsubscribe, name, each))

    def _unsubscribe(self, name: str, each: tuple[type, Callable[[Any], None]]) -> None:
        self._callbacks[name].remove(each)

    def publisher(self, kind: type, topic: str, problem: Callable[[str], None]) -> 'BagPublisher':
        name = self.relative(topic)
        if name not in self._wanted:
            return BagPublisher(kind, None)
        full = self.name(topic)
        if name == 'depth/image' and self._compress:
            full += SUFFIX
            self.made[full] = BagTopic(full, COMPRESSED, 0)
            return BagPublisher(kind, lambda message: self._write(full, self._now, serialised(
                depth_to_compressed(message, self._compress, *self.ranges))))
        self.made[full] = BagTopic(full, type_name(kind), 0, _definition(kind))
        return BagPublisher(kind, lambda message: self._write(
            full, self._now, serialised(message)))

    def remove(self, publisher: Any) -> None:
        pass

    def follow_transforms(self, tf2: ModuleType, buffer: Any) -> Callable[[], None]:
        from tf2_msgs.msg import TFMessage

        def take(static: bool, message: Any) -> None:
            for transform in message.transforms:
                (buffer.set_transform_static if static else buffer.set_transform)(transform, 'bag')
        subscriptions = [self.subscribe(TFMessage, topic, functools.partial(take, static))
                         for topic, static in ((TF, False), (TF_STATIC, True))]
        return lambda: [each.destroy() for each in subscriptions]

    def arrival(self) -> float:
        return self._arrival / 1e9

    def now(self) -> int:
        return self._now

    def open(self) -> bool:
        return True


class BagSubscription:
    """Ends what `BagTopics.subscribe` began."""

    def __init__(self, destroy: Callable[[], None]):
        self.destroy = destroy

    def refresh(self) -> None:
        pass


class BagPublisher:
    """Writes messages, or is there for nobody."""

    def __init__(self, kind: type, write: Callable[[Any], None] | None):
        self.message, self._write = kind, write

    def publish(self, message: Any) -> None:
        if self._write is not None:
            self._write(message)

    def get_subscription_count(self) -> int:
        return int(self._write is not None)


def _definition(kind: type) -> str:
    """Return the definition of this package's own message, with what it is made of; '' of others.

    Those of ROS are known to whoever reads a bag.
    """
    if not kind.__module__.startswith('flashdepth_ros'):
        return ''
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    name = type_name(kind)
    store = get_typestore(Stores.LATEST)
    store.register(get_types_from_msg(
        (share_folder() / 'msg' / f'{kind.__name__}.msg').read_text(), name))
    return store.generate_msgdef(name, ros_version=2)[0]
