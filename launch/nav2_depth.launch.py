"""Depth for a costmap: clouds that mark and clear, and optionally TF and a LaserScan.

ros2 launch flashdepth_ros nav2_depth.launch.py image:=/camera/image_rect camera_height:=0.42
"""
import math
import os

from launch.actions import OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from flashdepth_ros.ros.launching import (
    COMMON,
    REFERENCE,
    SHARE,
    boolean,
    declare,
    depth_node,
    one_camera,
    view,
)
from launch import LaunchContext, LaunchDescription

ARGUMENTS = (
    ('image', 'image', 'the rectified camera topic, such as /camera/image_rect'),
    ('camera_info', '', "its CameraInfo topic; empty: 'camera_info' beside the image"),
    REFERENCE,
    ('base_frame', '', 'publish TF from this frame on the floor, such as base_footprint, to the '
     "camera; empty: the robot's description does"),
    ('camera_frame', 'camera_optical', "the images' frame_id, with base_frame"),
    ('camera_x', '0.0', 'of the lens before the base frame, in metres, with base_frame'),
    ('scan', 'false', 'also a LaserScan on scan, through depthimage_to_laserscan'),
    ('scan_frame', 'camera_link', "frame of the scan: the camera's, x forward, not optical"),
    *((name, os.path.join(SHARE, 'config', 'nav2_depth.yaml') if name == 'params_file' else default,
       text) for name, default, text in COMMON),
)


def camera_on_robot(context: LaunchContext) -> list[Node]:
    """Publish where the camera is, where base_frame:= is given."""
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    def number(name: str, default: str = '') -> float:
        try:
            return float(value(name) or default)
        except ValueError:
            raise RuntimeError(
                f'{name}:={value(name)} is no number, which base_frame:= needs') from None

    if not value('base_frame'):
        return []
    # from x ahead, z up to z ahead, y down; the pitch turns about the camera's own x
    return [Node(
        package='tf2_ros', executable='static_transform_publisher', name='camera_on_robot',
        namespace=value('namespace'), output='screen',
        arguments=['--x', str(number('camera_x')), '--z', str(number('camera_height')),
                   '--roll', str(-math.pi / 2 - math.radians(number('camera_pitch', '0'))),
                   '--yaw', str(-math.pi / 2), '--frame-id', value('base_frame'),
                   '--child-frame-id', value('camera_frame')],
        remappings=[('/tf_static', f'{value("tf")}_static')],
        parameters=[{'use_sim_time': boolean('use_sim_time')}])]


def generate_launch_description() -> LaunchDescription:
    scan = Node(
        package='depthimage_to_laserscan', executable='depthimage_to_laserscan_node',
        name='depthimage_to_laserscan', namespace=LaunchConfiguration('namespace'),
        output='screen',
        remappings=[('depth', 'depth/image'), ('depth_camera_info', 'depth/camera_info')],
        parameters=[{'output_frame': LaunchConfiguration('scan_frame'),
                     'range_min': 0.3, 'range_max': 8.0, 'scan_height': 10,
                     'use_sim_time': boolean('use_sim_time')}],
        condition=IfCondition(LaunchConfiguration('scan')))
    return LaunchDescription([
        *declare(ARGUMENTS), OpaqueFunction(function=camera_on_robot), depth_node(one_camera),
        scan, view()])
