"""Collects depth and true depth of running nodes over DDS."""
from pathlib import Path

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from ..files.depth_folder import inverse_of_metres
from ..msg import DepthStatus
from ..ros.image_messages import image_to_depth
from ..ros.message import MessageError, stamp_to_ns
from ..ros.observer import observer, spin_until_received
from ..ros.qos import NEWEST_SENSOR_DATA
from .sequences import FrameStore, ScoringError

WAITING = 300  # true frames that wait for their depth; a slow network answers late


class LiveFrames(Node):
    """Pairs depth/image with truth/depth/image by their stamps."""

    def __init__(self, folder: Path, namespace: str, depth_topic: str, truth_topic: str):
        super().__init__('evaluate', namespace=namespace)
        self.depths, self.truths = FrameStore(folder / 'depth'), FrameStore(folder / 'truth')
        self.engine = ''  # as the depth node's status names it
        self.problem = ''
        self._waiting: dict[int, dict[str, np.ndarray]] = {}
        # truth of every frame, depth of those that the network takes: neither may be lost
        for key, topic in (('truth', truth_topic), ('depth', depth_topic)):
            self.create_subscription(
                Image, topic, lambda message, key=key: self._on_image(key, message), 10)
        self.create_subscription(
            DepthStatus, 'depth_node/status', self._on_status, NEWEST_SENSOR_DATA)

    def _on_status(self, message: DepthStatus) -> None:
        self.engine = f'{message.model} ({message.backend}, {message.precision})'

    def _on_image(self, key: str, message: Image) -> None:
        try:
            depth = image_to_depth(message, far=True)
        except MessageError as error:
            self.problem = f'the {key}: {error}'
            return
        stamp = stamp_to_ns(message.header.stamp)
        pair = self._waiting.setdefault(stamp, {})
        pair[key] = depth
        if len(pair) == 2:
            self.truths.add(pair['truth'])
            self.depths.add(inverse_of_metres(pair['depth']))
            for old in [each for each in self._waiting if each <= stamp]:
                del self._waiting[old]
        elif len(self._waiting) > WAITING:
            del self._waiting[min(self._waiting)]


def collect(
    folder: Path, frames: int, namespace: str = '', depth_topic: str = 'depth/image',
    truth_topic: str = 'truth/depth/image', wait: float = 60.0,
) -> tuple[FrameStore, FrameStore, str]:
    """Return predicted inverse depth, true depth and the engine's name, of `frames` frames.

    wait: seconds to wait for a pair. Raises ScoringError when none comes.
    """
    def make() -> LiveFrames:
        return LiveFrames(folder, namespace, depth_topic, truth_topic)

    with observer(make) as (node, executor):
        if not spin_until_received(executor, lambda: len(node.depths), frames, wait):
            raise ScoringError(_silence(node, depth_topic, truth_topic, wait))
        return node.depths, node.truths, node.engine


def _silence(node: LiveFrames, depth_topic: str, truth_topic: str, wait: float) -> str:
    if node.problem:
        return node.problem
    counts = ', '.join(
        f'{node.resolve_topic_name(topic)} has {node.count_publishers(topic)} publishers'
        for topic in (depth_topic, truth_topic))
    return f'no depth with a truth of the same stamp has come for {wait:.0f} s: {counts}'
