"""A subscription whose quality of service is that of each publisher it finds."""
from collections import deque
from collections.abc import Callable
import threading
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSReliabilityPolicy,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo

from .events import UnsupportedEventTypeError, subscription_events
from .graph import type_name
from .qos import DEPTH
from .qos_overrides import Overrides

RELIABLE, BEST_EFFORT = QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT
VOLATILE = QoSDurabilityPolicy.VOLATILE
TRANSIENT_LOCAL = QoSDurabilityPolicy.TRANSIENT_LOCAL

Quality = tuple[QoSReliabilityPolicy, QoSDurabilityPolicy]

REMEMBERED = 64  # messages among which one that comes a second time is recognised


class MatchingSubscription:
    """Receives a topic reliably from reliable publishers, best effort from the others.

    DDS lets a best-effort reader listen to a reliable writer, but then nothing is sent again, and
    of large images hardly one is whole. Where publishers of both kinds are there, so are two
    readers, and what comes to both is delivered once. A reader that asks for what was published
    before it came is there only where a publisher keeps that.

    The graph is looked at when rclpy tells of a new connection, and whenever `refresh` is called:
    do so about once a second, for not every middleware and distribution tells.

    The parameters qos_overrides.<topic>.subscription.{reliability, durability, history, depth} set
    by the user win; where they are not set they read 'match' (ParameterError for wrong ones).

    lost: the messages that the middleware has told of as lost. callback: gets each message; raw:
    as the bytes that came (CDR).
    """

    def __init__(
        self, node: Node, kind: type, topic: str, callback: Callable[[Any], None],
        group: CallbackGroup | None = None, depth: int = DEPTH,
        changed: Callable[[], None] = lambda: None, raw: bool = False,
    ):
        self._node, self._kind, self._callback = node, kind, callback
        self._group, self._changed, self._raw = group, changed, raw
        self.topic = node.resolve_topic_name(topic)
        self.publishers: list[TopicEndpointInfo] = []  # of the right type, when last looked at
        self.lost = self.received = 0
        self._overrides = Overrides(node, self.topic, depth)
        self._seen: deque = deque(maxlen=REMEMBERED)
        self._lock = threading.RLock()
        self._readers: dict[Quality, Any] = {}
        self._leaving: list[Any] = []  # replaced readers, until their successors have connected
        self._open = True
        self.refresh()

    @property
    def qualities(self) -> set[Quality]:
        """The reliabilities and durabilities that are subscribed to."""
        return set(self._readers)

    def refresh(self) -> None:
        """Look at the publishers, and subscribe to each as it offers."""
        with self._lock:
            if not self._open:
                return
            wanted_type = type_name(self._kind)
            self.publishers = [
                info for info in self._node.get_publishers_info_by_topic(self.topic)
                if info.topic_type == wanted_type]
            for reader in self._leaving:
                self._node.destroy_subscription(reader)
            self._leaving = []
            wanted = self._wanted()
            if wanted == set(self._readers):
                return
            for quality in wanted - set(self._readers):
                self._readers[quality] = self._reader(quality)
            # frames between the old reader's end and the new one's first connection would be lost
            for quality in set(self._readers) - wanted:
                self._leaving.append(self._readers.pop(quality))
        self._changed()

    def destroy(self) -> None:
        """Stop receiving; nothing is delivered afterwards."""
        with self._lock:
            self._open = False
            for reader in (*self._readers.values(), *self._leaving):
                self._node.destroy_subscription(reader)
            self._readers, self._leaving = {}, []

    def _wanted(self) -> set[Quality]:
        offered = set()
        for info in self.publishers:
            reliable = info.qos_profile.reliability is RELIABLE
            kept = reliable and info.qos_profile.durability is TRANSIENT_LOCAL
            offered.add((RELIABLE if reliable else BEST_EFFORT,
                         TRANSIENT_LOCAL if kept else VOLATILE))
        # Nobody is there: what listened so far stays. At first that is what every publisher can
        # serve, so that none is warned of us.
        offered = offered or set(self._readers) or {(BEST_EFFORT, VOLATILE)}
        return {self._overrides.apply(*quality) for quality in offered}

    def _reader(self, quality: Quality):
        profile = self._overrides.profile(*quality)
        options = {'callback_group': self._group, 'raw': self._raw}
        callback = self._on_message
        try:
            # not the default events: they warn of what the next refresh mends
            return self._node.create_subscription(
                self._kind, self.topic, callback, profile, **options,
                event_callbacks=subscription_events(
                    incompatible_qos=self._on_change, matched=self._on_change,
                    incompatible_type=self._on_change, message_lost=self._on_lost))
        except UnsupportedEventTypeError:
            return self._node.create_subscription(
                self._kind, self.topic, callback, profile, **options,
                event_callbacks=subscription_events(use_default_callbacks=False))

    def _on_message(self, message: Any, info: dict) -> None:
        with self._lock:
            if not self._open:
                return
            key = info['source_timestamp'], info.get('publication_sequence_number')
            if key[0]:  # 0 where a middleware gives no time
                if key in self._seen:
                    return
                self._seen.append(key)
            self.received += 1
        self._callback(message)

    def _on_change(self, _event: Any) -> None:
        self.refresh()

    def _on_lost(self, event: Any) -> None:
        # a best-effort reader beside a reliable one loses what the other gets
        if all(reliability is BEST_EFFORT for reliability, _ in self._readers):
            self.lost += event.total_count_change
