"""Thousands of frames, of bag loops and of others that come and go leave no trace."""
import time

import numpy as np
from numpy.testing import assert_allclose
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
import rclpy
from rclpy.context import Context
from rclpy.duration import Duration
from ros_rig import SECOND, Reference, street
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from flashdepth_ros.messages import rgb_to_image

MEGABYTE = 1e6


def test_frames(node, soak, measured):
    """The depth of the last frame is that of a network that saw all of them, and memory is flat."""
    process = node().activate()
    network, frames = Reference(), street(20, 70, 70)
    latencies, memory = [], []
    for i in range(soak.frames):
        frame = frames[i % 20 if i % 40 < 20 else 19 - i % 20]  # there and back, without a jump
        depth = process.depth_of(frame, process.next_stamp())
        expected = network.depth(frame)
        if i % 50 == 49 or i == soak.frames - 1:
            assert_allclose(depth, expected, rtol=1e-3)
        latencies.append(process.status.total_ms)
        memory.append(process.memory())
    status = process.status
    assert status.resets == 0 and status.processed >= soak.frames
    process.assert_right()
    tenth = soak.frames // 10
    early, late = (np.median(part) for part in (latencies[:tenth], latencies[-tenth:]))
    growth = (np.median(memory[-tenth:]) - np.median(memory[tenth:2 * tenth])) / MEGABYTE
    measured(f'{soak.frames} frames; memory {memory[tenth] / MEGABYTE:.1f} MB after {tenth} and '
             f'{memory[-1] / MEGABYTE:.1f} MB at the end (growth of the median {growth:+.2f} MB); '
             f'latency {early:.1f} ms in the first tenth, {late:.1f} ms in the last')
    assert growth < (1 if soak.full else 5)
