"""Bad input never kills the node, loses the next good frame or disturbs the stream."""
import cv2
import numpy as np
from numpy.testing import assert_allclose
import pytest
from ros_rig import SECOND, camera, street, to_array
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from flashdepth_ros.images.encodings import ENCODINGS
from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.image_messages import depth_to_image
from flashdepth_ros.ros.qos import LATCHED

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
    source = node.depth_node._cameras[0].input
    small = message.width == 20  # decodes, but is too small for the network: it ends the stream
    for i in range(3):
        node.send(message, SECOND + i, frame_id='nonsense')
        node.spin_until(lambda: False, 0.05)  # at a camera's pace, or DDS itself drops them
    if small:
        assert node.spin_until(lambda: source.arrivals.counts.failed)
    else:
        assert node.spin_until(lambda: source.arrivals.counts.rejected == 3)
        assert word in source.last_problem
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
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.last_problem)
    count = len(node.received['points'])
    node.depth_of(THEN, 2 * SECOND)
    assert node.spin_until(lambda: len(node.received['points']) > count)
    assert np.isfinite(np.frombuffer(node.received['points'][-1].data, np.float32)).all()


def test_every_encoding_gives_depth(rig):
    node = rig().activate()
    for i, (encoding, kind) in enumerate(ENCODINGS.items()):
        pixels = np.zeros((84, 98, kind.channels), kind.dtype)
        pixels[:] = (THEN[..., :1].astype(np.uint32) * (257 if kind.dtype is np.uint16 else 1))
        data = pixels.tobytes() + bytes([128]) * int((kind.planes - 1) * 84 * 98)
        message = Image(height=84, width=98, encoding=encoding, step=pixels.strides[0], data=data)
        depth = node.depth_of(message, SECOND + i)
        assert depth.shape == (84, 98) and np.isfinite(depth).any(), encoding
    assert node.status.resets == len(ENCODINGS) - 1  # each is a new encoding


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_compressed_images(rig, reference, suffix):
    node = rig(**{'input.transport': 'compressed'})
    compressed = node.node.create_publisher(CompressedImage, 'image/compressed', 1)
    assert node.change_state('configure') and node.change_state('activate')
    assert node.spin_until(compressed.get_subscription_count)
    node.spin_until(lambda: False, 0.3)
    _, data = cv2.imencode(suffix, cv2.cvtColor(THEN, cv2.COLOR_RGB2BGR))
    message = CompressedImage(format=suffix[1:], data=data.tobytes())
    compressed.publish(CompressedImage(format='jpeg', data=data.tobytes()[:100]))
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.last_problem)
    compressed.publish(message)
    assert node.spin_until(lambda: node.received['depth/image'])
    decoded = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert_allclose(to_array(node.received['depth/image'][0]),
                    reference.reset().depth(decoded), rtol=1e-4)
    assert node.spin_until(lambda: node.health('input') and (
        node.health('input').values[0].value == '/image/compressed'))


def test_camera_info_that_was_published_once_before(rig):
    node = rig()
    node.node.destroy_publisher(node.info)
    node.info = node.node.create_publisher(CameraInfo, 'camera_info', LATCHED)
    node.info.publish(intrinsics_to_info(camera(98, 84), Header(frame_id='camera')))
    node.activate()
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.info is not None)
    node.depth_of(FIRST, SECOND)
    assert node.spin_until(lambda: node.received['points'])


def test_a_field_of_view_instead_of_camera_info(rig):
    node = rig(**{'camera.hfov': 90.0}).activate()
    node.depth_of(FIRST, SECOND)
    assert node.spin_until(lambda: node.received['points'] and node.received['depth/camera_info'])
    assert node.received['depth/camera_info'][0].k[0] == pytest.approx(49)
    assert node.spin_until(
        lambda: node.health('input') and '90 degrees' in node.health('input').message)
    assert node.health('input').level == b'\0'


def test_distortion_is_warned_of(rig):
    node = rig().activate()
    info = intrinsics_to_info(camera(98, 84), Header(frame_id='camera'))
    info.distortion_model, info.d = 'plumb_bob', [0.1, 0.0, 0.0, 0.0, 0.0]
    node.info.publish(info)
    node.depth_of(FIRST, SECOND)
    assert node.spin_until(lambda: node.health('input') and 'rectified' in (
        node.health('input').message))


def test_a_subscriber_that_quality_of_service_keeps_apart_is_named(rig):
    node = rig().activate()
    node.node.create_subscription(Image, 'depth/image', print, LATCHED)  # it wants old depth too
    node.depth_of(FIRST, SECOND, info=True)
    assert node.spin_until(lambda: node.health('input') and 'DURABILITY' in (
        node.health('input').message))


def test_a_topic_without_publisher_is_named(rig):
    node = rig().activate()
    node.node.destroy_publisher(node.image)
    assert node.spin_until(lambda: node.health('input') and node.health('input').level == b'\1', 15)
    assert 'no image on /image' in node.health('input').message
    assert '0 publishers' in node.health('input').message


def test_a_depth_image_is_no_camera_image(rig):
    node = rig().activate()
    node.send(depth_to_image(np.ones((84, 98), np.float32), Header()), SECOND)
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.last_problem)
    assert '32FC1' in node.depth_node._cameras[0].input.last_problem
