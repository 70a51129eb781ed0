"""The scale from the camera's height over a flat floor."""
import numpy as np
from sensor_msgs.msg import Imu
from std_msgs.msg import Header

from ..metres.floor_fit import ANY_PITCH, fit_ground, tilts
from ..metres.gravity import UpEstimate
from ..metres.tracker import Scale
from ..ros.message import stamp_to_ns
from ..ros.parameters import ParameterError, Settings
from ..ros.topics import Listener, Topics
from .camera_input import Picture
from .reference import FitResult
from .transforms import Transforms, mounting

DEPTH = 50    # messages: an IMU tells far more often than a camera
Tilt = tuple[tuple[float, float], float]    # pitch at least and at most, and roll, in degrees


class GroundSource:
    """Looks for the floor where the parameters, TF or gravity tell that it is.

    ParameterError where nothing tells the camera's height.
    """

    def __init__(self, topics: Topics, prefix: str, settings: Settings):
        self._height = settings['scale.camera_height']
        self._base = settings['scale.base_frame']
        self._transforms = None
        if settings['scale.mounting'] == 'tf':
            self._transforms = Transforms(topics, 'scale.mounting tf')
        if self._height <= 0 and self._transforms is None:
            raise ParameterError(
                'scale.mode is ground, and scale.camera_height is not set: give the height of the '
                "camera's lens above the floor in metres, or set scale.mounting to tf")
        self._mounting = mounting(settings)
        pitch, self._roll = settings['scale.camera_pitch'], settings['scale.camera_roll']
        self._pitch = (pitch, pitch) if pitch or self._roll else ANY_PITCH
        self.gravity = GravityInput(topics, prefix) if settings['scale.imu'] else None

    def fit(self, d: np.ndarray, picture: Picture, header: Header,
            scale: Scale | None = None) -> FitResult:
        stamp, intrinsics = stamp_to_ns(header.stamp), picture.view.intrinsics
        if intrinsics is None:
            return stamp, None, 'no camera_info has come'
        height, pose = self._height, None
        if self._transforms is not None:
            pose = self._look_up(self._base, header.frame_id, stamp)
            if pose is None:
                return stamp, None, (
                    f"TF tells no pose of '{header.frame_id}' in '{self._base}' "
                    f'(scale.base_frame): {self._transforms.problem}')
            height = height or float(pose[2, 3])
            if height <= 0:
                return stamp, None, (f"TF has the camera {height:.2f} m above '{self._base}', "
                                     f'which must lie on the floor (scale.base_frame)')
        try:
            pitch, roll = self._tilt(stamp, header.frame_id, pose)
        except LookupError as error:
            return stamp, None, str(error)
        return stamp, *fit_ground(
            d, intrinsics.resized(*d.shape[::-1]), height, pitch=pitch, roll=roll)

    def _tilt(self, stamp: int, frame: str, pose: np.ndarray | None) -> Tilt:
        """Tell the floor's tilt by gravity, by TF or by the parameters; LookupError."""
        if self.gravity is None:
            return (self._pitch, self._roll) if pose is None else _tilt_of(pose[2, :3])
        up = self.gravity.at(stamp)
        if up is None:
            raise LookupError(f'no measurement at the stamp of the image has come on '
                              f'{self.gravity.topic} (scale.imu)')
        own = self.gravity.frame
        if own in ('', frame):
            return _tilt_of(up)
        if self._transforms is None:    # then it is the robot's, x ahead and z up
            return _tilt_of(up @ self._mounting[:3, :3])
        turned = self._look_up(own, frame, stamp)
        if turned is None:
            raise LookupError(f"TF tells no pose of '{frame}' in '{own}', the frame of "
                              f'{self.gravity.topic} (scale.imu): {self._transforms.problem}')
        return _tilt_of(up @ turned[:3, :3])

    def _look_up(self, target: str, source: str, stamp: int) -> np.ndarray | None:
        """Ask TF for a moment, or for its newest where it does not know that yet."""
        found = self._transforms.pose(target, source, stamp)
        return self._transforms.pose(target, source, 0) if found is None else found

    def subscribe(self) -> None:
        if self._transforms is not None:
            self._transforms.subscribe()
        if self.gravity is not None:
            self.gravity.subscribe()

    def unsubscribe(self) -> None:
        if self._transforms is not None:
            self._transforms.unsubscribe()
        if self.gravity is not None:
            self.gravity.unsubscribe()

    def look_around(self) -> None:
        if self.gravity is not None:
            self.gravity.refresh()

    def forget(self) -> None:
        pass


def _tilt_of(up: np.ndarray) -> Tilt:
    pitch, roll = (float(each[0]) for each in tilts(-up[None]))
    return (pitch, pitch), roll


class GravityInput:
    """What is up, by sensor_msgs/Imu on `imu`, below `prefix`."""

    def __init__(self, topics: Topics, prefix: str):
        self.topic = topics.name(f'{prefix}imu')
        self.frame = ''    # of the newest message
        self._estimate = UpEstimate()
        self._listener = Listener(topics, Imu, self.topic, self._on_imu, DEPTH)

    def subscribe(self) -> None:
        self._listener.subscribe()

    def refresh(self) -> None:
        """Follow publishers that come and go."""
        self._listener.refresh()

    def unsubscribe(self) -> None:
        """Stop receiving, and drop what has come."""
        self._listener.unsubscribe()
        self._estimate.clear()

    def at(self, stamp: int) -> np.ndarray | None:
        """Return what is up (3,) in the unit's frame at a stamp in ns, or None."""
        return self._estimate.at(stamp)

    def _on_imu(self, message: Imu) -> None:
        if message.header.frame_id != self.frame:
            self.frame = message.header.frame_id
            self._estimate.clear()
        a, w = message.linear_acceleration, message.angular_velocity
        # REP 145: -1 where a driver does not measure it
        turn = None if message.angular_velocity_covariance[0] == -1 else np.array([w.x, w.y, w.z])
        if message.linear_acceleration_covariance[0] != -1:
            self._estimate.add(stamp_to_ns(message.header.stamp), np.array([a.x, a.y, a.z]), turn)
