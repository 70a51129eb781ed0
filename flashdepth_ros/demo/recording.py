"""Frames of a camera node and a depth node, recorded over DDS."""
from collections.abc import Sequence
from dataclasses import dataclass
import sys

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from ..msg import DepthStatus
from ..ros.child_process import ChildProcess
from ..ros.image_messages import depth_view, image_to_depth, image_to_rgb
from ..ros.message import stamp_to_ns
from ..ros.observer import observer, spin_until_received
from ..ros.qos import NEWEST_SENSOR_DATA

NAMESPACE = 'demo'
MOST_BYTES = 1 << 30  # of images that wait for their depth


@dataclass(frozen=True)
class RecordedFrame:
    """A frame and all that came of it.

    stamp: ns. rgb: (H, W, 3) uint8. depth, truth: (H, W) float32 in metres; the truth of simulated
    cameras alone. cloud: (N, 4) float32, x, y, z in metres and packed colours.
    """

    stamp: int
    rgb: np.ndarray
    depth: np.ndarray
    cloud: np.ndarray
    status: DepthStatus
    truth: np.ndarray | None


class SilenceError(RuntimeError):
    """No frame has come for too long."""


class Recorder(Node):
    """Pairs images, depth, clouds, statuses and perhaps the true depth by their stamps."""

    def __init__(self, with_truth: bool):
        super().__init__('recorder', namespace=NAMESPACE)
        self._with_truth = with_truth
        self._images: dict[int, np.ndarray] = {}
        self._truths: dict[int, np.ndarray] = {}
        self._depths: dict[int, np.ndarray] = {}
        self._clouds: dict[int, np.ndarray] = {}
        self._statuses: dict[int, DepthStatus] = {}
        if with_truth:
            self.create_subscription(
                Image, 'truth/depth/image', self._on_truth, NEWEST_SENSOR_DATA)
        self.create_subscription(Image, 'image', self._on_image, NEWEST_SENSOR_DATA)
        self.create_subscription(Image, 'depth/image', self._on_depth, 1)
        self.create_subscription(PointCloud2, 'points', self._on_cloud, 1)
        self.create_subscription(DepthStatus, 'depth_node/status', self._on_status, 1)

    def _on_image(self, message: Image) -> None:
        self._keep(self._images, message, image_to_rgb(message).copy())

    def _on_truth(self, message: Image) -> None:
        self._keep(self._truths, message, image_to_depth(message))

    def _keep(self, frames: dict[int, np.ndarray], message: Image, frame: np.ndarray) -> None:
        frames[stamp_to_ns(message.header.stamp)] = frame
        # A slow machine may take many seconds for a frame: its image must still be here then.
        newest = max(self._depths, default=0)
        waiting = [stamp for stamp in frames if stamp not in self._depths]
        too_many = len(waiting) - MOST_BYTES // frame.nbytes
        for index, stamp in enumerate(waiting):
            if stamp < newest or index < too_many:  # older ones never become depth
                del frames[stamp]

    def _on_depth(self, message: Image) -> None:
        depth = depth_view(message, message.height, message.width)
        self._depths[stamp_to_ns(message.header.stamp)] = depth.copy()

    def _on_cloud(self, message: PointCloud2) -> None:
        cloud = np.frombuffer(message.data, np.float32).reshape(-1, 4)
        self._clouds[stamp_to_ns(message.header.stamp)] = cloud.copy()

    def _on_status(self, message: DepthStatus) -> None:
        self._statuses[stamp_to_ns(message.header.stamp)] = message

    def complete(self) -> set[int]:
        """Return the stamps of the frames of which everything has come."""
        stamps = (self._images.keys() & self._depths.keys() & self._clouds.keys()
                  & self._statuses.keys())
        return stamps & self._truths.keys() if self._with_truth else stamps

    def missing(self) -> str:
        """Say what keeps frames from being complete, as far as it is known."""
        if not self._statuses:
            return 'no frame has come'
        newest = self._statuses[max(self._statuses)]
        if not self._clouds and newest.scale_problem:
            return ('there is depth and no scale, so no cloud of it: '
                    f'{newest.scale_problem}. Another scene may tell it')
        return 'no frame has come of which all is there'

    def frames(self) -> list[RecordedFrame]:
        """Return the complete frames in order."""
        return [RecordedFrame(
            stamp, self._images[stamp], self._depths[stamp], self._clouds[stamp],
            self._statuses[stamp], self._truths.get(stamp)) for stamp in sorted(self.complete())]


def record(
    camera: Sequence[str], depth_node: Sequence[str], with_truth: bool, frames: int, wait: float,
) -> list[RecordedFrame]:
    """Run a camera and a depth node until so many frames are recorded; return those in order.

    camera, depth_node: the executables, each with its ROS arguments. wait: seconds for a frame.
    Raises SilenceError, and ProcessEndedError where a node ends early.
    """
    with observer(lambda: Recorder(with_truth)) as (recorder, executor):
        nodes: list[ChildProcess] = []
        try:
            for name, *arguments in (depth_node, camera):
                nodes.append(ChildProcess(name, [
                    sys.executable, '-m', f'flashdepth_ros.{name}',
                    '--ros-args', '-r', f'__ns:=/{NAMESPACE}', *arguments]))

            def check() -> None:
                for node in nodes:
                    node.check()

            if not spin_until_received(executor, lambda: len(recorder.complete()), frames, wait,
                                       check, 'depth over DDS'):
                raise SilenceError(f'for {wait:.0f} s {recorder.missing()}; see the log above')
        finally:
            for node in nodes:
                node.end()
        return recorder.frames()
