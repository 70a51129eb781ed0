"""Every launch file, as ros2 launch runs it: it starts, sees depth, and ends cleanly."""
import os
from pathlib import Path
import subprocess
import sys

import cv2
from egl import needs_egl
import numpy as np
import pytest

launch_pytest = pytest.importorskip(
    'launch_pytest', reason='launch_pytest has no PyPI wheel: run where ROS is installed')

from launch.actions import (  # noqa: E402
    IncludeLaunchDescription,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from launch_pytest.actions import ReadyToTest  # noqa: E402
from launch_ros.actions import Node  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.parameter import parameter_value_to_python  # noqa: E402
from ros_rig import Client  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from flashdepth_ros.ros.launching import SHARE  # noqa: E402
from launch import LaunchDescription  # noqa: E402

SMALL, SMALL_SIM = 'small.yaml', 'small_sim.yaml'
LAUNCHES = {
    'depth.launch.py': ({'image': '/cam/image_raw'}, ['cam'], '/depth/image'),
    'depth.launch.py in a namespace': (
        {'image': '/cam/image_raw', 'namespace': 'robot'}, ['cam'], '/robot/depth/image'),
    'depth.launch.py with the live page': (
        {'image': '/cam/image_raw', 'namespace': 'robot', 'view': 'true', 'view_port': '18190'},
        ['cam'], '/robot/depth/image'),
    'depth.launch.py with arguments for parameters': (
        {'image': '/cam/image_raw', 'namespace': 'robot', 'tf': 'tf', 'log_level': 'debug',
         'respawn': 'true', 'short_side': '70', 'hfov': '90', 'device': 'cpu',
         'scale_mode': 'fixed', 'scale_mounting': 'tf', 'camera_height': '0.4',
         'camera_pitch': '12', 'autostart': 'true'},
        ['cam'], '/robot/depth/image'),
    'multi_camera.launch.py': (
        {'cameras': 'front, rear', 'image': '/{camera}/image_raw'}, ['front', 'rear'],
        '/rear/depth/image'),
    'nav2_depth.launch.py': (
        {'image': '/cam/image_raw', 'camera_height': '0.4'}, ['cam'], '/depth/image'),
    'nav2_depth.launch.py with odometry': (
        {'image': '/cam/image_raw', 'scale_mode': 'motion', 'odom': '/wheels/odom'}, ['cam'],
        '/depth/image'),
    'nav2_depth.launch.py with a reference': (
        {'image': '/cam/image_raw', 'scale_mode': 'reference', 'reference': '/tof/image_raw'},
        ['cam'], '/depth/image'),
    'sim.launch.py': ({'seed': '3', 'namespace': 'robot'}, [], '/robot/depth/image'),
    'sim.launch.py with /clock': ({'use_sim_time': 'true'}, [], '/depth/image'),
}
ENDED: list[int] = []
PROGRAM = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch import LaunchDescription

service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]),
    launch_arguments=[argument.split(':=', 1) for argument in sys.argv[2:]])]))
sys.exit(service.run())
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """A folder with images for the camera, and parameters that make the network small."""
    path = tmp_path_factory.mktemp('launch')
    (path / 'images').mkdir()
    for i in range(3):
        cv2.imwrite(str(path / 'images' / f'{i}.png'),
                    np.random.default_rng(i).integers(0, 255, (84, 98, 3), dtype=np.uint8))
    (path / SMALL).write_text('/**:\n  ros__parameters:\n    output: {max_range: 1000.0}\n')
    (path / SMALL_SIM).write_text('/**:\n  ros__parameters: {width: 98, height: 84}\n')
    return path


@pytest.fixture(autouse=True)
def egl(request):
    if request.node.callspec.params.get('launched', '').startswith('sim'):
        needs_egl()


@launch_pytest.fixture
def launched(request, folder, domain):
    name = request.param
    arguments, cameras, _ = LAUNCHES[name]
    arguments = {'weights': 'random', **arguments}
    if not name.startswith('nav2'):
        arguments['params_file'] = str(folder / SMALL)
    if name.startswith('sim'):
        arguments['camera_params_file'] = str(folder / SMALL_SIM)
    ENDED.clear()
    os.environ['ROS_DOMAIN_ID'] = str(domain)
    return LaunchDescription([
        SetEnvironmentVariable('ROS_DOMAIN_ID', str(domain)),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(os.path.join(SHARE, 'launch', name.split()[0])),
            launch_arguments=arguments.items()),
        *(Node(package='flashdepth_ros', executable='camera_node', namespace=camera,
               remappings=[('image', 'image_raw')],
               parameters=[{'source': str(folder / 'images'), 'rate': 10.0}])
          for camera in cameras),
        RegisterEventHandler(OnProcessExit(
            on_exit=lambda event, context: ENDED.append(event.returncode))),
        ReadyToTest(),
    ])


@pytest.mark.parametrize('launched', LAUNCHES, indirect=True)
@pytest.mark.launch(fixture=launched)
def test_launch_file(launched, request, domain):
    arguments, cameras, topic = LAUNCHES[request.node.callspec.params['launched']]
    name = request.node.callspec.params['launched']
    client = Client(domain, 'robot' if '/robot' in topic else '')
    try:
        depths = client.collect(Image, topic)
        assert client.spin_until(lambda: len(depths) >= 3, 120)
        assert depths[-1].header.frame_id == 'camera_optical'
        assert (depths[-1].width, depths[-1].height) == (98, 84)
        if 'view' in arguments:
            pytest.importorskip('viser')
            assert client.spin_until(lambda: (
                'view', '/robot') in client.node.get_node_names_and_namespaces(), 120)
        for other in 'odom', 'reference':
            if other in arguments:
                assert client.node.count_subscribers(arguments[other]) == 1
        if 'arguments' in name:
            values = client.call(
                GetParameters, 'depth_node/get_parameters', GetParameters.Request(names=[
                    'input.short_side', 'camera.hfov', 'engine.device', 'scale.mode',
                    'scale.mounting', 'scale.camera_height', 'scale.camera_pitch',
                    'output.max_range'])).values
            assert [parameter_value_to_python(value) for value in values] == [
                # the last is of the parameters file
                70, 90.0, 'cpu', 'fixed', 'tf', 0.4, 12.0, 1000.0]
    finally:
        client.close()
    yield
    # the simulated camera is in its launch file
    assert [0] * (1 + max(1, len(cameras)) + ('view' in arguments)) == ENDED


@pytest.mark.parametrize(('file', 'arguments', 'words'), [
    ('depth', ['params_file:=/no/such.yaml'], 'params_file: there is no file /no/such.yaml'),
    ('depth', ['hfov:=wide'], 'hfov:=wide is no number'),
    ('nav2_depth', ['base_frame:=base_footprint'], 'camera_height:= is no number, which base_fram'),
    ('depth', ['image:=/cam//image'], "'image:=/cam//image' renames nothing"),
    ('depth', ['log_level:=loud', 'namespace:=robot'],
     "the log level 'robot.depth_node:=loud' is none of"),
    ('multi_camera', ['cameras:=front cam,rear'], "cameras: 'front cam' is no name")],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '')
def test_a_wrong_argument_is_named_in_one_line(file, arguments, words, tmp_path):
    path = os.path.join(SHARE, 'launch', f'{file}.launch.py')
    program = tmp_path / 'program.py'  # a file: the ROS wheels run Python again
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(program), path, *arguments], capture_output=True,
                          text=True, timeout=60)
    lines = (done.stdout + done.stderr).splitlines()
    assert sum(words in line for line in lines) == 1, lines
    assert not any('Traceback' in line for line in lines)
