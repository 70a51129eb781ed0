"""Metres from a reference or from the floor, over DDS."""
import importlib.util

from clouds_by_hand import points_to_cloud
import numpy as np
import pytest
from rclpy.callback_groups import ReentrantCallbackGroup
from ros_rig import SECOND, camera, street
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from flashdepth_ros.images.points import unproject
from flashdepth_ros.models import Unit
from flashdepth_ros.node.camera_input import Picture
from flashdepth_ros.node.parameter_table import PARAMETERS
from flashdepth_ros.node.reference import ReferenceSource
from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.camera_view import CameraView
from flashdepth_ros.ros.image_messages import depth_to_image
from flashdepth_ros.ros.topics import NodeTopics

MISSING = [name for name in ('sensor_msgs_py', 'tf2_ros')
           if importlib.util.find_spec(name) is None]
without_wheels = pytest.mark.skipif(
    bool(MISSING), reason=f'not installed: {", ".join(MISSING)} (no PyPI wheel)')


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


@pytest.mark.skipif(not MISSING, reason='sensor_msgs_py and tf2_ros are installed')
def test_a_missing_package_is_named(rig):
    node = rig(**{'scale.mode': 'reference', 'scale.reference': 'points'})
    assert not node.change_state('configure')
    assert 'apt install ros-' in node.depth_node.problem
    assert MISSING[0].replace('_', '-') in node.depth_node.problem
    assert node.state() == 'unconfigured'


def truth(reference, frame: np.ndarray) -> np.ndarray:
    """Metric depth that is an affine function of the network's inverse depth: what a fit finds."""
    d = 1 / reference.depth(frame)
    return (1 / (3.0 * d + 0.05)).astype(np.float32)


def stamped(stamp: int, frame_id: str) -> Header:
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
    return header


def sparse(wanted: np.ndarray, rng) -> np.ndarray:
    """Leave 30 % of a depth (H, W), a third of it wrong."""
    depth = np.where(rng.random(wanted.shape) < 0.3, wanted, np.nan).astype(np.float32)
    wrong = rng.random(wanted.shape) < 0.3
    depth[wrong] *= rng.uniform(0.3, 3.0, wrong.sum()).astype(np.float32)
    return depth


@pytest.mark.parametrize('kind', [
    'depth', pytest.param('points', marks=without_wheels),
    pytest.param('another frame', marks=without_wheels)])
def test_metres_follow_a_reference(rig, reference, kind):
    points = kind == 'points'
    node = rig(**{'scale.mode': 'reference', 'scale.reference': 'points' if points else 'depth',
                  'output.max_range': 100.0})
    publisher = node.node.create_publisher(
        PointCloud2 if points else Image,
        'reference/points' if points else 'reference/depth/image', 1)
    own_info = node.node.create_publisher(CameraInfo, 'reference/depth/camera_info', 1)
    shift = np.zeros(3, np.float32)
    if kind != 'depth':    # the other sensor sits above the camera, with its axes
        from geometry_msgs.msg import TransformStamped
        from tf2_ros import StaticTransformBroadcaster
        shift[1] = 0.5 if points else 0.0
        transform = TransformStamped(header=Header(frame_id='camera'), child_frame_id='lidar')
        transform.transform.translation.y = float(-shift[1])
        transform.transform.rotation.w = 1.0
        StaticTransformBroadcaster(node.node).sendTransform(transform)
    node.activate()
    assert node.spin_until(publisher.get_subscription_count)
    rng = np.random.default_rng(0)
    reference.reset()
    for i, frame in enumerate(street(6)):
        stamp = SECOND + i * SECOND // 10
        wanted = truth(reference, frame)
        header = stamped(stamp, 'camera' if kind == 'depth' else 'lidar')
        own_info.publish(intrinsics_to_info(camera(98, 84), header))
        publisher.publish(
            points_to_cloud(unproject(sparse(wanted, rng), camera(98, 84)) + shift, header)
            if points else depth_to_image(sparse(wanted, rng), header))
        node.spin_until(lambda: False, 0.2)
        depth = node.depth_of(frame, stamp, info=True)
    assert node.status.calibrated, node.depth_node._cameras[0].scale.problem
    assert node.status.scale_factor == pytest.approx(3.0, rel=0.05)
    inside = wanted < 100
    error = np.abs(depth[inside] / wanted[inside] - 1)
    assert np.median(error) < 0.02
    assert node.status.scale_age < 0.2 and node.status.scale_inliers > 0.4


