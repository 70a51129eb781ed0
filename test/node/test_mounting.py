"""Where the floor and the robot are, by parameters, gravity and TF, for modes ground and motion."""
import math
import sys

from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rclpy.callback_groups import ReentrantCallbackGroup
from ros_rig import SECOND
from sensor_msgs.msg import Imu
import tf_stand_in
from tf_stand_in import message_of

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.metres.motion_pose import rotation_of
from flashdepth_ros.metres.pose_history import mounted
from flashdepth_ros.node.camera_input import Picture
from flashdepth_ros.node.ground_source import GroundSource
from flashdepth_ros.node.odometry_input import OdometryInput
from flashdepth_ros.node.parameter_table import PARAMETERS
from flashdepth_ros.ros.camera_view import CameraView
from flashdepth_ros.ros.message import header_at
from flashdepth_ros.ros.topics import NodeTopics

CAMERA = Intrinsics(150.0, 150.0, 79.5, 59.5, 160, 120)
PICTURE = Picture(np.zeros((120, 160, 3), np.uint8), CameraView(CAMERA))
HEIGHT, PITCH, ROLL = 0.8, 35.0, 25.0
POSE = mounted(0.1, 0.0, HEIGHT, math.radians(ROLL), math.radians(PITCH), 0.3)    # on the robot


@pytest.fixture
def tf(monkeypatch):
    """Give the node the stand-in for tf2_ros, and set transforms (parent, child, stamp, pose)."""
    monkeypatch.setitem(sys.modules, 'tf2_ros', tf_stand_in.MODULE)

    def put(parent: str, child: str, stamp: int | None, pose: np.ndarray) -> None:
        buffer = tf_stand_in.BUFFERS[-1]
        if stamp is None:
            buffer.set_transform_static(message_of(parent, child, 0, pose), 'test')
        else:
            buffer.set_transform(message_of(parent, child, stamp, pose), 'test')
    yield put
    tf_stand_in.BUFFERS.clear()


def topics(client) -> NodeTopics:
    return NodeTopics(client.node, ReentrantCallbackGroup())


def settings(**values) -> dict:
    return {name: row.default for name, row in PARAMETERS.items()} | {
        f'scale.{name}': value for name, value in values.items()}


def floor(pose: np.ndarray, factor: float = 2.0) -> np.ndarray:
    """Return d (h, w) of a floor 0.8 m below the camera, and of a wall that is as large."""
    x, y = CAMERA.rays()
    rays = np.stack([*np.broadcast_arrays(x[None], y[:, None]), np.ones((120, 160))], -1)
    down = rays @ -pose[2, :3] / HEIGHT
    wall = rays @ (pose[:3, :3].T @ rotation_of(np.array([0, 0, 0.4])) @ (1, 0, 0)) / 1.2
    return (np.maximum(np.maximum(down, wall), 0.05) / factor).astype(np.float32)


def source(client, **values) -> GroundSource:
    made = GroundSource(topics(client), '', settings(**values))
    made.subscribe()
    return made


def tell(client, made: GroundSource, up: np.ndarray, frame: str) -> None:
    """Publish what an IMU at rest measures until it has come."""
    publisher = client.node.create_publisher(Imu, 'imu', 10)
    message = Imu(header=header_at(SECOND, frame))
    force = message.linear_acceleration
    force.x, force.y, force.z = map(float, 9.81 * up)

    def arrived() -> bool:
        made.look_around()
        publisher.publish(message)
        return made.gravity.at(SECOND) is not None
    assert client.spin_until(arrived)


def test_a_floor_of_a_camera_that_is_turned_as_the_parameters_tell(client):
    d, header = floor(POSE), header_at(SECOND, 'camera')
    _, fit, reason = source(
        client, camera_height=HEIGHT, camera_pitch=PITCH, camera_roll=ROLL,
    ).fit(d, PICTURE, header)
    assert fit is not None, reason
    assert fit.factor == pytest.approx(2.0, rel=0.02)
    assert source(client, camera_height=HEIGHT).fit(d, PICTURE, header)[1] is None    # too far


@pytest.mark.parametrize('mount', ["the camera's own", "the robot's"])
def test_gravity_tells_pitch_and_roll(client, mount):
    given = {} if mount == "the camera's own" else {
        'camera_pitch': 5.0, 'camera_roll': ROLL}    # the robot itself is tilted by the rest
    made = source(client, camera_height=HEIGHT, imu=True, **given)
    header = header_at(SECOND, 'camera')
    _, fit, reason = made.fit(floor(POSE), PICTURE, header)
    assert fit is None and 'on /imu (scale.imu)' in reason
    if given:
        robot = mounted(0, 0, 0, math.radians(ROLL), math.radians(5.0), 0)
        tell(client, made, robot[:3, :3] @ POSE[2, :3], 'base_link')
    else:
        tell(client, made, POSE[2, :3], 'camera')
    _, fit, reason = made.fit(floor(POSE), PICTURE, header)
    assert fit is not None, reason
    assert fit.factor == pytest.approx(2.0, rel=0.02)


