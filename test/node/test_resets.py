"""Every rule by which the temporal state is forgotten, and those by which it is not."""
import numpy as np
from numpy.testing import assert_allclose
import pytest
from ros_rig import SECOND, street
from rosgraph_msgs.msg import Clock

from flashdepth_ros.ros.image_messages import bgr_to_image
from flashdepth_ros.ros.message import stamp_to_ns

FIRST, SECOND_FRAME = street(2)
BIG = street(1, 98, 112)[0]


def reasons(node) -> dict:
    return dict(zip(node.status.reset_reasons, node.status.reset_counts, strict=True))


@pytest.mark.parametrize(('reason', 'second'), [
    ('stamp went back', lambda node: node.depth_of(SECOND_FRAME, 3 * SECOND)),
    ('gap in time', lambda node: node.depth_of(SECOND_FRAME, 8 * SECOND)),
    ('new frame_id', lambda node: node.depth_of(SECOND_FRAME, 6 * SECOND, frame_id='other')),
    ('new encoding', lambda node: node.depth_of(
        bgr_to_image(SECOND_FRAME[..., ::-1].copy(), None or _header()), 6 * SECOND)),
    ('requested', lambda node: node.reset() and node.depth_of(SECOND_FRAME, 6 * SECOND)),
    ('deactivated', lambda node: again(node).depth_of(SECOND_FRAME, 6 * SECOND)),
])
def test_state_is_forgotten(rig, reference, reason, second):
    node = rig(**{'stream.max_gap': 2.0}).activate()
    node.depth_of(FIRST, 5 * SECOND)
    depth = second(node)
    assert_allclose(depth, reference.reset().depth(SECOND_FRAME), rtol=1e-4)
    assert node.status.resets == 1
    assert reasons(node) == {reason: 1}
    assert node.status.reset == (reason != 'deactivated')  # that was not before this very frame


def _header():
    from std_msgs.msg import Header
    return Header()


def again(node):
    assert node.change_state('deactivate')
    assert node.change_state('activate')
    node.connect()
    return node


def test_a_new_size_forgets(rig, reference):
    node = rig(**{'input.short_side': 98}).activate()
    node.depth_of(FIRST, 5 * SECOND)
    assert_allclose(node.depth_of(BIG, 6 * SECOND), reference.reset().depth(BIG), rtol=1e-4)
    assert reasons(node) == {'new image size': 1}


def test_a_clock_that_jumps_back_forgets(rig, reference):
    node = rig(use_sim_time=True).activate()
    clock = node.node.create_publisher(Clock, '/clock', 1)

    def set_clock(seconds: float) -> None:
        message = Clock()
        message.clock.sec = int(seconds)
        assert node.spin_until(lambda: clock.publish(message) or (
            node.depth_node.get_clock().now().nanoseconds == seconds * SECOND))

    set_clock(100)
    node.depth_of(FIRST, 100 * SECOND)
    set_clock(50)
    # the stamp goes back too: one reset, not two
    depth = node.depth_of(SECOND_FRAME, 50 * SECOND)
    assert_allclose(depth, reference.reset().depth(SECOND_FRAME), rtol=1e-4)
    assert reasons(node) == {'clock jumped back': 1}


def last_stamp(node) -> float:
    depths = node.received['depth/image']
    return stamp_to_ns(depths[-1].header.stamp) / SECOND if depths else 0.0


def test_replaced_and_missing_frames_are_no_gap(rig):
    node = rig(**{'model.name': 'flashdepth-s', 'input.short_side': 350,
                  'stream.max_gap': 3.5}).activate()
    # stamps a second apart, of which a busy node skips many (and DDS perhaps one or two)
    node.send_all(street(30, 350, 350), [float(i) for i in range(1, 31)])
    assert node.spin_until(lambda: last_stamp(node) == 30.0 and node.status.processed == len(
        node.received['depth/image']))
    stamps = [stamp_to_ns(depth.header.stamp) / SECOND for depth in node.received['depth/image']]
    assert np.diff(stamps).max() > 3.5
    assert node.status.replaced > 3 and node.status.resets == 0


def test_a_reset_of_a_replaced_frame_is_not_lost(rig):
    node = rig(**{'model.name': 'flashdepth-s', 'input.short_side': 252}).activate()
    # a bag loops while the node is busy
    node.send_all(street(6, 252, 252), [10.0, 10.1, 3.0, 3.1, 3.2, 3.3])
    assert node.spin_until(lambda: last_stamp(node) == 3.3 and node.status.processed == len(
        node.received['depth/image']))
    assert reasons(node) == {'stamp went back': 1}


def test_a_publisher_that_stops_and_returns(rig, reference):
    node = rig().activate()
    node.depth_of(FIRST, SECOND)
    node.node.destroy_publisher(node.image)
    assert node.spin_until(lambda: not node.depth_node.count_publishers('/image'))
    from sensor_msgs.msg import Image
    node.image = node.node.create_publisher(Image, 'image', 1)
    node.connect()
    depth = node.depth_of(SECOND_FRAME, SECOND + SECOND // 10)
    reference.reset().depth(FIRST)
    assert_allclose(depth, reference.depth(SECOND_FRAME), rtol=1e-4)  # the state is still there


def test_late_and_repeated_frames_change_nothing(rig, reference):
    node = rig().activate()
    node.depth_of(FIRST, 5 * SECOND)
    counts = node.depth_node._cameras[0].input.arrivals.counts
    for stamp in 5 * SECOND, 5 * SECOND - SECOND // 5:  # repeated, late
        before = counts.received
        node.send(BIG, stamp)
        assert node.spin_until(lambda before=before: counts.received > before)
    depth = node.depth_of(SECOND_FRAME, 5 * SECOND + SECOND // 10)
    reference.reset().depth(FIRST)
    assert_allclose(depth, reference.depth(SECOND_FRAME), rtol=1e-4)
    assert [stamp_to_ns(depth.header.stamp) for depth in node.received['depth/image']] == [
        5 * SECOND, 5 * SECOND + SECOND // 10]
    assert (counts.received, counts.late, counts.repeated) == (4, 1, 1)
    assert node.status.resets == 0
