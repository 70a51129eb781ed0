"""Where messages come from and go to: the graph that a node is in, or what stands in for it."""
from collections.abc import Callable
import time
from types import ModuleType
from typing import Any, Protocol

from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.qos import qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

from .events import PublisherEventCallbacks
from .graph import compressed_topic
from .matching_subscription import MatchingSubscription
from .outgoing import NodePublisher
from .qos import DEPTH, newest_reliable


class Publisher(Protocol):
    """Hands messages of one topic over."""

    def message(self) -> Any:
        """Return a message that may be filled and published again and again."""

    def publish(self, message: Any) -> None: ...

    def get_subscription_count(self) -> int:
        """Return how many want its messages."""


class Subscription(Protocol):
    """Delivers the messages of one topic, until it is destroyed."""

    def refresh(self) -> None:
        """Follow publishers that come and go; about twice a second."""

    def destroy(self) -> None: ...


class Topics(Protocol):
    """The topics of one camera or of several, by relative names.

    log: for people.
    """

    log: Any

    def name(self, topic: str) -> str:
        """Return a topic's full name, remapped where that is asked for."""

    def compressed_name(self, image: str) -> str:
        """Return the full name of the compressed topic of an image topic."""

    def subscribe(self, kind: type, topic: str, callback: Callable[[Any], None],
                  depth: int = DEPTH) -> Subscription:
        """Have a topic's messages delivered to a callback."""

    def publisher(self, kind: type, topic: str, problem: Callable[[str], None]) -> Publisher:
        """Return a topic's publisher. problem: is told what keeps subscribers from it."""

    def remove(self, publisher: Any) -> None:
        """Remove a publisher."""

    def follow_transforms(self, tf2: ModuleType, buffer: Any) -> Callable[[], None]:
        """Have TF fill a buffer of tf2_ros, until the returned function is called."""

    def arrival(self) -> float:
        """Return the present time in seconds on the clock by which messages arrive."""

    def now(self) -> int:
        """Return the present time in ns on the clock that header stamps are of."""

    def open(self) -> bool:
        """Whether messages can still be published."""


class Listener:
    """One topic, whose messages go to a callback from `subscribe` to `unsubscribe`."""

    def __init__(self, topics: Topics, kind: type, topic: str, callback: Callable[[Any], None],
                 depth: int = DEPTH):
        self._begin = lambda: topics.subscribe(kind, topic, callback, depth)
        self._subscription: Subscription | None = None

    def subscribe(self) -> None:
        self._subscription = self._begin()

    def refresh(self) -> None:
        """Follow publishers that come and go; about twice a second, on any thread."""
        if (subscription := self._subscription) is not None:
            subscription.refresh()

    def unsubscribe(self) -> None:
        if self._subscription is not None:
            self._subscription.destroy()
            self._subscription = None


class NodeTopics:
    """The topics of a lifecycle node; its callbacks run in a group."""

    def __init__(self, node: LifecycleNodeMixin, group: CallbackGroup):
        self._node, self._group = node, group
        self.log = node.get_logger()

    def name(self, topic: str) -> str:
        return self._node.resolve_topic_name(topic)

    def compressed_name(self, image: str) -> str:
        return compressed_topic(self._node, image)

    def subscribe(self, kind: type, topic: str, callback: Callable[[Any], None],
                  depth: int = DEPTH) -> MatchingSubscription:
        return MatchingSubscription(self._node, kind, topic, callback, self._group, depth)

    def publisher(
        self, kind: type, topic: str, problem: Callable[[str], None],
    ) -> NodePublisher:
        def on_incompatible_qos(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            problem(f'{topic}: a subscriber wants another quality of service ({policy}), so '
                    f'nothing is exchanged')
        return NodePublisher(self._node.create_lifecycle_publisher(
            kind, topic, newest_reliable(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=PublisherEventCallbacks(incompatible_qos=on_incompatible_qos)), kind)

    def remove(self, publisher: NodePublisher) -> None:
        self._node.destroy_lifecycle_publisher(publisher.publisher)

    def follow_transforms(self, tf2: ModuleType, buffer: Any) -> Callable[[], None]:
        return tf2.TransformListener(buffer, self._node).unregister

    def arrival(self) -> float:
        return time.perf_counter()

    def now(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def open(self) -> bool:
        return self._node.context.ok()
