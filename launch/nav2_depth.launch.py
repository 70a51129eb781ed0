"""Depth for a costmap: a thin cloud of what is near and solid, and optionally a LaserScan.

ros2 launch flashdepth_ros nav2_depth.launch.py image:=/camera/image_rect scan:=true
"""
import os

from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from flashdepth_ros.ros.launching import COMMON, SHARE, boolean, declare, depth_node, one_camera
from launch import LaunchDescription

ARGUMENTS = (
    ('image', 'image', 'the rectified camera topic, such as /camera/image_rect'),
    ('camera_info', '', "its CameraInfo topic; empty: 'camera_info' beside the image"),
    ('scan', 'false', 'also a LaserScan on scan, through depthimage_to_laserscan'),
    ('scan_frame', 'camera_link', "frame of the scan: the camera's, x forward, not optical"),
    *((name, os.path.join(SHARE, 'config', 'nav2_depth.yaml') if name == 'params_file' else default,
       text) for name, default, text in COMMON),
)


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
    return LaunchDescription([*declare(ARGUMENTS), depth_node(one_camera), scan])
