"""What the launch files share. Imports launch and launch_ros, which have no PyPI wheel."""
from collections.abc import Callable
import os
import re
import tempfile

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.utilities import prefix_namespace

from launch import LaunchContext

from .rviz_config import for_cameras

SHARE = get_package_share_directory('flashdepth_ros')
RVIZ = os.path.join(SHARE, 'rviz', 'depth.rviz')
RESPAWN_DELAY = 2.0  # seconds

Arguments = tuple[tuple[str, str, str], ...]  # name, default, description
Remappings = list[tuple[str, str]]
Value = Callable[[str], str]  # of a launch argument

# argument: the parameter that it overrides unless it is empty, and its type
OVERRIDES = {
    'model': ('model.name', str),
    'weights': ('model.weights', str),
    'backend': ('engine.backend', str),
    'device': ('engine.device', str),
    'short_side': ('input.short_side', int),
    'transport': ('input.transport', str),
    'rectify': ('input.rectify', str),
    'hfov': ('camera.hfov', float),
    'scale_mode': ('scale.mode', str),
    'camera_height': ('scale.camera_height', float),
    'camera_pitch': ('scale.camera_pitch', float),
    'scale_mounting': ('scale.mounting', str),
    'autostart': ('autostart', bool),
}
COMMON: Arguments = (
    ('namespace', '', 'namespace of the node and of its topics'),
    ('params_file', os.path.join(SHARE, 'config', 'flashdepth.yaml'), 'parameters (YAML)'),
    *((argument, '', f'overrides the parameter {parameter}')
      for argument, (parameter, _) in OVERRIDES.items()),
    ('odom', 'odom', 'the Odometry topic, for scale_mode:=motion'),
    ('tf', '/tf', 'the TF topic; tf, without the slash, where TF lies in the namespace'),
    ('respawn', 'false', f'start the node again {RESPAWN_DELAY:g} s after it has ended by itself'),
    ('view', 'false', 'also serve the live page; its address is printed'),
    ('view_host', '127.0.0.1', 'the address it listens on; 0.0.0.0 is all of this machine'),
    ('view_port', '8080', 'its port'),
    ('use_sim_time', 'false', 'take the time from /clock'),
    ('log_level', 'info', 'debug, info, warn or error'),
)
REFERENCE = ('reference', 'reference/depth/image',
             'the metric depth image, for scale_mode:=reference; its CameraInfo is beside it')
RVIZ_ARGUMENTS: Arguments = (
    ('rviz', 'false', 'also start RViz'),
    ('fixed_frame', '', "RViz's fixed frame; empty: camera_optical, without any TF"),
)


def declare(arguments: Arguments) -> list[DeclareLaunchArgument]:
    """Declare launch arguments."""
    return [DeclareLaunchArgument(name, default_value=default, description=text)
            for name, default, text in arguments]


def sibling(image: str) -> str:
    """Return the camera_info topic that belongs to an image topic, as image_transport does."""
    return image.rpartition('/')[0] + '/camera_info' if '/' in image else 'camera_info'


def one_camera(value: Value) -> tuple[dict, Remappings]:
    """Return no parameters and the remappings of one camera, for `depth_node`."""
    return {}, [('image', value('image')),
                ('camera_info', value('camera_info') or sibling(value('image'))),
                ('reference/depth/image', value('reference')),
                ('reference/depth/camera_info', sibling(value('reference')))]


def camera_names(value: Value) -> list[str]:
    """Return the names in the argument cameras; RuntimeError where one cannot be a topic's."""
    names = [name.strip() for name in value('cameras').split(',') if name.strip()]
    for name in names:
        if not re.fullmatch('[A-Za-z][A-Za-z0-9_]*', name):
            raise RuntimeError(f"cameras: '{name}' is no name of letters, digits and underscores")
    if not names:
        raise RuntimeError('cameras: there must be a name at least')
    return names


