"""The benchmark's subscriber: a process that notes when each depth image, cloud and status came.

Images and clouds are taken as serialised messages: a subscriber in C++ would cost no more. Commands
come as lines of JSON on standard input; each is answered by a line on standard output.
"""
import argparse
from collections import defaultdict
from collections.abc import Callable
import contextlib
import json
import struct
import sys
import threading
import time

import rclpy
from rclpy.executors import (
    ExternalShutdownException,
    ShutdownException,
    SingleThreadedExecutor,
)
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from ..msg import DepthStatus
from ..ros.message import SECOND, stamp_to_ns
from ..ros.program import leave, prepare
from ..ros.qos import NEWEST_RELIABLE

TOPICS = {'depth/image': Image, 'depth/camera_info': CameraInfo, 'points': PointCloud2}
FIELDS = ('decode_ms', 'preprocess_ms', 'model_ms', 'postprocess_ms', 'publish_ms', 'total_ms',
          'age_ms', 'received', 'processed', 'replaced', 'rejected', 'failed', 'resets',
          'cpu_memory', 'gpu_memory', 'network_width', 'network_height', 'backend', 'device',
          'precision', 'untrained')


def stamp_of(serialised: bytes) -> int:
    """Return the header stamp in ns of a serialised message that begins with a Header."""
    order = '<' if serialised[1] & 1 else '>'  # CDR: four bytes that tell the byte order come first
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', serialised, 4)
    return seconds * SECOND + nanoseconds


class Listener:
    """Subscribes to what the nodes below some namespaces publish of some cameras."""

    def __init__(self, namespaces: list[str], cameras: list[str], node_name: str):
        self.node = rclpy.create_node('bench_listener')
        self._came: dict[str, list] = defaultdict(list)  # [stamp in ns, ns of arrival, what else]
        self._last = time.monotonic()
        self.cameras = cameras
        for namespace in namespaces:
            for camera in cameras:
                key = f'{namespace}/{camera}' if camera else namespace
                for topic, kind in TOPICS.items():
                    self.node.create_subscription(
                        kind, f'/{key}/{topic}', self._serialised(f'{key}/{topic}'),
                        NEWEST_RELIABLE, raw=True)
                status = f'{node_name}/{camera}/status' if camera else f'{node_name}/status'
                self.node.create_subscription(
                    DepthStatus, f'/{namespace}/{status}', self._status(f'{key}/status'), 100)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave ROS in order. A thread that Python ended in the midst of rclpy would abort."""
        self.node.destroy_node()
        leave(self.executor)
        self._thread.join(2.0)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException, ShutdownException):
            self.executor.spin()

    def _serialised(self, key: str) -> Callable[[bytes], None]:
        came = self._came[key]

        def on_message(serialised: bytes) -> None:
            came.append([stamp_of(serialised), time.time_ns()])
            self._last = time.monotonic()
        return on_message

    def _status(self, key: str) -> Callable[[DepthStatus], None]:
        came = self._came[key]

        def on_message(status: DepthStatus) -> None:
            came.append([stamp_to_ns(status.header.stamp), time.time_ns(),
                         {field: getattr(status, field) for field in FIELDS}])
            self._last = time.monotonic()
        return on_message

    def collect(self, namespace: str, last: int, quiet: float) -> dict[str, list]:
        """Return and forget all that came, after the frame `last` or so many seconds of silence."""
        keys = [f'{namespace}/{camera}' if camera else namespace for camera in self.cameras]
        wanted = [f'{key}/{topic}' for key in keys for topic in ('depth/image', 'status')]
        begin = time.monotonic()
        while not all(self._came[key] and self._came[key][-1][0] >= last for key in wanted):
            if time.monotonic() - max(begin, self._last) > quiet:
                break
            time.sleep(0.005)
        time.sleep(0.03)  # the cloud follows the image
        result = {}
        for key, came in self._came.items():
            if key.startswith(f'{namespace}/'):
                result[key.removeprefix(f'{namespace}/')] = came.copy()
                del came[:len(result[key.removeprefix(f'{namespace}/')])]
        return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--namespaces', nargs='+')
    parser.add_argument('--cameras', nargs='+')
    parser.add_argument('--node-name', default='depth_node')
    options = parser.parse_args()
    prepare([])
    listener = Listener(options.namespaces, options.cameras, options.node_name)
    for line in sys.stdin:
        print(json.dumps(listener.collect(**json.loads(line))), flush=True)
    listener.close()


if __name__ == '__main__':
    main()
