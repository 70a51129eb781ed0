"""The simulated camera as a process: what it publishes is the scene of its seed."""
import signal
import time

from egl import needs_egl
from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_rig import Client
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu

from flashdepth_ros.ros.camera_info import read_calibration
from flashdepth_ros.ros.image_messages import image_to_depth, image_to_rgb
from flashdepth_ros.ros.message import stamp_to_ns

SMALL = ('-p', 'width:=82', '-p', 'height:=60', '-p', 'rate:=20.0')


@pytest.fixture
def client(domain):
    needs_egl()
    client = Client(domain)
    yield client
    client.close()


def by_stamp(messages: list) -> dict:
    return {stamp_to_ns(message.header.stamp): message for message in messages}


def test_image_and_truth_are_the_scene_of_the_seed(start, client):
    from flashdepth_ros.simulation import Renderer, disturb, make_scene
    images, truths = client.collect(Image, 'image'), client.collect(Image, 'truth/depth/image')
    infos, clocks = client.collect(CameraInfo, 'camera_info'), client.collect(Clock, '/clock')
    turns = client.collect(Imu, 'imu')
    start('sim_camera_node', *SMALL, '-p', 'seed:=5', '-p', 'kind:=room', '-p', 'hfov:=60.0',
          '-p', 'clock:=true')
    together = []

    def several() -> bool:
        together[:] = sorted(by_stamp(images).keys() & by_stamp(truths).keys()
                             & by_stamp(infos).keys())
        return len(together) >= 5
    assert client.spin_until(several, 60)
    assert clocks and stamp_to_ns(clocks[0].clock) >= 1_000_000_000
    with Renderer(82, 60, 60.0) as renderer:
        scene = make_scene(5, 'room')
        for stamp in together[:5]:
            since = stamp - 1_000_000_000  # the clock's start
            assert since % 50_000_000 == 0  # 20 images per second
            frame = renderer.render(scene, since / 1e9)
            image, truth = by_stamp(images)[stamp], by_stamp(truths)[stamp]
            assert image.header.frame_id == truth.header.frame_id == 'camera_optical'
            np.testing.assert_array_equal(
                image_to_rgb(image), disturb(frame.rgb, 5, since // 50_000_000, rate=20.0))
            assert truth.encoding == '32FC1'
            np.testing.assert_array_equal(image_to_depth(truth), frame.depth)
        assert read_calibration(infos[-1], 82, 60).rectified == renderer.intrinsics
    assert len(turns) > 10
    for turn in turns:    # of the optical frame; the robot's own acceleration is small
        pose = scene.pose((stamp_to_ns(turn.header.stamp) - 1_000_000_000) / 1e9)
        force = turn.linear_acceleration
        off = np.array([force.x, force.y, force.z]) - 9.81 * pose[2, :3]
        assert np.linalg.norm(off) < 2.5 and turn.header.frame_id == 'camera_optical'


def test_the_floor_plan_comes_to_those_who_ask_late(start, client):
    from flashdepth_ros.simulation import make_scene
    from flashdepth_ros.simulation.floor_plan import floor_plan
    images = client.collect(Image, 'image')
    start('sim_camera_node', *SMALL, '-p', 'seed:=3')
    assert client.spin_until(lambda: images, 60)
    maps = []
    client.node.create_subscription(OccupancyGrid, 'map', maps.append, QoSProfile(
        depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
    assert client.spin_until(lambda: maps, 60)
    plan, about = floor_plan(make_scene(3)), maps[0].info
    np.testing.assert_array_equal(
        np.array(maps[0].data, np.int8).reshape(about.height, about.width), plan.cells)
    assert maps[0].header.frame_id == 'map'
    assert (about.resolution, about.origin.orientation.w) == (pytest.approx(plan.side), 1.0)
    np.testing.assert_allclose((about.origin.position.x, about.origin.position.y), plan.origin)


def test_next_seed_follows_after_its_time_and_stamps_are_those_of_the_clock_of_the_computer(
        start, client):
    truths = client.collect(Image, 'truth/depth/image')
    start('sim_camera_node', *SMALL, '-p', 'scene_time:=1.0', '-p', 'effects:=false')
    assert client.spin_until(lambda: len(truths) >= 30, 60)
    stamps = list(by_stamp(truths))
    assert abs(stamps[-1] / 1e9 - time.time()) < 30
    depths = np.array([image_to_depth(truth) for truth in truths])
    jumps = np.abs(np.diff(np.log(depths), axis=0)).mean(axis=(1, 2))
    assert jumps.max() > 10 * np.median(jumps)  # another scene


@pytest.mark.parametrize('end', [signal.SIGINT, signal.SIGTERM])
def test_clean_exit(start, client, end):
    truths = client.collect(Image, 'truth/depth/image')
    process = start('sim_camera_node', *SMALL)
    assert client.spin_until(lambda: truths, 60)
    for _ in range(2):
        process.send_signal(end)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 0
    assert 'Traceback' not in error


def test_wrong_parameters_are_explained(start):
    needs_egl()
    process = start('sim_camera_node', '-p', 'kind:=garden', '-p', 'rate:=0.0')
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "kind is 'garden'" in error and 'rate is 0.0' in error and 'Traceback' not in error


def test_missing_egl_is_explained(start, monkeypatch):
    needs_egl()
    monkeypatch.setenv('PYOPENGL_PLATFORM', 'glx')  # PyOpenGL refuses EGL then
    process = start('sim_camera_node')
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert 'apt install libegl1 libopengl0 libgl1-mesa-dri' in error and 'Traceback' not in error
