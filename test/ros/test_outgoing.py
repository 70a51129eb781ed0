"""Large messages are written where they are published from, and arrive as rclpy's own do."""
import time

import numpy as np
from numpy.testing import assert_array_equal
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.ros import outgoing
from flashdepth_ros.ros.cloud_messages import depth_to_cloud
from flashdepth_ros.ros.image_messages import bgr_to_image, depth_to_image, depth_view
from flashdepth_ros.ros.outgoing import NodePublisher, Outgoing
from flashdepth_ros.ros.qos import newest_reliable

RNG = np.random.default_rng(0)
CAMERA = Intrinsics.from_field_of_view(60, 14, 11)


def image(size: int, frame_id: str, out: Outgoing | None) -> Image | Outgoing:
    pixels = np.random.default_rng(size).integers(0, 256, (size, 7, 3), dtype=np.uint8)
    return bgr_to_image(pixels, Header(frame_id=frame_id), out)


def cloud(size: int, frame_id: str, out: Outgoing | None) -> PointCloud2 | Outgoing:
    rng = np.random.default_rng(size)
    depth = rng.uniform(1, 2, (11, 14)).astype(np.float32)
    depth[:size] = np.nan
    return depth_to_cloud(depth, rng.integers(0, 256, (11, 14, 3), dtype=np.uint8), CAMERA,
                          Header(frame_id=frame_id), 2, bool(size % 2), out=out)


@pytest.mark.parametrize(('kind', 'make'), [(Image, image), (PointCloud2, cloud)])
def test_what_goes_over_dds_is_what_rclpy_makes(kind, make):
    kept = Outgoing(kind)
    # larger and smaller, names of all lengths to a multiple of 4, and one that needs more room
    for size, frame_id in ((5, 'c'), (9, 'ca'), (2, 'cam'), (0, ''), (10, 'came'), (4, 'c' * 3000)):
        assert make(size, frame_id, kept) is kept
        plain, data = make(size, frame_id, None), kept.serialised().tobytes()
        assert len(data) == len(serialize_message(plain))    # of which padding has any value
        assert deserialize_message(data, kind) == plain


def test_depth_is_written_where_it_is_published_from():
    kept = Outgoing(Image)
    depth = depth_view(kept, 3, 4)
    depth[...] = RNG.random((3, 4))
    depth_to_image(depth, Header(), out=kept)
    assert np.shares_memory(depth, kept.serialised())
    message = deserialize_message(kept.serialised().tobytes(), Image)
    assert_array_equal(np.frombuffer(message.data, np.float32).reshape(3, 4), depth)


@pytest.fixture
def sender(domain):
    """Return an inactive lifecycle node."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = LifecycleNode('sender', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize('found', [True, False])
def test_it_arrives_only_while_the_node_is_active(domain, sender, monkeypatch, found):
    assert outgoing._rcl() is not None
    if not found:    # rcl's function: then rclpy publishes the bytes
        monkeypatch.setattr(outgoing, '_rcl', lambda: None)
    publisher = NodePublisher(
        sender.create_lifecycle_publisher(Image, 'image', newest_reliable()), Image)
    context, came = Context(), []
    rclpy.init(context=context, domain_id=domain)
    receiver = rclpy.create_node('receiver', context=context)
    receiver.create_subscription(Image, 'image', came.append, 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(receiver)
    end = time.monotonic() + 30
    while not publisher.get_subscription_count() and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.02)

    message = publisher.message()
    publisher.publish(image(300, 'never', message))
    sender.trigger_configure()
    sender.trigger_activate()
    while not came and time.monotonic() < end:
        publisher.publish(image(200, 'camera', message))
        executor.spin_once(timeout_sec=0.1)
    assert came[0] == image(200, 'camera', None)
    receiver.destroy_node()
    context.shutdown()


def test_other_kinds_are_rclpy_s_own(sender):
    publisher = NodePublisher(sender.create_lifecycle_publisher(Header, 'header', 1), Header)
    assert publisher.message() == Header()
    publisher.publish(publisher.message())
