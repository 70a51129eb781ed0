"""A camera driver as others write them: nothing of this package, its own process and middleware.

Commands come as lines of JSON on standard input, each answered by a line on standard output.
"""
import json
import sys
import time

import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

KINDS = {kind.__name__: kind for kind in (Image, CompressedImage, CameraInfo)}


class Driver:
    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node('driver')
        self.publishers: dict = {}

    def open(self, topic: str, kind: str = 'Image', reliability: str = 'reliable',
             durability: str = 'volatile') -> dict:
        """Begin to publish on a topic."""
        self.publishers[topic] = self.node.create_publisher(KINDS[kind], topic, QoSProfile(
            depth=10, reliability=ReliabilityPolicy[reliability.upper()],
            durability=DurabilityPolicy[durability.upper()]))
        return {}

    def shut(self, topic: str) -> dict:
        """Cease to publish on a topic."""
        self.node.destroy_publisher(self.publishers.pop(topic))
        return {}

    def subscribers(self, topic: str) -> dict:
        return {'subscribers': self.publishers[topic].get_subscription_count()}

    def publish(self, topic: str, first: int, count: int, rate: float, width: int, height: int
                ) -> dict:
        """Publish rgb8 images (or their headers alone) whose stamps count seconds from `first`."""
        publisher = self.publishers[topic]
        message = publisher.msg_type()
        message.header.frame_id = 'camera'
        if isinstance(message, Image):
            message.width, message.height, message.step = width, height, 3 * width
            message.encoding = 'rgb8'
            message.data.frombytes(bytes(3 * width * height))
        begin = time.perf_counter()
        for i in range(count):
            time.sleep(max(0.0, begin + i / rate - time.perf_counter()))
            message.header.stamp.sec = first + i
            publisher.publish(message)
        return {}


def main() -> None:
    driver = Driver()
    print('{}', flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(driver, command.pop('do'))(**command)), flush=True)
    driver.node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
