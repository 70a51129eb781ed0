"""Where a camera is, by the robot's odometry: from a topic, or through TF."""
import math

from nav_msgs.msg import Odometry
import numpy as np

from ..images.poses import pose_of
from ..metres.pose_history import PoseHistory
from ..ros.message import stamp_to_ns
from ..ros.parameters import Settings
from ..ros.topics import Listener, Topics
from .transforms import Transforms, mounting

DEPTH = 50    # messages: wheels tell more often than a camera
JUMP = 1_000_000_000    # ns back after which stamps are those of a clock that began anew


class OdometryInput:
    """The camera's pose at the stamps of images, below `prefix`: `pose`, and `problem` without.

    epoch: grows where the odometry jumps.
    """

    def __init__(self, topics: Topics, prefix: str, settings: Settings):
        self.topic = topics.name(f'{prefix}odom')
        self._by_topic = settings['scale.odometry'] == 'topic'
        self._odom_frame = settings['scale.odom_frame']
        self._offset = round(1e9 * settings['scale.time_offset'])
        self._mounting: np.ndarray | None = None    # told by TF
        if self._by_topic and settings['scale.mounting'] == 'parameters':
            self._mounting = mounting(settings)
        self._transforms = None
        if self._mounting is None:
            self._transforms = Transforms(topics, 'scale.odometry tf or scale.mounting tf')
        self._history = PoseHistory()
        self._newest = 0    # stamp of a pose of TF
        self._frames = '', ''    # of the newest message, its own and the robot's
        self._listener = Listener(topics, Odometry, self.topic, self._on_odometry, DEPTH)

    @property
    def epoch(self) -> int:
        return self._history.epoch

    def subscribe(self) -> None:
        """Begin to receive."""
        if self._transforms is not None:
            self._transforms.subscribe()
        if self._by_topic:
            self._listener.subscribe()

    def refresh(self) -> None:
        """Follow publishers that come and go."""
        self._listener.refresh()

    def unsubscribe(self) -> None:
        """Stop receiving, and drop what has come."""
        self._listener.unsubscribe()
        if self._transforms is not None:
            self._transforms.unsubscribe()
        self._history.clear()

    def _on_odometry(self, message: Odometry) -> None:
        p, q = message.pose.pose.position, message.pose.pose.orientation
        frames = message.header.frame_id, message.child_frame_id
        if frames != self._frames:
            if any(self._frames):
                self._history.clear()
                self._history.epoch += 1
            self._frames = frames
        v = message.twist.twist.linear
        speed = math.sqrt(v.x ** 2 + v.y ** 2 + v.z ** 2)
        self._history.add(
            stamp_to_ns(message.header.stamp),
            pose_of((p.x, p.y, p.z), (q.x, q.y, q.z, q.w)),
            speed if math.isfinite(speed) else None)

    def pose(self, stamp: int, frame: str) -> np.ndarray | None:
        """Return where a camera's optical frame was at a stamp in ns, (4, 4), or None."""
        stamp += self._offset
        if not self._by_topic:
            pose = self._transforms.pose(self._odom_frame, frame, stamp)
            if pose is not None and not 0 <= self._newest - stamp < JUMP:
                self._newest = stamp
                self._history.add(stamp, pose)    # which notices jumps
            return pose
        robot = self._history.at(stamp)
        if robot is None:
            return None
        if self._mounting is not None:
            return robot @ self._mounting
        camera = self._transforms.pose(self._frames[1], frame, 0)
        return None if camera is None else robot @ camera

    def problem(self) -> str:
        """Say why there is no pose."""
        if not self._by_topic:
            return (f"TF tells no pose of the camera in the frame '{self._odom_frame}' "
                    f'(scale.odom_frame) at the stamps of the images: {self._transforms.problem}')
        if self._history.empty:
            return f'no odometry has come on {self.topic}'
        if self._transforms is not None and self._transforms.problem:
            return ('TF does not tell how the camera is mounted (scale.mounting): '
                    + self._transforms.problem)
        return f'the odometry on {self.topic} tells no pose at the stamps of the images'
