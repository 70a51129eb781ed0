"""The benchmark's camera: a process that plays pictures from memory at an exact rate.

Commands come as lines of JSON on standard input; each is answered by a line on standard output.
"""
import argparse
import itertools
import json
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image

from ..images.intrinsics import Intrinsics
from ..ros.camera_info import intrinsics_to_info
from ..ros.image_messages import rgb_to_image
from ..ros.message import header_at
from ..ros.program import leave, prepare
from ..ros.qos import NEWEST_SENSOR_DATA
from .pictures import forth_and_back, moving_texture, pictures_of_video


class Camera:
    """Plays the same pictures on the image topics of several nodes and cameras."""

    def __init__(self, namespaces: list[str], cameras: list[str], pictures: list):
        self.node = rclpy.create_node('bench_camera')
        height, width = pictures[0].shape[:2]
        header = header_at(0, 'camera_optical')
        self._images = [rgb_to_image(rgb, header) for rgb in pictures]
        self._info = intrinsics_to_info(
            Intrinsics.from_field_of_view(70.0, width, height), header)
        self._order = itertools.cycle(forth_and_back(len(pictures)))
        self._publishers = {
            namespace: [(self._publisher(CameraInfo, namespace, camera, 'camera_info'),
                         self._publisher(Image, namespace, camera, 'image')) for camera in cameras]
            for namespace in namespaces}

    def _publisher(self, kind: type, namespace: str, camera: str, topic: str) -> Publisher:
        return self.node.create_publisher(
            kind, '/'.join(filter(None, ('', namespace, camera, topic))), NEWEST_SENSOR_DATA)

    def ready(self, namespace: str) -> bool:
        """Say whether the node below this namespace listens, as it does once it is active."""
        return all(publisher.get_subscription_count()
                   for pair in self._publishers[namespace] for publisher in pair)

    def play(self, namespace: str, rate: float, frames: int) -> dict:
        """Publish so many frames; return their stamps in ns, and by how much the worst was late."""
        stamps, worst = [], 0.0
        begin = time.perf_counter()
        for i in range(frames):
            due = begin + i / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            worst = max(worst, time.perf_counter() - due)
            image = self._images[next(self._order)]
            stamp = time.time_ns()
            stamps.append(stamp)
            for info_publisher, image_publisher in self._publishers[namespace]:
                self._info.header = image.header = header_at(stamp, 'camera_optical')
                info_publisher.publish(self._info)
                image_publisher.publish(image)
        return {'stamps': stamps, 'late_ms': 1e3 * worst, 'seconds': time.perf_counter() - begin}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--namespaces', nargs='+')
    parser.add_argument('--cameras', nargs='+')
    parser.add_argument('--size', nargs=2, type=int, help='width and height')
    parser.add_argument('--video')
    options = parser.parse_args()
    width, height = options.size
    pictures = (pictures_of_video(options.video, height, width) if options.video
                else moving_texture(height, width))
    prepare([])
    executor = SingleThreadedExecutor()  # its nodes have nothing to do, but leaving takes one
    camera = Camera(options.namespaces, options.cameras, pictures)
    for line in sys.stdin:
        command = json.loads(line)
        answer = ({'ready': camera.ready(command['namespace'])} if 'rate' not in command
                  else camera.play(**command))
        print(json.dumps(answer), flush=True)
    camera.node.destroy_node()
    leave(executor)


if __name__ == '__main__':
    main()
