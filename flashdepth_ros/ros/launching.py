"""What the launch files share. Imports launch and launch_ros, which have no PyPI wheel."""
from collections.abc import Callable
import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext

SHARE = get_package_share_directory('flashdepth_ros')

Arguments = tuple[tuple[str, str, str], ...]  # name, default, description

COMMON: Arguments = (
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


def declare(arguments: Arguments) -> list[DeclareLaunchArgument]:
    """Declare launch arguments."""
    return [DeclareLaunchArgument(name, default_value=default, description=text)
            for name, default, text in arguments]


def sibling(image: str) -> str:
    """Return the camera_info topic that belongs to an image topic, as image_transport does."""
    return image.rpartition('/')[0] + '/camera_info' if '/' in image else 'camera_info'


def one_camera(value: Callable[[str], str]) -> tuple[dict, list[tuple[str, str]]]:
    """Return no parameters and the remappings of one camera, for `depth_node`."""
    return {}, [('image', value('image')),
                ('camera_info', value('camera_info') or sibling(value('image')))]


def boolean(argument: str) -> ParameterValue:
    """Return the value of a launch argument as a boolean parameter."""
    return ParameterValue(LaunchConfiguration(argument), value_type=bool)


def depth_node(
    special: Callable[[Callable[[str], str]], tuple[dict, list[tuple[str, str]]]],
) -> OpaqueFunction:
    """Start the depth node with the common arguments.

    special: given a function that returns an argument's value, returns parameters and remappings.
    Arguments left empty leave the parameters file in force.
    """
    def make(context: LaunchContext) -> list[Node]:
        def value(name: str) -> str:
            return LaunchConfiguration(name).perform(context)

        parameters, remappings = special(value)
        parameters |= {
            parameter: value(name) for name, parameter in OVERRIDES.items() if value(name)}
        if value('autostart'):
            parameters['autostart'] = boolean('autostart')
        parameters['use_sim_time'] = boolean('use_sim_time')
        return [Node(
            package='flashdepth_ros', executable='depth_node', name='depth_node',
            namespace=value('namespace'), output='screen', emulate_tty=True,
            parameters=[value('params_file'), parameters], remappings=remappings,
            ros_arguments=['--log-level', f'depth_node:={value("log_level")}'])]
    return OpaqueFunction(function=make)


def rviz(remappings: list) -> Node:
    """Start RViz with this package's configuration, where rviz:=true."""
    return Node(
        package='rviz2', executable='rviz2', output='screen',
        arguments=['-d', os.path.join(SHARE, 'rviz', 'depth.rviz')],
        namespace=LaunchConfiguration('namespace'), remappings=remappings,
        parameters=[{'use_sim_time': boolean('use_sim_time')}],
        condition=IfCondition(LaunchConfiguration('rviz')))
