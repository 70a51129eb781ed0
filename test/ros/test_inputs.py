"""Bad input never kills the node, loses the next good frame or disturbs the stream."""
from conftest import SECOND, street
import numpy as np
from numpy.testing import assert_allclose
import pytest
from sensor_msgs.msg import CameraInfo, Image

from flashdepth_ros.messages import ENCODINGS, depth_to_image

FIRST, THEN = street(2)


def bad(**changes) -> Image:
    message = Image(height=84, width=98, encoding='rgb8', step=294, data=bytes(84 * 294))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(('message', 'word'), [
    (bad(encoding='holographic'), 'holographic'),
    (bad(step=5), 'step'),
    (bad(data=b''), 'truncated'),
    (bad(width=2 ** 31, step=2 ** 31), '16384'),
    (bad(width=20, height=20, step=60), 'input.short_side'),
])
def test_bad_images_are_told_once_and_leave_no_trace(rig, reference, message, word):
    node = rig().activate()
    node.depth_of(FIRST, SECOND)
    small = message.width == 20  # decodes, but is too small for the network: it ends the stream
    for i in range(3):
        node.send(message, SECOND + i, frame_id='nonsense')
        node.spin_until(lambda: False, 0.05)  # at a camera's pace, or DDS itself drops them
    if small:
        assert node.spin_until(lambda: node.depth_node._camera.arrivals.counts.failed)
    else:
        assert node.spin_until(lambda: node.depth_node._camera.arrivals.counts.rejected == 3)
        assert word in node.depth_node._camera.bad_input
    depth = node.depth_of(THEN, SECOND + SECOND // 10)
    reference.reset()
    if not small:
        reference.depth(FIRST)
    assert_allclose(depth, reference.depth(THEN), rtol=1e-4)
    if not small:
        assert node.status.rejected == 3 and node.status.resets == 0
        assert node.spin_until(
            lambda: node.health('input') and word in node.health('input').message)


def test_nan_camera_info_keeps_the_good_one(rig):
    node = rig().activate()
    node.depth_of(FIRST, SECOND, info=True)
    assert node.spin_until(lambda: node.received['points'])
    node.info.publish(CameraInfo(width=98, height=84, k=[float('nan')] * 9, p=[float('nan')] * 12))
    assert node.spin_until(lambda: node.depth_node._camera.bad_input)
    count = len(node.received['points'])
    node.depth_of(THEN, 2 * SECOND)
    assert node.spin_until(lambda: len(node.received['points']) > count)
    assert np.isfinite(np.frombuffer(node.received['points'][-1].data, np.float32)).all()


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_gives_depth(rig, encoding):
    node = rig().activate()
    kind = ENCODINGS[encoding]
    pixels = np.zeros((84, 98, kind.channels), kind.dtype)
    pixels[:] = (THEN[..., :1].astype(np.uint32) * (257 if kind.dtype is np.uint16 else 1))
    message = Image(height=84, width=98, encoding=encoding, step=pixels.strides[0],
                    data=pixels.tobytes())
    depth = node.depth_of(message, SECOND)
    assert depth.shape == (84, 98) and np.isfinite(depth).any()


def test_a_depth_image_is_no_camera_image(rig):
    node = rig().activate()
    from std_msgs.msg import Header
    node.send(depth_to_image(np.ones((84, 98), np.float32), Header()), SECOND)
    assert node.spin_until(lambda: node.depth_node._camera.bad_input)
    assert '32FC1' in node.depth_node._camera.bad_input