def test_tf_tells_pitch_roll_and_height(client, tf):
    made, header = source(client, mounting='tf'), header_at(SECOND, 'camera')
    _, fit, reason = made.fit(floor(POSE), PICTURE, header)
    assert fit is None and "'camera' in 'base_footprint'" in reason and 'does not exist' in reason
    tf('base_footprint', 'camera', None, POSE)
    _, fit, reason = made.fit(floor(POSE), PICTURE, header)
    assert fit is not None, reason
    assert fit.factor == pytest.approx(2.0, rel=0.02)
    below = POSE.copy()
    below[2, 3] = -0.1
    tf('base_footprint', 'camera', None, below)
    assert 'must lie on the floor' in made.fit(floor(POSE), PICTURE, header)[2]


def test_tf_brings_gravity_into_the_camera(client, tf):
    made = source(client, mounting='tf', imu=True)
    turned = np.eye(4)
    turned[:3, :3] = rotation_of(np.array([0.3, -0.2, 1.5]))
    tell(client, made, turned[:3, :3].T @ POSE[2, :3], 'imu')
    tf('base_footprint', 'camera', None, mounted(0, 0, HEIGHT, 0, 0, 0))    # it is tilted since
    _, fit, reason = made.fit(floor(POSE), PICTURE, header_at(SECOND, 'camera'))
    assert fit is None and "'camera' in 'imu'" in reason
    tf('camera', 'imu', None, turned)
    _, fit, reason = made.fit(floor(POSE), PICTURE, header_at(SECOND, 'camera'))
    assert fit is not None, reason
    assert fit.factor == pytest.approx(2.0, rel=0.02)


def at(x: float, yaw: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[0, 3] = rotation_of(np.array([0, 0, yaw])), x
    return pose


def test_tf_tells_the_cameras_way(client, tf):
    wheels = OdometryInput(topics(client), '', settings(
        odometry='tf', camera_pitch=30.0))    # the pitch is TF's to tell
    wheels.subscribe()
    assert wheels.pose(SECOND, 'camera') is None
    assert "in the frame 'odom' (scale.odom_frame)" in wheels.problem()
    assert 'does not exist' in wheels.problem()
    tf('base_link', 'camera', None, POSE)
    for index in range(11):
        tf('odom', 'base_link', SECOND + index * SECOND // 10, at(0.1 * index, 0.2 * index))
    pose = wheels.pose(SECOND + SECOND // 4, 'camera')
    np.testing.assert_allclose(pose, at(0.25, 0.5) @ POSE, atol=1e-6)
    assert wheels.pose(3 * SECOND, 'camera') is None and 'extrapolation' in wheels.problem()
    epoch = wheels.epoch
    for index in range(11):    # it is put elsewhere
        tf('odom', 'base_link', 3 * SECOND + index * SECOND // 10, at(9.0, 0.0))
    assert wheels.pose(4 * SECOND, 'camera') is not None and wheels.epoch == epoch + 1
    assert wheels.pose(4 * SECOND - SECOND // 10, 'camera') is not None    # asked for late
    assert wheels.epoch == epoch + 1


def test_a_clock_that_begins_anew_empties_tf(client, tf):
    wheels = OdometryInput(topics(client), '', settings(odometry='tf'))
    wheels.subscribe()
    tf('base_link', 'camera', None, POSE)
    tf('odom', 'base_link', 100 * SECOND, at(5.0, 0.0))
    assert wheels.pose(100 * SECOND, 'camera') is not None
    epoch = wheels.epoch
    assert wheels.pose(SECOND, 'camera') is None
    tf('odom', 'base_link', SECOND, at(1.0, 0.0))    # tf2 would have called it too old
    np.testing.assert_allclose(wheels.pose(SECOND, 'camera'), at(1.0, 0.0) @ POSE, atol=1e-6)
    assert wheels.epoch == epoch + 1


def test_where_tf_does_not_know_the_mounting_that_is_the_problem(client, tf):
    wheels = OdometryInput(topics(client), '', settings(mounting='tf'))
    wheels.subscribe()
    assert 'no odometry has come on /odom' in wheels.problem()
    wheels._on_odometry(Odometry(header=header_at(SECOND, 'odom'), child_frame_id='base_link'))
    assert wheels.pose(SECOND, 'camera') is None
    assert 'how the camera is mounted (scale.mounting)' in wheels.problem()
    tf('base_link', 'camera', None, POSE)
    np.testing.assert_allclose(wheels.pose(SECOND, 'camera'), POSE, atol=1e-6)
