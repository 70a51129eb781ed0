"""A drive through a simulated room: a costmap marks what comes, and forgets what has gone."""
from egl import needs_egl
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from ros_rig import Rig
from sensor_msgs.msg import PointCloud2

from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.image_messages import rgb_to_image
from flashdepth_ros.ros.message import header_at, stamp_to_ns
from flashdepth_ros.scoring.costmap import BoxVisit, TrueCells, score_costmap
from flashdepth_ros.tools.costmap_evaluation import shipped_configuration

needs_egl()

RATE, STAY = 10, 10    # frames a second, and of a box


class Robot:
    """Drives the path of a scene, sends what its camera sees, and collects the node's clouds.

    In the last frames but STAY a box stands before it for as many.
    """

    def __init__(self, node: Rig, renderer, seed: int, kind: str | None, frames: int):
        from flashdepth_ros.cameras.sim_odometry import SimOdometry
        from flashdepth_ros.simulation import make_scene
        self.first, self.last = frames - 2 * STAY, frames - STAY
        self.scene = scene = make_scene(
            seed, kind, visit=((self.first - 0.5) / RATE, (self.last - 0.5) / RATE))
        self.node, self._renderer = node, renderer
        self.wheels = SimOdometry(node.node, {
            'odometry': 'wheels', 'odometry_length': 0.0, 'odometry_yaw': 0.5,
            'odometry_slip': 0.0}, 'camera')
        self.frames = [renderer.render(scene, index / RATE) for index in range(frames)]
        self.odometry = node.collect(Odometry, 'odom')
        self._clouds = {topic: node.collect(PointCloud2, topic)
                        for topic in ('points', 'points/clearing')}
        node.meet(*self._clouds)

    def send(self, index: int) -> None:
        """Publish a frame with its odometry and its camera_info."""
        stamp = 1_000_000_000 + index * 1_000_000_000 // RATE
        self.wheels.publish(self.scene, stamp, index / RATE)
        self.node.spin_until(lambda: False, 0.03)
        header = header_at(stamp, 'camera')
        self.node.info.publish(intrinsics_to_info(self._renderer.intrinsics, header))
        self.node.image.publish(rgb_to_image(self.frames[index].rgb, header))

    def clouds(self, index: int) -> dict[str, np.ndarray]:
        """Send a frame and return its clouds, (N, 3), by topic."""
        self.send(index)
        return self.received(index)

    def received(self, index: int) -> dict[str, np.ndarray]:
        """Return the clouds of a frame that was sent."""
        stamp = 1_000_000_000 + index * 1_000_000_000 // RATE
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


@pytest.fixture
def drive(rig):
    """Let a node see a drive, with a scale.mode."""
    from flashdepth_ros.simulation import Renderer
    _, parameters = shipped_configuration()

    def begin(mode: str, *which) -> Robot:
        node = rig(**{
            **{f'output.{name}': value for name, value in parameters['output'].items()},
            **{f'points.{name}': value for name, value in parameters['points'].items()},
            'points.stride': 2, 'points.rate': 0.0,    # of 640 pixels; every frame has its clouds
            'model.name': 'flashdepth-nano', 'model.weights': 'auto', 'input.short_side': 0,
            'scale.mode': mode})
        return Robot(node.activate(), renderer, *which)
    with Renderer(320, 240) as renderer:
        yield begin


def test_a_box_is_marked_when_it_comes_and_cleared_when_it_has_gone(drive):
    robot = drive('fixed', 1, None, 30)
    # calibrated as docs/scale.md says, by measured distances, at the first frame
    node = robot.node
    robot.send(0)
    assert node.spin_until(lambda: node.received['depth/image'])
    message = node.received['depth/image'][0]
    depth = np.frombuffer(message.data, np.float32).reshape(240, 320)
    near = np.isfinite(depth)
    factor = float(np.median(depth[near] / robot.frames[0].depth[near]))
    assert node.set_parameter('scale.factor', factor).successful
    truth = robot.truth()
    clouds = [None, *(robot.clouds(index) for index in range(1, len(robot.frames)))]
    found = score_costmap(clouds, truth, RATE)
    assert found.to_mark[0] <= 0.5 and found.to_clear[0] <= 1.0
    assert found.left == 0
    # and what is near the way is known on the whole
    assert found.near[0] > 0.6 * found.true[0] > 0


def test_the_same_with_metres_of_its_own_way(drive):
    robot = drive('motion', 62002, 'hall', 60)
    node, statuses, clouds = robot.node, robot.node.received['depth_node/status'], []
    assert node.spin_until(lambda: node.node.count_subscribers('odom'))
    for index in range(len(robot.frames)):
        robot.send(index)
        assert node.spin_until(lambda: len(statuses) > index)    # noqa: B023 - called at once
        clouds.append(robot.received(index) if statuses[-1].calibrated else None)
    assert clouds[0] is None and clouds[robot.first] is not None    # neither cloud without metres
    found = score_costmap(clouds, robot.truth(), RATE)
    assert found.to_mark[0] <= 0.5 and found.to_clear[0] <= 1.0
    assert found.left == 0
    # the heading that it tells has gone off; where the floor plan has it, it is right
    turned, place = robot.wheels.in_map()
    told = robot.odometry[-1].pose.pose.position
    here, _ = robot.scene.carriage_pose((len(robot.frames) - 1) / RATE)
    np.testing.assert_allclose(turned @ (told.x, told.y, told.z) + place, here, atol=1e-6)
    assert np.degrees(np.arctan2(turned[1, 0], turned[0, 0])) < -0.2
