"""What an inertial measurement unit in the simulated camera measures: sensor_msgs/Imu on imu."""
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Imu

from ..ros.message import header_at
from ..simulation.scene import Scene

BETWEEN = 4          # measurements for each image
STEP = 0.05          # seconds over which speed and turn are differences
GRAVITY = np.array([0.0, 0.0, 9.81])
NOISE = 0.05, 0.002  # m/s^2 and rad/s, standard deviations
NONE = [-1.0, *[0.0] * 8]    # REP 145: orientation is not measured


class SimImu:
    """Publishes accelerations and turns in the camera's optical frame."""

    def __init__(self, node: Node, frame: str):
        self._frame = frame
        self._publisher = node.create_publisher(Imu, 'imu', 50)
        self._rng = np.random.default_rng(0)
        self._last: float | None = None    # seconds

    def publish(self, scene: Scene, stamp: int, time: float) -> None:
        """Publish the measurements since the last call; stamp in ns and time in seconds of now."""
        began = self._last is None or time <= self._last
        seconds = 0.0 if began else time - self._last
        for share in (1.0,) if began else np.arange(1, BETWEEN + 1) / BETWEEN:
            back = (1 - share) * seconds
            self._tell(scene, stamp - round(back * 1e9), time - back)
        self._last = time

    def _tell(self, scene: Scene, stamp: int, time: float) -> None:
        before, now, after = (scene.pose(time + step) for step in (-STEP, 0, STEP))
        places = before[:3, 3] - 2 * now[:3, 3] + after[:3, 3]
        turned = before[:3, :3].T @ after[:3, :3]
        force = now[:3, :3].T @ (places / STEP ** 2 + GRAVITY)
        # small turns: the antisymmetric part is the vector
        turn = np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0],
                         turned[1, 0] - turned[0, 1]]) / (4 * STEP)
        force = force + NOISE[0] * self._rng.standard_normal(3)
        turn = turn + NOISE[1] * self._rng.standard_normal(3)
        message = Imu(header=header_at(stamp, self._frame), orientation_covariance=NONE)
        for part, values in ((message.linear_acceleration, force),
                             (message.angular_velocity, turn)):
            part.x, part.y, part.z = map(float, values)
        self._publisher.publish(message)
