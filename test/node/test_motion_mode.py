"""scale.mode motion over DDS: a simulated drive with its odometry, through the real network."""
from egl import needs_egl
from nav_msgs.msg import Odometry
import numpy as np
from ros_rig import SECOND

from flashdepth_ros.ros.message import header_at, stamp_to_ns

MOTION = {'scale.mode': 'motion', 'model.name': 'flashdepth-nano', 'model.weights': 'auto',
          'input.short_side': 0}
FRAMES = 45


def odometry(stamp: int, x: float = 0.0) -> Odometry:
    message = Odometry(header=header_at(stamp, 'odom'), child_frame_id='base_link')
    message.pose.pose.position.x, message.pose.pose.orientation.w = x, 1.0
    return message


def test_without_odometry_there_are_no_metres_and_the_reason_is_told(rig):
    node = rig(**MOTION).activate()
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    assert np.isnan(node.depth_of(picture, SECOND, info=True)).all()
    assert not node.status.calibrated
    assert node.status.scale_problem == 'no odometry has come on /odom'
    assert node.spin_until(lambda: node.health('output') and (
        'no odometry has come on /odom' in node.health('output').message))


def test_a_robot_that_stands_gets_no_metres(rig):
    node = rig(**MOTION).activate()
    publisher = node.node.create_publisher(Odometry, 'odom', 10)
    assert node.spin_until(publisher.get_subscription_count)
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for index in range(3):
        stamp = SECOND + index * SECOND // 10
        publisher.publish(odometry(stamp))
        node.spin_until(lambda: False, 0.1)
        assert np.isnan(node.depth_of(picture, stamp, info=True)).all()
    assert 'no earlier place is 5 cm away' in node.status.scale_problem


def test_metres_appear_as_the_robot_drives(rig):
    needs_egl()
    from flashdepth_ros.cameras.sim_odometry import SimOdometry
    from flashdepth_ros.simulation import Renderer, make_scene
    node = rig(**MOTION, **{'camera.hfov': 70.0}).activate()
    scene = make_scene(62002, 'hall')
    wheels = SimOdometry(node.node, {
        'odometry': 'wheels', 'odometry_length': 0.0, 'odometry_yaw': 0.5, 'odometry_slip': 0.0,
    }, 'camera')
    assert node.spin_until(lambda: node.node.count_subscribers('odom'))
    ratios = []
    with Renderer(320, 240) as renderer:
        for index in range(FRAMES):
            stamp, time = SECOND + index * SECOND // 10, index / 10
            wheels.publish(scene, stamp, time)
            node.spin_until(lambda: False, 0.05)
            frame = renderer.render(scene, time)
            depth = node.depth_of(frame.rgb, stamp)
            if node.status.calibrated:
                valid = np.isfinite(depth) & np.isfinite(frame.depth)
                ratios.append(float(np.median(depth[valid] / frame.depth[valid])))
            else:
                assert np.isnan(depth).all()
    assert len(ratios) > 5, node.status.scale_problem
    assert len(ratios) < FRAMES    # not at once
    # the network's shape is not exact, and its scale differs by region
    assert 0.7 < np.median(ratios) < 1.4
    assert node.status.motion_tracks > 30 and node.status.motion_parallax > 1
    assert 0.3 < node.status.motion_accepted <= 1 and node.status.motion_distance < 1.0
    # a robot that stands for longer than scale.max_age still sees: its scale has not changed
    clouds = node.received['points']
    for index in range(3):
        stamp += SECOND // 10 if index else 20 * SECOND
        wheels.publish(scene, stamp, time)
        node.spin_until(lambda: False, 0.1)
        node.depth_of(frame.rgb, stamp)
    assert node.status.scale_age > 15
    assert node.spin_until(lambda: clouds and stamp_to_ns(clouds[-1].header.stamp) == stamp)
