"""A depth node in a process of its own, seen from outside as a robot sees it."""
import ctypes
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
from numpy.testing import assert_allclose
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from ros_rig import PLUMBING, SECOND, Client, Reference, camera, street, to_array
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from flashdepth_ros.images.points import unproject
from flashdepth_ros.ros.message import stamp_to_ns

SMALL = street(2, 70, 70)  # of the smallest size that FlashDepth takes
# short_side bounds the cost of whatever size of image comes
PARAMETERS = {
    **PLUMBING, 'input.short_side': 70, 'points.stride': 1, 'points.remove_edges': False}


LIBC = ctypes.CDLL(None)
PARENT_DEATH = 1  # prctl's PR_SET_PDEATHSIG


def obey() -> None:
    """Make a child heed SIGINT, and end with its parent.

    One that a killed test left behind would answer for the node of a later one in its domain.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    LIBC.prctl(PARENT_DEATH, signal.SIGTERM)


def start(
    executable: str, domain: int, *arguments: str, wrapper: tuple[str, ...] = (),
    environment: dict[str, str] | None = None, **options,
) -> subprocess.Popen:
    """Start an executable of the package in a session of its own, with ROS arguments.

    It heeds SIGINT, which a shell lets its background processes ignore, and they theirs; and it
    ends with this process.
    """
    return subprocess.Popen(
        [*wrapper, sys.executable, '-m', f'flashdepth_ros.{executable}', '--ros-args', *arguments],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), **(environment or {})},
        preexec_fn=obey,
        start_new_session=True, text=True, **options)


def end(process: subprocess.Popen, seconds: float = 10.0) -> None:
    """End a process in order: a killed one would leave its shared memory behind."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def shared_memory(pid: int | str = 'self') -> set[str]:
    """Return the segments in /dev/shm that a process has mapped; each is of 64 MB.

    Those of its peers are among them. Fast DDS 2, of Jazzy and before, calls them fastrtps.
    """
    lines = Path(f'/proc/{pid}/maps').read_text().splitlines()
    return {line.split()[-1] for line in lines
            if re.search(r'/dev/shm/fast(dds|rtps)_(?!port)', line)}


def as_arguments(parameters: dict) -> list[str]:
    """Return parameters as ROS arguments."""
    return [item for name, value in parameters.items() for item in (
        '-p', f'{name}:={str(value).lower() if isinstance(value, bool) else value}')]


