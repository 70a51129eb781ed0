"""What the simulated robot's odometry tells: nav_msgs/Odometry on odom, and perhaps TF.

TF also has where odometry began in the map, by truth, as a localisation would tell it.
"""
import importlib
import math
from typing import Any

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from nav_msgs.msg import Odometry
import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from ..images.poses import OPTICAL
from ..ros.message import header_at
from ..ros.parameters import Settings
from ..simulation.scene import Scene
from .sim_floor_plan import FRAME as MAP

BETWEEN = 4         # poses for each image
FRAME, CHILD = 'odom', 'camera_link'    # the child's x is ahead and z up: the camera's body
OPTICAL_QUATERNION = -0.5, 0.5, -0.5, 0.5    # x, y, z, w, of the optical frame in the body's


def quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """Return x, y, z, w of a rotation (3, 3)."""
    w = math.sqrt(max(0.0, 1 + rotation[0, 0] + rotation[1, 1] + rotation[2, 2])) / 2
    x, y, z = (math.sqrt(max(0.0, 1 + 2 * rotation[i, i] - np.trace(rotation))) / 2
               for i in range(3))
    return (math.copysign(x, rotation[2, 1] - rotation[1, 2]),
            math.copysign(y, rotation[0, 2] - rotation[2, 0]),
            math.copysign(z, rotation[1, 0] - rotation[0, 1]), w)


class SimOdometry:
    """Publishes the poses of a scene's camera as its robot would measure them."""

    def __init__(self, node: Node, settings: Settings, optical_frame: str):
        self._settings, self._optical_frame = settings, optical_frame
        self._odom = node.create_publisher(Odometry, 'odom', 50)
        self._scene: Scene | None = None
        self._speed = 0.0    # m/s
        self._tf: Any = None
        try:
            self._tf_message = importlib.import_module('tf2_msgs.msg').TFMessage
        except ImportError:    # it has no PyPI wheel
            return
        self._tf = node.create_publisher(self._tf_message, '/tf', 50)
        self._tf_static = node.create_publisher(self._tf_message, '/tf_static', QoSProfile(
            depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))

    def publish(self, scene: Scene, stamp: int, time: float) -> None:
        """Publish the poses since the last call; stamp in ns and time in seconds of one moment.

        With another scene the odometry begins anew.
        """
        if scene is not self._scene:
            self._scene, self._last = scene, time
            self._place, self._turned = np.zeros(3), 0.0
            self._before = self._true(time)
            self._tell_mounting(stamp)
            self._tell(stamp, self._before[0])
            return
        seconds = time - self._last
        for share in np.arange(1, BETWEEN + 1) / BETWEEN:
            at = self._last + share * seconds
            self._tell(stamp - round((1 - share) * seconds * 1e9), self._advance(
                at, seconds / BETWEEN))
        self._last = time

    def _true(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return rotation and place of the camera's body frame, of what the odometry sees."""
        if self._settings['odometry'] == 'wheels':
            place, rotation = self._scene.carriage_pose(time)
        else:
            pose = self._scene.pose(time)
            place, rotation = pose[:3, 3], pose[:3, :3] @ OPTICAL.T
        return rotation, place

    def _advance(self, time: float, seconds: float) -> np.ndarray:
        """Go on to a time with the errors of the wheels; return the rotation."""
        rotation, place = self._true(time)
        step = place - self._before[1]
        ahead = rotation[:, 0] * (1, 1, 0)
        self._turned += math.radians(self._settings['odometry_yaw']) * float(np.linalg.norm(step))
        c, s = math.cos(self._turned), math.sin(self._turned)
        wrong = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        self._place = self._place + wrong @ (
            step * (1 + self._settings['odometry_length'])
            + ahead * self._settings['odometry_slip'] * seconds)
        self._speed = float(np.linalg.norm(step)) / max(seconds, 1e-9)
        self._before = rotation, place
        return wrong @ rotation

    def _tell(self, stamp: int, rotation: np.ndarray) -> None:
        self._rotation = rotation
        message = Odometry(header=header_at(stamp, FRAME), child_frame_id=CHILD)
        pose = message.pose.pose
        pose.position.x, pose.position.y, pose.position.z = map(float, self._place)
        (pose.orientation.x, pose.orientation.y, pose.orientation.z,
         pose.orientation.w) = quaternion(rotation)
        message.twist.twist.linear.x = self._speed
        self._odom.publish(message)
        if self._tf is not None:
            self._tf.publish(self._transform(
                message.header, CHILD, self._place, quaternion(rotation)))
            turned, place = self.in_map()
            self._tf.publish(self._transform(
                header_at(stamp, MAP), FRAME, place, quaternion(turned)))

    def in_map(self) -> tuple[np.ndarray, np.ndarray]:
        """Return rotation (3, 3) and place (3,) of the odometry's frame in the map, as of now."""
        turned = self._before[0] @ self._rotation.T
        return turned, self._before[1] - turned @ self._place

    def _tell_mounting(self, stamp: int) -> None:
        if self._tf is not None:
            self._tf_static.publish(self._transform(
                header_at(stamp, CHILD), self._optical_frame, np.zeros(3), OPTICAL_QUATERNION))

    def _transform(self, header, child: str, place, turned) -> Any:
        x, y, z, w = turned
        return self._tf_message(transforms=[TransformStamped(
            header=header, child_frame_id=child, transform=Transform(
                translation=Vector3(**dict(zip('xyz', map(float, place), strict=True))),
                rotation=Quaternion(x=x, y=y, z=z, w=w)))])
