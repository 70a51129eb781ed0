"""Whatever is sent to the node, it lives on, its memory is bounded, and the next frame is right."""
from collections import Counter
from collections.abc import Callable
import importlib.util
import random

from builtin_interfaces.msg import Time
import hostile
import numpy as np
import pytest
from ros_rig import SECOND, Reference, street
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, PointCloud2

from flashdepth_ros.ros.image_messages import depth_to_image

MEGABYTE = 1e6
ROUND = 200  # messages between two looks at the node


def bombard(process, count: int, send: Callable[[random.Random], str]) -> str:
    """Let `send` send a hostile message `count` times; return what became of the node.

    send returns the message's kind. The node is looked at after each round.
    """
    rng = random.Random(count)
    kinds, before = Counter(), None
    for i in range(count):
        kinds[send(rng)] += 1
        process.spin_until(lambda: False, 0.005)
        if i % ROUND == ROUND - 1:
            assert process.process.poll() is None, f'{kinds}: {process.last_words()}'
            process.forget()
        if i == count // 10:  # by then the largest buffers have been made
            process.settle()
            before = process.memory()
    process.settle()
    growth = (process.memory() - before) / MEGABYTE
    assert growth < 50, f'{growth} MB'
    return (f'{count} messages of {len(kinds)} kinds; memory {before / MEGABYTE:.1f} MB after a '
            f'tenth, {growth:+.1f} MB until the end')


def outcome(process) -> str:
    status = process.status
    # best effort drops some of a burst
    assert status.rejected > 0
    return (f'; {status.received} images reached the node, {status.rejected} were rejected, '
            f'{status.failed} failed')


def choose(rng: random.Random, *targets) -> str:
    """Send a message of any kind; targets are (publisher, kinds)."""
    publisher, kinds = rng.choice(targets)
    kind = rng.choice(list(kinds))
    publisher.publish(kinds[kind](rng))
    return kind


def test_raw_images_and_camera_infos(node, soak, measured):
    process = node().activate()
    process.assert_right()
    text = bombard(process, soak.messages // 2, lambda rng: choose(
        rng, (process.image, hostile.IMAGES), (process.info, hostile.CAMERA_INFOS)))
    process.assert_right()
    measured(text + outcome(process))


def test_compressed_images(node, soak, measured):
    process = node(**{'input.transport': 'compressed'}).activate()
    process.assert_right()
    text = bombard(process, soak.messages // 4, lambda rng: choose(
        rng, (process.compressed, hostile.COMPRESSED)))
    process.assert_right()
    measured(text + outcome(process))


MISSING = [name for name in ('sensor_msgs_py', 'tf2_ros')
           if importlib.util.find_spec(name) is None]


@pytest.mark.parametrize(('reference', 'kind', 'kinds'), [
    ('depth', Image, hostile.REFERENCE_DEPTHS),
    pytest.param('points', PointCloud2, hostile.REFERENCE_CLOUDS, marks=pytest.mark.skipif(
        bool(MISSING), reason=f'not installed: {", ".join(MISSING)} (no PyPI wheel)'))])
def test_references(node, soak, measured, reference, kind, kinds):
    process = node(**{'scale.mode': 'reference', 'scale.reference': reference}).activate()
    publisher = process.node.create_publisher(
        kind, 'reference/points' if reference == 'points' else 'reference/depth/image', 1)
    assert process.spin_until(publisher.get_subscription_count)
    frames = street(20, 70, 70)

    def send(rng: random.Random) -> str:
        name = rng.choice(list(kinds))
        message, stamp = kinds[name](rng), process.next_stamp()
        if not isinstance(message, bytes) and rng.random() < 0.8:  # one that the frame looks for
            message.header.frame_id = 'camera'
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
        publisher.publish(message)
        process.send(frames[stamp % 20], stamp, info=True)
        return name

    text = bombard(process, soak.messages // 8, send)
    assert process.status.failed == 0  # whatever the reference is, the camera's frame is a good one
    measured(f'{text}; {process.status.processed} frames')
    process.again(**{'scale.mode': 'nominal'})
    process.assert_right()
    process.again(**{'scale.mode': 'reference', 'scale.reference': 'depth'})
    assert process.spin_until(lambda: process.node.count_subscribers('/reference/depth/image'))
    publisher = process.node.create_publisher(Image, 'reference/depth/image', 1)
    assert process.spin_until(publisher.get_subscription_count)
    network = Reference()
    for frame in frames[:6]:  # a good one is followed as ever
        stamp = process.next_stamp()
        with np.errstate(divide='ignore'):
            truth = 1 / (3 / network.depth(frame) + 0.05)
        message = depth_to_image(truth.astype(np.float32), hostile.Header(frame_id='camera'))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
        publisher.publish(message)
        process.spin_until(lambda: False, 0.2)
        process.depth_of(frame, stamp)
    assert process.status.scale_factor == pytest.approx(3.0, rel=0.05)


def test_times_that_rclpy_cannot_take(node):
    process = node(use_sim_time=True).activate()
    process.assert_right()
    clock = process.node.create_publisher(Clock, '/clock', 1)
    assert process.spin_until(clock.get_subscription_count)
    # rclpy itself raises; nothing but the log of it may follow
    assert process.spin_until(lambda: clock.publish(Clock(clock=Time(sec=-1))) or (
        'Seconds value must not be negative' in process.last_words()))
    clock.publish(Clock(clock=Time(sec=2 ** 31 - 1, nanosec=2 ** 32 - 1)))
    process.spin_until(lambda: False, 0.2)
    process.assert_right(forgiven='Seconds value must not be negative')
