"""Depth of one camera: ros2 launch flashdepth_ros depth.launch.py image:=/camera/image_raw."""
import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

SHARE = get_package_share_directory('flashdepth_ros')

ARGUMENTS = (
    ('image', 'image', 'the camera topic, such as /camera/image_raw'),
    ('camera_info', '', "its CameraInfo topic; empty: 'camera_info' beside the image"),
    ('namespace', '', 'namespace of the node and of its topics'),
    ('params_file', os.path.join(SHARE, 'config', 'flashdepth.yaml'), 'parameters (YAML)'),
    ('model', '', 'overrides the parameter model.name, such as flashdepth-s'),
    ('backend', '', 'overrides engine.backend'),
    ('weights', '', 'overrides model.weights: auto, a file, or random'),
    ('autostart', '', 'overrides autostart: false where a lifecycle manager configures it'),
    ('rviz', 'false', 'also start RViz'),
    ('use_sim_time', 'false', 'take the time from /clock'),
    ('log_level', 'info', 'debug, info, warn or error'),
)
OVERRIDES = {'model': 'model.name', 'backend': 'engine.backend', 'weights': 'model.weights'}


def sibling(image: str) -> str:
    """Return the camera_info topic that belongs to an image topic, as image_transport does."""
    return image.rpartition('/')[0] + '/camera_info' if '/' in image else 'camera_info'


def boolean(argument: str) -> ParameterValue:
    """Return the value of a launch argument as a boolean parameter."""
    return ParameterValue(LaunchConfiguration(argument), value_type=bool)


def depth_node(context: LaunchContext) -> list:
    """Make the node from the arguments; those left empty leave the parameters file in force."""
    given = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    overrides = {
        parameter: given[name] for name, parameter in OVERRIDES.items() if given[name]}
    if given['autostart']:
        overrides['autostart'] = boolean('autostart')
    overrides['use_sim_time'] = boolean('use_sim_time')
    return [Node(
        package='flashdepth_ros', executable='depth_node', name='depth_node',
        namespace=given['namespace'], output='screen', emulate_tty=True,
        parameters=[given['params_file'], overrides],
        remappings=[('image', given['image']),
                    ('camera_info', given['camera_info'] or sibling(given['image']))],
        ros_arguments=['--log-level', f'depth_node:={given["log_level"]}'],
    )]


def generate_launch_description() -> LaunchDescription:
    rviz = Node(
        package='rviz2', executable='rviz2', output='screen',
        arguments=['-d', os.path.join(SHARE, 'rviz', 'depth.rviz')],
        namespace=LaunchConfiguration('namespace'),
        remappings=[('image', LaunchConfiguration('image'))],
        parameters=[{'use_sim_time': boolean('use_sim_time')}],
        condition=IfCondition(LaunchConfiguration('rviz')))
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=text)
          for name, default, text in ARGUMENTS),
        OpaqueFunction(function=depth_node),
        rviz,
    ])
