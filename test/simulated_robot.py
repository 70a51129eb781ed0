"""A robot that drives through a simulated room, before whose camera a box comes and goes."""
from collections.abc import Callable

from nav_msgs.msg import Odometry
import numpy as np
from ros_rig import SECOND, Rig, to_array
from sensor_msgs.msg import PointCloud2

from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.message import header_at, stamp_to_ns
from flashdepth_ros.scoring.costmap import BoxVisit, TrueCells
from flashdepth_ros.tools.costmap_evaluation import shipped_configuration

RATE, STAY = 10, 10    # frames a second, and of a box


def shipped_parameters() -> dict:
    """Return those of config/nav2_depth.yaml that say what clouds become, with their full names."""
    _, shipped = shipped_configuration()
    return {f'{group}.{name}': value for group in ('output', 'points')
            for name, value in shipped[group].items()}


class Robot:
    """Drives the path of a scene, sends what its camera sees, and collects the node's clouds.

    In the last frames but STAY a box stands before it for as many. picture: of a frame, what its
    camera sees. begin: the stamp of the first, in ns.
    """

    def __init__(self, node: Rig, renderer, seed: int, kind: str | None, frames: int,
                 picture: Callable = lambda frame: frame.rgb):
        from flashdepth_ros.cameras.sim_odometry import SimOdometry
        from flashdepth_ros.simulation import make_scene
        self.begin = SECOND
        self.first, self.last = frames - 2 * STAY, frames - STAY
        self.scene = scene = make_scene(
            seed, kind, visit=((self.first - 0.5) / RATE, (self.last - 0.5) / RATE))
        self.node, self._renderer, self._picture = node, renderer, picture
        self.wheels = SimOdometry(node.node, {
            'odometry': 'wheels', 'odometry_length': 0.0, 'odometry_yaw': 0.5,
            'odometry_slip': 0.0}, 'camera')
        self.frames = [renderer.render(scene, index / RATE) for index in range(frames)]
        self.odometry = node.collect(Odometry, 'odom')
        self._clouds = {topic: node.collect(PointCloud2, topic)
                        for topic in ('points', 'points/clearing')}
        node.meet(*self._clouds)

    def stamp(self, index: int) -> int:
        return self.begin + index * SECOND // RATE

    def send(self, index: int, moving: bool = True) -> None:
        """Publish a frame with its odometry and its camera_info; of the first, if not moving."""
        stamp, shown = self.stamp(index), index if moving else 0
        self.wheels.publish(self.scene, stamp, shown / RATE)
        self.node.spin_until(lambda: False, 0.03)
        header = header_at(stamp, 'camera')
        self.node.info.publish(intrinsics_to_info(self._renderer.intrinsics, header))
        self.node.image.publish(rgb_to_image(self._picture(self.frames[shown]), header))

    def calibrate(self) -> None:
        """Set scale.factor as docs/scale.md says, by distances measured at the first frame."""
        self.send(0)
        depths = self.node.received['depth/image']
        assert self.node.spin_until(lambda: depths)
        depth, truth = to_array(depths[0]), self.frames[0].depth
        near = np.isfinite(depth)
        factor = float(np.median(depth[near] / truth[near]))
        assert self.node.set_parameter('scale.factor', factor).successful

    def clouds(self, index: int) -> dict[str, np.ndarray]:
        """Send a frame and return its clouds, (N, 3), by topic."""
        self.send(index)
        return self.received(index)

    def received(self, index: int) -> dict[str, np.ndarray]:
        """Return the clouds of a frame that was sent."""
        stamp = self.stamp(index)
        assert self.node.spin_until(lambda: all(
            messages and stamp_to_ns(messages[-1].header.stamp) == stamp
            for messages in self._clouds.values()))
        return {topic: np.frombuffer(messages[-1].data, np.float32).reshape(-1, 3)
                for topic, messages in self._clouds.items()}

    def truth(self) -> TrueCells:
        """Return what is true of its way."""
        visit = self.scene.visit
        return TrueCells(
            [frame.depth for frame in self.frames], np.array([each.pose for each in self.frames]),
            self._renderer.intrinsics, *shipped_configuration(),
            BoxVisit(visit.place, visit.size, self.first, self.last))
