"""The way of a frame: what goes in comes out as depth, with everything that belongs to it."""
import numpy as np
from numpy.testing import assert_allclose
import pytest
from rclpy.parameter import Parameter
from ros_rig import SECOND, Reference, camera, street, to_array
from sensor_msgs.msg import Image

from flashdepth_ros.ros.message import stamp_to_ns


def test_depth_is_the_models_and_state_is_carried(rig):
    node = rig(**{'model.name': 'flashdepth-s'}).activate()
    frames = street(4)
    reference = Reference('flashdepth-s')
    for i, frame in enumerate(frames):
        depth = node.depth_of(frame, (i + 1) * SECOND // 10, frame_id='front_optical')
        assert_allclose(depth, reference.depth(frame), rtol=1e-4)
        message = node.received['depth/image'][-1]
        assert message.header.frame_id == 'front_optical'
        assert (message.encoding, message.step) == ('32FC1', 98 * 4)
    # the second frame alone is another depth: what came before it mattered
    alone = reference.reset().depth(frames[1])
    second = to_array(node.received['depth/image'][1])
    finite = np.isfinite(alone) & np.isfinite(second)
    assert np.abs(alone[finite] / second[finite] - 1).max() > 1e-3
    assert node.status.processed == 4 and node.status.resets == 0


def test_status_and_diagnostics(rig):
    node = rig(**{'model.name': 'flashdepth-s'}).activate()
    now = node.node.get_clock().now().nanoseconds
    node.depth_of(street(1)[0], now, info=True)
    status = node.status
    assert (status.model, status.backend, status.device) == ('flashdepth-s', 'torch', 'cpu')
    assert status.untrained and not status.calibrated
    assert (status.network_width, status.network_height) == (98, 84)
    stages = (status.decode_ms + status.preprocess_ms + status.model_ms + status.postprocess_ms
              + status.publish_ms)
    assert 0 < status.model_ms < stages <= status.total_ms + 0.01
    assert status.total_ms < status.age_ms < 20_000
    assert status.cpu_memory > 100e6
    assert node.spin_until(lambda: node.health('output') and 'total (ms)' in [
        value.key for value in node.health('output').values])
    assert node.health('model').level == b'\1'  # untrained
    assert 'random weights' in node.health('model').message
    assert node.health('model').name == 'depth_node: model'
    assert node.spin_until(lambda: node.health('input').level == b'\0')


def test_camera_info_and_points(rig):
    node = rig(**{'points.stride': 1, 'points.organized': True}).activate()
    depth = node.depth_of(street(1)[0], SECOND, info=True)
    assert node.spin_until(lambda: node.received['points'] and node.received['depth/camera_info'])
    info = node.received['depth/camera_info'][-1]
    assert stamp_to_ns(info.header.stamp) == SECOND
    assert list(info.k) == list(info.p.reshape(3, 4)[:, :3].ravel())
    assert info.k[0] == pytest.approx(0.8 * 98)
    cloud = node.received['points'][-1]
    assert cloud.header == node.received['depth/image'][-1].header
    assert (cloud.height, cloud.width, cloud.is_dense) == (84, 98, False)
    points = np.frombuffer(cloud.data, np.float32).reshape(84, 98, 4)
    finite = np.isfinite(depth)
    assert finite.any()
    assert_allclose(points[..., 2][finite], depth[finite])
    assert np.isnan(points[..., :3][~finite]).all()
    k = camera(98, 84)
    row, column = np.argwhere(finite)[-1]
    assert_allclose(points[row, column, 0], depth[row, column] * (column - k.cx) / k.fx, rtol=1e-6)
    assert_allclose(points[row, column, 1], depth[row, column] * (row - k.cy) / k.fy, rtol=1e-6)


def test_without_camera_info_there_is_depth_and_a_warning(rig):
    node = rig().activate()
    node.depth_of(street(1)[0], SECOND)
    assert node.spin_until(lambda: node.health('input') and node.health('input').level == b'\1')
    assert 'camera_info' in node.health('input').message
    assert not node.received['points']


def test_camera_size_and_model_size(rig, reference):
    node = rig(**{
        'model.name': 'flashdepth-s', 'input.short_side': 0, 'output.size': 'model'}).activate()
    frame = np.repeat(np.repeat(street(1)[0], 2, axis=0), 2, axis=1)[:161, :187]
    assert node.depth_of(frame, SECOND, info=True).shape == (168, 196)
    assert node.spin_until(lambda: node.received['depth/camera_info'])
    info = node.received['depth/camera_info'][-1]
    assert (info.width, info.height) == (196, 168)
    assert info.k[0] == pytest.approx(0.8 * 187 * 196 / 187)
    node.depth_node.set_parameters_atomically(
        [node.depth_node.get_parameter('output.size').from_parameter_msg(
            _text('output.size', 'camera'))])
    assert node.depth_of(frame, 2 * SECOND, info=True).shape == (161, 187)


def _text(name: str, value: str):
    from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
    return Parameter(name=name, value=ParameterValue(
        type=ParameterType.PARAMETER_STRING, string_value=value))


def test_millimetres(rig):
    node = rig(**{'output.encoding': '16UC1', 'output.max_range': 60.0}).activate()
    depth = node.depth_of(street(1)[0], SECOND)
    assert depth.dtype == np.uint16
    assert depth.max() <= 60_000 and (depth == 0).any() and (depth > 1000).any()


def test_namespace_and_preview_and_disparity(rig):
    node = rig(namespace='/robot/front').activate()
    previews = node.collect(Image, 'depth/preview')
    disparities = node.collect(Image, 'disparity/image')
    node.meet('depth/preview', 'disparity/image')
    depth = node.depth_of(street(1)[0], SECOND)
    assert node.spin_until(lambda: previews and disparities)
    assert previews[0].encoding == 'bgr8' and previews[0].step == 98 * 3
    finite = np.isfinite(depth)
    assert_allclose(100 / to_array(disparities[0])[finite], depth[finite], rtol=1e-5)
    assert node.spin_until(lambda: node.health('model'))
    assert node.health('model').name == 'robot/front/depth_node: model'


def test_the_preview_says_its_status_below_the_depth(rig):
    node = rig().activate()
    previews = node.collect(Image, 'depth/preview')
    node.meet('depth/preview')
    frame = street(1, 168, 322)[0]
    for count, status in enumerate((True, False), start=1):
        node.depth_node.set_parameters([Parameter('preview.status', value=status)])
        node.depth_of(frame, count * SECOND)
        assert node.spin_until(lambda count=count: len(previews) == count)
        assert node.reset().success  # so that both frames have the same depth
    with_status, without = (
        np.frombuffer(preview.data, np.uint8).reshape(168, 322, 3) for preview in previews)
    changed = (with_status != without).any(axis=(1, 2))
    assert changed[-20:].any() and not changed[:112].any()


def test_the_newest_frame_wins_and_replaced_frames_are_counted(rig):
    node = rig(**{'input.short_side': 252}).activate()
    node.send_all(street(12, 252, 252), [i / 10 for i in range(1, 13)])  # far faster than the model
    assert node.spin_until(lambda: node.received['depth_node/status'] and stamp_to_ns(
        node.status.header.stamp) == 12 * SECOND // 10)  # the last one came through
    status = node.status
    assert status.received == status.processed + status.replaced
    assert status.replaced >= 2 and status.processed >= 2
    assert status.resets == 0
    stamps = [stamp_to_ns(message.header.stamp) for message in node.received['depth/image']]
    assert stamps == sorted(stamps)
