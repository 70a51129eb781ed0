"""Depth of several cameras with one copy of the network.

ros2 launch flashdepth_ros multi_camera.launch.py cameras:=front,rear image:=/{camera}/image_raw
"""
from flashdepth_ros.ros.launching import COMMON, declare, depth_node, sibling
from launch import LaunchDescription

ARGUMENTS = (
    ('cameras', 'front,rear', 'names of the cameras, with commas between them'),
    ('image', '{camera}/image', 'their topics; {camera} stands for the name'),
    ('camera_info', '', "their CameraInfo topics; empty: 'camera_info' beside the images"),
    *(argument for argument in COMMON if argument[0] != 'rviz'),
)


def cameras(value) -> tuple[dict, list[tuple[str, str]]]:
    names = [name.strip() for name in value('cameras').split(',') if name.strip()]
    remappings = []
    for name in names:
        image = value('image').replace('{camera}', name)
        info = value('camera_info').replace('{camera}', name) or sibling(image)
        remappings += [(f'{name}/image', image), (f'{name}/camera_info', info)]
    return {'cameras': names}, remappings


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*declare(ARGUMENTS), depth_node(cameras)])
