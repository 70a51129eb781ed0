"""Bad input never kills the node, loses the next good frame or disturbs the stream."""
from dataclasses import replace
import time

import cv2
import numpy as np
from numpy.testing import assert_allclose
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from ros_rig import SECOND, Reference, camera, street, to_array
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from flashdepth_ros.images.encodings import ENCODINGS
from flashdepth_ros.images.resampling import resize_aligned
from flashdepth_ros.models import prepare_frame
from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.image_messages import depth_to_image
from flashdepth_ros.ros.qos import matching

FIRST, THEN = street(2)
LATCHED = matching(
    QoSReliabilityPolicy.RELIABLE, QoSDurabilityPolicy.TRANSIENT_LOCAL, depth=1)


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
    small = message.width == 20  # decodes, but is too small for the network: it ends the stream
    if small:
        node = rig(**{'model.name': 'flashdepth-s', 'input.short_side': 0}).activate()
        reference = Reference('flashdepth-s')
    else:
        node = rig().activate()
    node.depth_of(FIRST, SECOND)
    source = node.depth_node._cameras[0].input
    for i in range(3):
        node.send(message, SECOND + i, frame_id='nonsense')
        node.spin_until(lambda: False, 0.05)  # at a camera's pace, or DDS itself drops them
    if small:
        assert node.spin_until(lambda: source.arrivals.counts.failed)
    else:
        assert node.spin_until(lambda: source.arrivals.counts.rejected == 3)
        assert any(word in problem for problem in source.problems.current())
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
    assert node.spin_until(lambda: np.isnan(node.depth_node._cameras[0].input.info.k[0]))
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
    node.meet('depth/image')
    _, data = cv2.imencode(suffix, cv2.cvtColor(THEN, cv2.COLOR_RGB2BGR))
    message = CompressedImage(format=suffix[1:], data=data.tobytes())
    compressed.publish(CompressedImage(format='jpeg', data=data.tobytes()[:100]))
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.problems.current())
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
    node.depth_of(FIRST, time.time_ns())
    assert node.spin_until(lambda: node.received['points'] and node.received['depth/camera_info'])
    assert node.received['depth/camera_info'][0].k[0] == pytest.approx(49)
    assert node.spin_until(
        lambda: node.health('input') and '90 degrees' in node.health('input').message)
    assert node.spin_until(lambda: node.health('input').level == b'\0')


@pytest.mark.parametrize('rectify', ['auto', 'never', 'done'])
def test_distorted_images_are_rectified(rig, reference, rectify):
    node = rig(**{'input.rectify': rectify}).activate()
    info = intrinsics_to_info(camera(98, 84), Header(frame_id='camera'))
    info.distortion_model, info.d = 'plumb_bob', [-0.3, 0.1, 0.0, 0.0, 0.0]
    info.k[0] = info.k[4] = 75.0
    node.info.publish(info)
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.info is not None)
    depth = node.depth_of(FIRST, time.time_ns())
    seen = FIRST
    if rectify == 'auto':
        k, p = np.reshape(info.k, (3, 3)), np.reshape(info.p, (3, 4))
        seen = cv2.remap(FIRST, *cv2.initUndistortRectifyMap(
            k, np.array(info.d), np.eye(3), p[:, :3], (98, 84), cv2.CV_16SC2), cv2.INTER_LINEAR)
    expected, valid = reference.reset().depth(seen), np.isfinite(depth)
    assert_allclose(depth[valid], expected[valid], rtol=1e-4)
    assert node.spin_until(lambda: node.received['depth/camera_info'])
    published = node.received['depth/camera_info'][-1]
    assert published.k[0] == pytest.approx(75 if rectify == 'never' else 0.8 * 98)
    assert any(published.d) == (rectify == 'never')
    words = {'auto': 'rectified here', 'never': 'bent', 'done': 'come rectified'}[rectify]
    assert node.spin_until(lambda: node.health('input') and words in node.health('input').message)
    assert node.spin_until(lambda: node.health('input').level == b'\0')


def test_the_network_sees_square_pixels(rig):
    # pixels twice as high as wide, as camera_info says, which comes after the first frame
    node = rig(**{'model.name': 'flashdepth-s', 'input.short_side': 0}).activate()
    reference = Reference('flashdepth-s')
    node.depth_of(FIRST, SECOND)
    info = intrinsics_to_info(
        replace(camera(98, 84), fy=0.4 * 98), Header(frame_id='camera'))
    node.info.publish(info)
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.info is not None)
    for i in (1, 2):
        depth = node.depth_of(THEN, SECOND + i * SECOND // 10)
    frame = prepare_frame(cv2.resize(THEN, (98, 168)), reference.model.spec.frame)[None]
    state = reference.model.initial_state(1, 168, 98)  # that of another size is forgotten
    for _ in range(2):
        output, state = reference.model.step(frame, state)
    with np.errstate(divide='ignore'):
        expected = 100 / resize_aligned(output[0].numpy(), 84, 98)
    assert depth.shape == (84, 98) and np.isfinite(depth).mean() > 0.1
    apart = abs(expected / 1000 - 1) > 0.01  # from the range's edge
    assert_allclose(depth[apart], np.where(expected > 1000, np.inf, expected)[apart], rtol=1e-3)
    assert node.spin_until(lambda: node.received['depth/camera_info'] and node.received['points'])
    assert node.received['depth/camera_info'][-1].k == pytest.approx(info.k)  # its pixels, not ours
    assert dict(zip(node.status.reset_reasons, node.status.reset_counts, strict=True)) == {
        'new shape of pixels': 1}


def test_a_camera_info_of_another_camera_is_told_and_forgiven(rig):
    node = rig(**{'camera.hfov': 90.0}).activate()
    node.info.publish(intrinsics_to_info(camera(84, 98), Header(frame_id='camera')))
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.info is not None)
    node.depth_of(FIRST, time.time_ns())
    assert node.spin_until(lambda: node.received['depth/camera_info'])
    assert node.received['depth/camera_info'][-1].k[0] == pytest.approx(49)
    assert node.spin_until(lambda: node.health('input') and (
        'on its side' in node.health('input').message and '90 deg' in node.health('input').message))
    node.depth_of(FIRST, time.time_ns(), info=True)
    assert node.spin_until(lambda: node.received['depth/camera_info'][-1].k[0] != 49)
    assert node.spin_until(lambda: node.health('input').level == b'\0')


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
    assert node.spin_until(lambda: node.depth_node._cameras[0].input.problems.current())
    assert any('32FC1' in problem for problem in (
        node.depth_node._cameras[0].input.problems.current()))