class NodeProcess(Client):
    """A client with a depth node in a process of its own, whose log goes to a file."""

    def __init__(
        self, domain: int, log: Path, wrapper: tuple[str, ...] = (),
        environment: dict[str, str] | None = None, **parameters,
    ):
        super().__init__(domain)
        self.log = log
        self.peers = shared_memory()
        with log.open('w') as file:
            self.process = start(
                'depth_node', domain, *as_arguments({**PARAMETERS, **parameters}), wrapper=wrapper,
                # one thread: for so small a network more only wait for each other
                environment={'OMP_NUM_THREADS': '1', **(environment or {})},
                stdout=file, stderr=subprocess.STDOUT)
        self.compressed = self.node.create_publisher(CompressedImage, 'image/compressed', 1)
        self._stamp, self._streams = SECOND, 0
        self._expected: list[np.ndarray] = []

    def activate(self) -> 'NodeProcess':
        assert self.change_state('configure') and self.change_state('activate'), self.last_words()
        return self.connect()

    def connect(self) -> 'NodeProcess':
        """Wait until images reach the active node, and its depth us."""
        assert self.spin_until(lambda: (
            (self.image.get_subscription_count() or self.compressed.get_subscription_count())
            and self.info.get_subscription_count()), 30), self.last_words()
        self.meet('depth/image', 'depth/camera_info', 'points', 'depth_node/status')
        return self

    def without_camera(self) -> 'NodeProcess':
        """Leave the camera's topics to a driver in a process of its own."""
        for publisher in (self.image, self.info, self.compressed):
            self.node.destroy_publisher(publisher)
        return self

    def again(self, **parameters) -> 'NodeProcess':
        """Deactivate, set parameters, and activate again."""
        assert self.change_state('deactivate')
        # else they would be taken for the ones to come
        assert self.spin_until(lambda: not (
            self.image.get_subscription_count() or self.compressed.get_subscription_count()))
        for name, value in parameters.items():
            assert self.set_parameter(name, value)
        assert self.change_state('activate'), self.last_words()
        return self.connect()

    def send(self, image: Image | np.ndarray, stamp: int = 0, **options) -> None:
        """As the client's; also as PNG, for a node that takes compressed images."""
        super().send(image, stamp, **options)
        if self.compressed.get_subscription_count() and isinstance(image, np.ndarray):
            _, data = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            header = Header(frame_id=options.get('frame_id', 'camera'))
            header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
            self.compressed.publish(
                CompressedImage(header=header, format='png', data=data.tobytes()))

    def set_parameter(self, name: str, value) -> bool:
        """Set a parameter through its service; True if the node accepted it."""
        request = SetParameters.Request(parameters=[
            Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, 'depth_node/set_parameters', request).results[0].successful

    def memory(self) -> int:
        """Return the node's resident memory in bytes."""
        pages = int(Path(f'/proc/{self.process.pid}/statm').read_text().split()[1])
        return pages * os.sysconf('SC_PAGE_SIZE')

    def forget(self) -> None:
        """Drop what was received, so that this process does not grow."""
        for messages in self.received.values():
            messages.clear()

    def settle(self) -> None:
        """Wait until no more depth comes out of frames that were sent before."""
        statuses = self.received['depth_node/status']
        while True:
            count = len(statuses)
            if not self.spin_until(lambda count=count: len(statuses) > count, 0.3):
                return

    def depth_of(self, image: Image | np.ndarray, stamp: int = 0, **options) -> np.ndarray:
        """As the client's. A frame that the best-effort transport lost is sent again."""
        self.forget()

        def newest(topic: str):
            return next((message for message in reversed(self.received[topic])
                         if stamp_to_ns(message.header.stamp) == stamp), None)

        for _ in range(5):
            self.send(image, stamp, **options)
            if self.spin_until(lambda: newest('depth/image') and newest('depth_node/status'), 5):
                return to_array(newest('depth/image'))
            assert self.process.poll() is None, self.last_words()
        raise AssertionError(f'no depth came; the log ends with: {self.last_words()}')

    def next_stamp(self) -> int:
        """Return a stamp in ns that continues the ones before it at 30 Hz."""
        self._stamp += SECOND // 30
        return self._stamp

    def assert_right(self, forgiven: str | None = None) -> None:
        """Demand of a new stream what a fresh network gives: its first two depths and its cloud.

        No callback may have raised anything, but for an error that is forgiven.
        """
        assert self.process.poll() is None, self.last_words()
        if not self._expected:
            network = Reference()
            self._expected = [network.depth(frame) for frame in SMALL]
        self.settle()
        self._streams += 1
        for frame, expected in zip(SMALL, self._expected, strict=True):
            stamp = self.next_stamp()
            depth = self.depth_of(frame, stamp, frame_id=f'stream_{self._streams}', info=True)
            assert_allclose(depth, expected, rtol=1e-4)
        points = self.received['points']
        # the frame may have come before its camera_info, so the cloud of the next one is looked at
        assert self.spin_until(lambda: points and stamp_to_ns(
            points[-1].header.stamp) == stamp), 'no cloud came'
        cloud = points[-1]
        wanted = unproject(depth, camera(70, 70))
        assert_allclose(
            np.frombuffer(cloud.data, np.float32).reshape(-1, cloud.point_step // 4)[:, :3],
            wanted[np.isfinite(wanted[..., 2])], rtol=1e-5)
        text = self.log.read_text(errors='replace')
        trace = text.find('Traceback')
        assert trace < 0 or (forgiven and forgiven in text), text[trace:][:3000]

    def last_words(self) -> str:
        return self.log.read_text(errors='replace')[-2000:]

    def stop(self, number: int = signal.SIGINT) -> float:
        """End the node with a signal; return the seconds that it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - begin

    def close(self) -> None:
        end(self.process)
        super().close()
