"""Depth of one camera: ros2 launch flashdepth_ros depth.launch.py image:=/camera/image_raw."""
from launch.substitutions import LaunchConfiguration

from flashdepth_ros.ros.launching import COMMON, declare, depth_node, one_camera, rviz
from launch import LaunchDescription

ARGUMENTS = (
    ('image', 'image', 'the camera topic, such as /camera/image_raw'),
    ('camera_info', '', "its CameraInfo topic; empty: 'camera_info' beside the image"),
    *COMMON,
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([
        *declare(ARGUMENTS), depth_node(one_camera),
        rviz([('image', LaunchConfiguration('image'))])])
