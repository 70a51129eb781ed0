"""A drive through a simulated room: a costmap marks what comes, and forgets what has gone."""
from egl import needs_egl
import numpy as np
import pytest
from simulated_robot import RATE, Robot, shipped_parameters

from flashdepth_ros.scoring.costmap import score_costmap

needs_egl()


@pytest.fixture
def drive(rig):
    """Let a node see a drive, with a scale.mode."""
    from flashdepth_ros.simulation import Renderer

    def begin(mode: str, *which) -> Robot:
        node = rig(**{
            **shipped_parameters(),
            'points.stride': 2, 'points.rate': 0.0,    # of 640 pixels; every frame has its clouds
            'model.name': 'flashdepth-nano', 'model.weights': 'auto', 'input.short_side': 0,
            'scale.mode': mode})
        return Robot(node.activate(), renderer, *which)
    with Renderer(320, 240) as renderer:
        yield begin


def test_a_box_is_marked_when_it_comes_and_cleared_when_it_has_gone(drive):
    robot = drive('fixed', 1, None, 30)
    robot.calibrate()
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
