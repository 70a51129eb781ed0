"""The images of several topics of a bag that belong together by their stamps."""
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..ros.compressed_depth import compressed_to_depth
from ..ros.compressed_images import compressed_to_rgb
from ..ros.image_messages import image_to_depth, image_to_rgb
from ..ros.message import MessageError, deserialised, message_class, stamp_to_ns
from .bag_reader import BagReader
from .bag_types import IMAGE, BagError

WAITING = 300      # frames of a topic that wait for their partners
TOLERANCE = 0.02   # seconds between stamps of one moment


class PairedImages:
    """A bag's images whose stamps are equal on all topics or, where none is, nearest to each other.

    path: as BagReader's. topics: a topic for each key, raw or compressed: 'rgb' becomes (h, w, 3)
    uint8, every other key depth (h, w) float32 in metres, with +Inf for what is too far. tolerance:
    how far apart, in seconds, the stamps may be.

    Iterating yields a dict for each moment, in order, and raises BagError. Afterwards pairs says
    how many there were, apart how far apart at most (ns), and losses what could not be read.
    """

    def __init__(self, path: Path, topics: dict[str, str], tolerance: float = TOLERANCE):
        self.path, self._tolerance = path, round(1e9 * tolerance)
        self._wanted = topics
        self.pairs = self.apart = self.alone = 0
        self.losses: list[str] = []

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        with BagReader(self.path) as reader:
            topics = {key: reader.require(topic) for key, topic in self._wanted.items()}
            messages = ((topic, deserialised(data, message_class(reader.topics[topic].kind)))
                        for _, (topic, _, data) in reader.messages(
                            {topic.name for topic in topics.values()}))
            try:
                for whole in self._together(messages, list(dict.fromkeys(
                        topic.name for topic in topics.values()))):
                    yield {key: _decode(whole[topic.name], topic.kind == IMAGE, key == 'rgb')
                           for key, topic in topics.items()}
            except MessageError as error:
                raise BagError(f'{self.path}: {error}') from error
            finally:
                self.losses = reader.losses

    def _together(
        self, messages: Iterator[tuple[str, Any]], names: list[str],
    ) -> Iterator[dict[str, Any]]:
        """Yield the messages that belong together, by topic. The first topic leads."""
        first, *others = names
        waiting: dict[str, deque] = {name: deque() for name in names}
        for name, message in messages:
            waiting[name].append((stamp_to_ns(message.header.stamp), message))
            while waiting[first] and self._is_settled(waiting, first, others):
                if whole := self._take(waiting, first, others):
                    yield whole
        while waiting[first]:
            if whole := self._take(waiting, first, others):
                yield whole

    def _is_settled(self, waiting: dict[str, deque], first: str, others: list[str]) -> bool:
        """Whether nothing nearer to the oldest frame can come."""
        stamp = waiting[first][0][0]
        return len(waiting[first]) > WAITING or all(
            any(each[0] == stamp for each in waiting[other])
            or (waiting[other] and waiting[other][-1][0] > stamp + self._tolerance)
            for other in others)

    def _take(
        self, waiting: dict[str, deque], first: str, others: list[str],
    ) -> dict[str, Any] | None:
        """Take the oldest frame; return it with its partners, or None where one is missing."""
        stamp, message = waiting[first].popleft()
        found = {first: message}
        for other in others:
            queue = waiting[other]
            near = min(queue, key=lambda each: abs(each[0] - stamp), default=None)
            following = waiting[first][0][0] if waiting[first] else None
            apart = 0 if near is None else abs(near[0] - stamp)
            if near is None or apart > self._tolerance or (
                    following is not None and abs(near[0] - following) < apart):
                self.alone += 1
                return None
            self.apart = max(self.apart, apart)
            found[other] = near[1]
            while queue[0][0] < near[0]:
                queue.popleft()
            queue.popleft()
        self.pairs += 1
        return found

    def about(self) -> str:
        """Say how the pairs were found, for people."""
        text = (f'{self.pairs} pairs within {self._tolerance / 1e6:g} ms, at most '
                f'{self.apart / 1e6:.3g} ms apart')
        if self.alone:
            text += f'; {self.alone} images without a partner are left out'
        return text


def _decode(message: Any, raw: bool, colour: bool) -> np.ndarray:
    if raw:
        return image_to_rgb(message) if colour else image_to_depth(message, far=True)
    return compressed_to_rgb(message) if colour else compressed_to_depth(message)
