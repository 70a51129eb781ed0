"""Depth of one camera: ros2 launch flashdepth_ros depth.launch.py image:=/camera/image_raw."""
from flashdepth_ros.ros.launching import (
    COMMON,
    REFERENCE,
    RVIZ_ARGUMENTS,
    declare,
    depth_node,
    one_camera,
    rviz,
    view,
)
from launch import LaunchDescription

ARGUMENTS = (
    ('image', 'image', 'the camera topic, such as /camera/image_raw'),
    ('camera_info', '', "its CameraInfo topic; empty: 'camera_info' beside the image"),
    REFERENCE,
    *COMMON,
    *RVIZ_ARGUMENTS,
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *declare(ARGUMENTS), depth_node(one_camera), rviz(one_camera), view()])
