"""Metres from a reference or from the floor, over DDS."""
import importlib.util

import numpy as np
import pytest
from ros_rig import SECOND, camera, street, to_array
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from flashdepth_ros.images.points import unproject
from flashdepth_ros.ros.cloud_messages import points_to_cloud
from flashdepth_ros.ros.image_messages import depth_to_image

MISSING = [name for name in ('message_filters', 'sensor_msgs_py', 'tf2_ros')
           if importlib.util.find_spec(name) is None]


def test_relative_depth_needs_a_scale(rig):
    node = rig(**{'model.name': 'vda-s'})
    assert not node.change_state('configure')
    for choice in ('fixed', 'reference', 'vda-s'):
        assert choice in node.depth_node.problem


def test_ground_needs_a_height(rig):
    node = rig(**{'scale.mode': 'ground'})
    assert not node.change_state('configure')
    assert 'scale.camera_height' in node.depth_node.problem


def test_until_there_is_a_scale_there_are_no_metres(rig):
    node = rig(**{'scale.mode': 'ground', 'scale.camera_height': 1.0}).activate()
    depth = node.depth_of(street(1)[0], SECOND, info=True)  # random weights see no floor
    if node.status.calibrated:
        pytest.skip('the random weights happened to see a floor')
    assert np.isnan(depth).all() and np.isnan(node.status.scale_factor)
    assert node.spin_until(lambda: node.health('output') and (
        'no metres yet' in node.health('output').message))


@pytest.mark.skipif('message_filters' not in MISSING, reason='message_filters is installed')
def test_a_missing_package_is_named(rig):
    node = rig(**{'scale.mode': 'reference'})
    assert not node.change_state('configure')
    assert 'apt install ros-' in node.depth_node.problem
    assert 'message-filters' in node.depth_node.problem
    assert node.state() == 'unconfigured'


def truth(reference, frame: np.ndarray) -> np.ndarray:
    """Metric depth that is an affine function of the network's inverse depth: what a fit finds."""
    d = 1 / reference.depth(frame)
    return (1 / (3.0 * d + 0.05)).astype(np.float32)


@pytest.mark.skipif(bool(MISSING), reason=f'not installed: {", ".join(MISSING)} (no PyPI wheel)')
@pytest.mark.parametrize('kind', ['depth', 'points'])
def test_metres_follow_a_reference(rig, reference, kind):
    node = rig(**{'scale.mode': 'reference', 'scale.reference': kind, 'output.max_range': 100.0})
    from geometry_msgs.msg import TransformStamped
    from sensor_msgs.msg import PointCloud2
    from tf2_ros import StaticTransformBroadcaster
    topic, message_type = ('reference/points', PointCloud2) if kind == 'points' else (
        'reference/depth/image', Image)
    publisher = node.node.create_publisher(message_type, topic, 1)
    # the lidar sits half a metre above the camera, with its axes
    transform = TransformStamped(header=Header(frame_id='camera'), child_frame_id='lidar')
    transform.transform.translation.y = -0.5
    transform.transform.rotation.w = 1.0
    StaticTransformBroadcaster(node.node).sendTransform(transform)
    node.activate()
    assert node.spin_until(publisher.get_subscription_count)
    rng = np.random.default_rng(0)
    reference.reset()
    for i, frame in enumerate(street(6)):
        stamp = SECOND + i * SECOND // 10
        wanted = truth(reference, frame)
        sparse = np.where(rng.random(wanted.shape) < 0.3, wanted, np.nan).astype(np.float32)
        wrong = rng.random(wanted.shape) < 0.3
        sparse[wrong] *= rng.uniform(0.3, 3.0, wrong.sum()).astype(np.float32)
        header = Header(frame_id='lidar' if kind == 'points' else 'camera')
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
        points = unproject(sparse, camera(98, 84)) + np.float32((0, 0.5, 0))
        publisher.publish(points_to_cloud(points, None, False, header) if kind == 'points'
                          else depth_to_image(sparse, header))
        node.spin_until(lambda: False, 0.2)
        depth = node.depth_of(frame, stamp, info=True)
    assert node.status.calibrated, node.depth_node._cameras[0].scale.problem
    assert node.status.scale_factor == pytest.approx(3.0, rel=0.05)
    inside = wanted < 100
    error = np.abs(to_array(node.received['depth/image'][-1])[inside] / wanted[inside] - 1)
    assert np.median(error) < 0.02 and depth is not None
    assert node.status.scale_age < 0.2 and node.status.scale_inliers > 0.4
