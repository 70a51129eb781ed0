"""A camera driver as others write them: nothing of this package, its own process and middleware.

Commands come as lines of JSON on standard input, each answered by a line on standard output.
"""
import json
import random
import sys
import threading
import time

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

KINDS = {kind.__name__: kind for kind in (Image, CompressedImage, CameraInfo)}
SECOND = 1_000_000_000

# what a stream does; a driver that misbehaves does some of it otherwise
GOOD = {
    'width': 98, 'height': 84, 'encoding': 'rgb8', 'frame_id': 'camera',
    'keep': 1.0,                # of the pixels, the rest is cut off
    'stamp': 'now',             # or zero, start (seconds since then), same, last (of a picture)
    'late': 0.0,                # seconds that the stamps are behind
    'info_width': 0, 'info_height': 0,  # of camera_info, 0 for the image's
    'info_frame_id': None,      # of camera_info, None for the image's
    'k': 1.0,                   # factor of the focal length; 0 is not calibrated
    'silent': False,
}


# in what a driver that misbehaves at random differs from that
BAD = {
    'width': (1, 20, 69, 97, 98, 140, 640, 1280), 'height': (1, 20, 84, 84, 98, 480, 720),
    'encoding': ('rgb8', 'bgr8', 'mono8', 'holographic', '', '32FC1', 'rgb16', 'nv12'),
    'frame_id': ('', 'camera', 'rear', '/camera', ' ', 'a' * 1000),
    'keep': (0.0, 0.5, 0.999, 1.0, 1.1),
    'stamp': ('zero', 'start', 'same'),
    'late': (-1e6, -3.0, -0.1, 0.1, 0.9, 3.0, 1e6, 1e12),
    'info_width': (0, 1, 84, 1280), 'info_height': (0, 1, 98, 480),
    'info_frame_id': ('', 'rear'),
    'k': (0.0, 1e-3, 1e3, -1.0, 1e300, float('nan'), float('inf')),
}
PROBABLY = 0.15
# what a camera sees: something that moves, with light and detail
SCENE = np.random.default_rng(0).bytes(3 * (1920 * 1080 + 1000))


class Camera:
    """The topics image and camera_info, and what is published on them."""

    def __init__(self, node, image, info):
        self.node, self.image, self.info = node, image, info
        self._begin, self._last, self._seen = time.monotonic(), 0, 0

    def close(self) -> None:
        for publisher in (self.image, self.info):
            self.node.destroy_publisher(publisher)

    def _stamp(self, kind: str, late: float) -> tuple[int, int]:
        now = self.node.get_clock().now().nanoseconds
        nanoseconds = {
            'now': now, 'zero': 0, 'same': now // (3600 * SECOND) * 3600 * SECOND,
            'start': round((time.monotonic() - self._begin + 1) * SECOND),
            'last': self._last}[kind]
        return divmod(min(max(nanoseconds - round(late * SECOND), 0), 2 ** 31 * SECOND - 1), SECOND)

    def publish(
        self, width: int, height: int, encoding: str, frame_id: str, keep: float, stamp: str,
        late: float, info_width: int, info_height: int, info_frame_id: str | None, k: float,
        silent: bool, pixels: np.ndarray | None = None,
    ) -> tuple[int, int]:
        """Publish an image as described by GOOD, and its camera_info; return its stamp."""
        message = self.image.msg_type()
        message.header.frame_id = frame_id
        message.header.stamp.sec, message.header.stamp.nanosec = self._stamp(stamp, late)
        if pixels is not None and stamp != 'last':    # else several late ones add up to a jump
            self._last = message.header.stamp.sec * SECOND + message.header.stamp.nanosec
        if isinstance(message, Image):
            message.width, message.height, message.step = width, height, 3 * width
            message.encoding = encoding
            if pixels is None:
                self._seen = (self._seen + 1) % 1000
                begin = 3 * self._seen
                message.data.frombytes(SCENE[begin:begin + int(keep * 3 * width * height)])
            else:
                message.data.frombytes(pixels.tobytes())
            w, h = info_width or width, info_height or height
            f = 0.8 * k * w
            info = CameraInfo(
                width=w, height=h, distortion_model='plumb_bob', d=[0.0] * 5,
                k=[f, 0.0, (w - 1) / 2, 0.0, f, (h - 1) / 2, 0.0, 0.0, 1.0 if k else 0.0],
                r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
                p=[f, 0.0, (w - 1) / 2, 0.0, 0.0, f, (h - 1) / 2, 0.0, 0.0, 0.0, 1.0, 0.0])
            info.header.stamp = message.header.stamp
            info.header.frame_id = frame_id if info_frame_id is None else info_frame_id
            self.info.publish(info)
        self.image.publish(message)
        return message.header.stamp.sec, message.header.stamp.nanosec


class Stream:
    """A camera that publishes at a rate, on a thread, until it is ended."""

    def __init__(self, camera: Camera, rate: float):
        self._camera, self._rate = camera, rate
        self.behaviour = dict(GOOD)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._end.set()
        self._thread.join()
        self._camera.close()

    def _run(self) -> None:
        while not self._end.wait(1 / self._rate):
            behaviour = self.behaviour
            if not behaviour['silent']:
                self._camera.publish(**behaviour)