def several_cameras(value: Value) -> tuple[dict, Remappings]:
    """Return the parameter cameras and the remappings of them all, for `depth_node`."""
    names, remappings = camera_names(value), []
    for name in names:
        image = value('image').replace('{camera}', name)
        info = value('camera_info').replace('{camera}', name) or sibling(image)
        remappings += [(f'{name}/image', image), (f'{name}/camera_info', info)]
    return {'cameras': names}, remappings


def boolean(argument: str) -> ParameterValue:
    """Return the value of a launch argument as a boolean parameter."""
    return ParameterValue(LaunchConfiguration(argument), value_type=bool)


def depth_node(special: Callable[[Value], tuple[dict, Remappings]]) -> OpaqueFunction:
    """Start the depth node with the common arguments.

    special: given a function that returns an argument's value, returns parameters and remappings.
    Arguments left empty leave the parameters file in force.
    """
    def make(context: LaunchContext) -> list[Node]:
        value = _reader(context)
        if not os.path.isfile(value('params_file')):
            raise RuntimeError(f'params_file: there is no file {value("params_file")}')
        parameters, remappings = special(value)
        parameters |= {parameter: _typed(name, value(name), kind)
                       for name, (parameter, kind) in OVERRIDES.items() if value(name)}
        parameters['use_sim_time'] = boolean('use_sim_time')
        return [Node(
            package='flashdepth_ros', executable='depth_node', name='depth_node',
            namespace=value('namespace'), output='screen', emulate_tty=True,
            parameters=[value('params_file'), parameters],
            remappings=[*remappings, ('odom', value('odom')), *_tf(value)],
            respawn=_true(value('respawn')),
            respawn_delay=RESPAWN_DELAY,
            ros_arguments=['--log-level', f'{_logger(context, value)}:={value("log_level")}'])]
    return OpaqueFunction(function=make)


def view() -> OpaqueFunction:
    """Start the node behind the live page, where view:=true."""
    def make(context: LaunchContext) -> list[Node]:
        value = _reader(context)
        if not _true(value('view')):
            return []
        return [Node(
            package='flashdepth_ros', executable='view', name='view',
            namespace=value('namespace'), output='screen', emulate_tty=True,
            parameters=[{'host': value('view_host'),
                         'port': _typed('view_port', value('view_port'), int),
                         'use_sim_time': boolean('use_sim_time')}])]
    return OpaqueFunction(function=make)


def rviz(special: Callable[[Value], tuple[dict, Remappings]]) -> OpaqueFunction:
    """Start RViz with this package's configuration, where rviz:=true.

    special: as for `depth_node`; with the parameter cameras, each has its displays.
    """
    def make(context: LaunchContext) -> list[Node]:
        value = _reader(context)
        if not _true(value('rviz')):
            return []
        parameters, remappings = special(value)
        config = RVIZ
        if 'cameras' in parameters:
            with tempfile.NamedTemporaryFile('w', suffix='.rviz', delete=False) as file:
                file.write(for_cameras(RVIZ, parameters['cameras']))
            config = file.name
        frame = ['-f', value('fixed_frame')] if value('fixed_frame') else []
        return [Node(
            package='rviz2', executable='rviz2', output='screen',
            arguments=['-d', config, *frame], namespace=value('namespace'),
            remappings=remappings + _tf(value),
            parameters=[{'use_sim_time': boolean('use_sim_time')}])]
    return OpaqueFunction(function=make)


def _reader(context: LaunchContext) -> Value:
    return lambda name: LaunchConfiguration(name).perform(context)


def _typed(argument: str, text: str, kind: type) -> str | int | float | bool:
    try:
        return _true(text) if kind is bool else kind(text)
    except ValueError as error:
        raise RuntimeError(f'{argument}:={text} is no number') from error


def _true(text: str) -> bool:
    return text.lower() in ('true', '1')


def _tf(value: Value) -> Remappings:
    return [('/tf', value('tf')), ('/tf_static', f'{value("tf")}_static')]


def _logger(context: LaunchContext, value: Value) -> str:
    """Return the name of the node's logger, which its namespace is part of."""
    namespace = prefix_namespace(
        context.launch_configurations.get('ros_namespace'), value('namespace')) or ''
    return '.'.join([*filter(None, namespace.split('/')), 'depth_node'])
