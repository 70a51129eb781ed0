"""Depth of several cameras with one copy of the network.

ros2 launch flashdepth_ros multi_camera.launch.py cameras:=front,rear image:=/{camera}/image_raw
"""
from flashdepth_ros.ros.launching import (
    COMMON,
    RVIZ_ARGUMENTS,
    declare,
    depth_node,
    rviz,
    several_cameras,
    view,
)
from launch import LaunchDescription

ARGUMENTS = (
    ('cameras', 'front,rear', 'names of the cameras, with commas between them'),
    ('image', '{camera}/image', 'their topics; {camera} stands for the name'),
    ('camera_info', '', "their CameraInfo topics; empty: 'camera_info' beside the images"),
    *COMMON,
    *RVIZ_ARGUMENTS,
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *declare(ARGUMENTS), depth_node(several_cameras), rviz(several_cameras), view()])