class Driver:
    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node('driver')
        self._other_context = Context()
        self._other_node = None
        self.publishers: dict = {}
        self.streams: dict[str, Stream] = {}
        self.cameras: dict[str, Camera] = {}

    def open(self, topic: str, kind: str = 'Image', reliability: str = 'reliable',
             durability: str = 'volatile') -> dict:
        """Begin to publish on a topic."""
        self.publishers[topic] = self._publisher(topic, kind, reliability, durability)
        return {}

    def _publisher(self, topic: str, kind: str, reliability: str = 'reliable',
                   durability: str = 'volatile', node=None):
        return (node or self.node).create_publisher(KINDS[kind], topic, QoSProfile(
            depth=10, reliability=ReliabilityPolicy[reliability.upper()],
            durability=DurabilityPolicy[durability.upper()]))

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
            message.data.frombytes(SCENE[:3 * width * height])
        begin = time.perf_counter()
        for i in range(count):
            time.sleep(max(0.0, begin + i / rate - time.perf_counter()))
            message.header.stamp.sec = first + i
            publisher.publish(message)
        return {}

    def stream(self, topic: str, which: str = '', kind: str = 'Image', rate: float = 10.0,
               prefix: str = '', reliability: str = 'reliable', **behaviour) -> dict:
        """Begin to publish images and camera_info without end, in the good way but for some."""
        self.streams[which] = Stream(self._camera(topic, prefix, kind, reliability), rate)
        return self.behave(topic, which, **behaviour)

    def behave(self, topic: str, which: str = '', **behaviour) -> dict:
        """Publish in the good way from now on, but for some."""
        self.streams[which].behaviour = {**GOOD, **behaviour}
        return {}

    def cease(self, topic: str, which: str = '') -> dict:
        """End a stream, and its topics."""
        self.streams.pop(which).end()
        return {}

    def _camera(self, topic: str, prefix: str, kind: str = 'Image', reliability: str = 'reliable'
                ) -> Camera:
        node = self._node_for(kind)
        return Camera(node, self._publisher(f'{prefix}{topic}', kind, reliability, node=node),
                      self._publisher(f'{prefix}camera_info', 'CameraInfo', reliability, node=node))

    def _node_for(self, kind: str):
        """Return a participant of DDS for each kind: none can have one topic of two types."""
        if kind == 'Image':
            return self.node
        if self._other_node is None:
            rclpy.init(context=self._other_context)
            self._other_node = rclpy.create_node('other_driver', context=self._other_context)
        return self._other_node

    def close(self) -> None:
        for stream in self.streams.values():
            stream.end()
        self.node.destroy_node()
        if self._other_node is not None:
            self._other_node.destroy_node()
            self._other_context.shutdown()
        rclpy.shutdown()

    def misbehave(self, topic: str, seconds: float, seed: str, prefixes: list[str]) -> dict:
        """Publish for a while, on any of the cameras' topics, in any way, each for some frames."""
        rng, end = random.Random(seed), time.monotonic() + seconds
        cameras: list[Camera] = []
        count = 0
        while time.monotonic() < end:
            if not cameras or (len(cameras) < 3 and rng.random() < 0.3):
                cameras.append(self._camera(
                    topic, rng.choice(prefixes), rng.choice(('Image', 'Image', 'CompressedImage')),
                    rng.choice(('reliable', 'best_effort'))))
            if len(cameras) > 1 and rng.random() < 0.2:
                cameras.pop(rng.randrange(len(cameras))).close()
            behaviour = {**GOOD, **{name: rng.choice(values) for name, values in BAD.items()
                                    if rng.random() < PROBABLY}}
            pause = rng.choice((0.01, 0.03, 0.1, 0.3))
            for _ in range(rng.randrange(1, 12)):
                rng.choice(cameras).publish(**behaviour)
                count += 1
                time.sleep(pause)
                if time.monotonic() > end:
                    break
        for camera in cameras:
            camera.close()
        return {'count': count}

    def show(self, topic: str, prefix: str, path: str, index: int, frame_id: str,
             **behaviour) -> dict:
        """Publish a picture (of an array in a file) on a topic of its own; return its stamp."""
        if prefix not in self.cameras:
            self.cameras[prefix] = self._camera(topic, prefix)
        camera, pixels = self.cameras[prefix], np.load(path)[index]
        height, width, _ = pixels.shape
        if behaviour:
            pixels = None
        return {'stamp': camera.publish(**{
            **GOOD, 'width': width, 'height': height, 'frame_id': frame_id, **behaviour},
            pixels=pixels)}

    def hide(self, topic: str, prefix: str) -> dict:
        """Cease to show pictures."""
        self.cameras.pop(prefix).close()
        return {}


def main() -> None:
    driver = Driver()
    print('{}', flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(driver, command.pop('do'))(**command)), flush=True)
    driver.close()


if __name__ == '__main__':
    main()