def test_a_reference_that_comes_after_its_frame_is_not_fitted_to_another(rig, reference):
    """No two frames are alike, so a fit to another's depth would have few inliers."""
    node = rig(**{'scale.mode': 'reference', 'output.max_range': 100.0}).activate()
    publisher = node.node.create_publisher(Image, 'reference/depth/image', 1)
    assert node.spin_until(lambda: (publisher.get_subscription_count()
                                    and node.depth_node.count_publishers('/reference/depth/image')))
    reference.reset()
    frames = [np.ascontiguousarray(frame[::-1] if i % 2 else frame)
              for i, frame in enumerate(street(8))]
    for i, frame in enumerate(frames):
        stamp = SECOND + i * SECOND // 30
        node.depth_of(frame, stamp, info=True)    # the network is done with it
        publisher.publish(depth_to_image(truth(reference, frame), stamped(stamp, 'camera')))
        node.spin_until(lambda: False, 0.1)
    assert node.status.scale_factor == pytest.approx(3.0, rel=0.01)
    assert node.status.scale_inliers > 0.95 and node.status.scale_age == pytest.approx(1 / 30)


def test_a_reference_of_another_frame_is_refused_with_the_remedy(rig, reference):
    node = rig(**{'scale.mode': 'reference'}).activate()
    publisher = node.node.create_publisher(Image, 'reference/depth/image', 1)
    assert node.spin_until(publisher.get_subscription_count)
    frame = street(1)[0]
    publisher.publish(depth_to_image(truth(reference.reset(), frame), stamped(SECOND, 'lidar')))
    node.spin_until(lambda: False, 0.2)
    assert np.isnan(node.depth_of(frame, SECOND, info=True)).all()
    problem = node.depth_node._cameras[0].scale.problem
    assert "frame 'lidar', the images of 'camera'" in problem
    assert '/reference/depth/camera_info' in problem


def test_references_are_received_while_active_only(rig):
    node = rig(**{'scale.mode': 'reference'})

    def receivers() -> int:
        return node.node.count_subscribers('/reference/depth/image')

    assert node.change_state('configure')
    assert not node.spin_until(receivers, 1.0)
    for _ in range(2):
        assert node.change_state('activate') and node.spin_until(lambda: receivers() == 1)
        assert node.change_state('deactivate') and node.spin_until(lambda: not receivers())


@pytest.mark.parametrize(('unit', 'shift'), [(Unit.UP_TO_SCALE, 0.0), (Unit.RELATIVE, 0.1)])
def test_a_model_of_depth_up_to_scale_gets_a_factor_alone(client, unit, shift):
    """The reference is of another shift than 0: who may fit one, does."""
    source = ReferenceSource(NodeTopics(client.node, ReentrantCallbackGroup()), '', {
        name: row.default for name, row in PARAMETERS.items()}, unit)
    source.subscribe()
    d = np.random.default_rng(0).uniform(0.2, 1.0, (60, 80)).astype(np.float32)
    publisher = client.node.create_publisher(Image, 'reference/depth/image', 1)
    found = []

    def fitted() -> bool:
        source.look_around()
        header = stamped(SECOND + len(found), 'camera')
        publisher.publish(depth_to_image((1 / (2.0 * d + 0.1)).astype(np.float32), header))
        client.spin_until(lambda: False, 0.05)
        found.append(source.fit(d, Picture(np.zeros((60, 80, 3), np.uint8), CameraView()), header))
        return found[-1][1] is not None
    assert client.spin_until(fitted)
    fit = found[-1][1]
    assert fit.shift == pytest.approx(shift, abs=1e-3) and fit.shift_known is (shift != 0)
    assert fit.factor == pytest.approx(2.0 if shift else 2.0 + 0.1 / 0.5, rel=0.03)
