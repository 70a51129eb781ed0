"""A simulated camera with its depth: ros2 launch flashdepth_ros sim.launch.py seed:=3.

The true depth is on truth/depth/image. With use_sim_time:=true the camera publishes /clock.
"""
import os

from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from flashdepth_ros.ros.launching import (
    COMMON,
    RVIZ_ARGUMENTS,
    SHARE,
    boolean,
    declare,
    depth_node,
    rviz,
    view,
)
from launch import LaunchDescription

ARGUMENTS = (
    ('seed', '0', 'the scene: the same seed gives the same scene and path'),
    ('kind', 'any', 'room, corridor, hall; any: drawn by the seed'),
    ('camera_params_file', os.path.join(SHARE, 'config', 'sim_camera.yaml'),
     "the camera's parameters (YAML)"),
    *COMMON,
    *RVIZ_ARGUMENTS,
)


def generate_launch_description() -> LaunchDescription:
    camera = Node(
        package='flashdepth_ros', executable='sim_camera_node', name='sim_camera_node',
        namespace=LaunchConfiguration('namespace'), output='screen', emulate_tty=True,
        parameters=[LaunchConfiguration('camera_params_file'), {
            'seed': ParameterValue(LaunchConfiguration('seed'), value_type=int),
            'kind': LaunchConfiguration('kind'), 'clock': boolean('use_sim_time')}])

    def nothing_special(value) -> tuple[dict, list]:
        return {}, []

    return LaunchDescription([
        *declare(ARGUMENTS), camera, depth_node(nothing_special), rviz(nothing_special), view()])
