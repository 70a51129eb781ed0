"""Poses between stamps, and jumps of the odometry."""
import math

import numpy as np
import pytest

from flashdepth_ros.images.poses import pose_of
from flashdepth_ros.metres.motion_pose import rotation_of, vector_of
from flashdepth_ros.metres.pose_history import PoseHistory, mounted

MS = 1_000_000


def pose(x: float, yaw: float = 0.0) -> np.ndarray:
    result = np.eye(4)
    result[:3, :3], result[0, 3] = rotation_of(np.array([0, 0, yaw])), x
    return result


def test_between_two_poses_place_and_turn_are_interpolated():
    history = PoseHistory()
    history.add(100 * MS, pose(1.0, 0.1))
    history.add(200 * MS, pose(1.1, 0.3))
    between = history.at(125 * MS)
    assert between[0, 3] == pytest.approx(1.025)
    np.testing.assert_allclose(vector_of(between[:3, :3]), [0, 0, 0.15], atol=1e-9)
    np.testing.assert_array_equal(history.at(200 * MS), pose(1.1, 0.3))


def test_nothing_is_told_before_after_and_in_gaps():
    history = PoseHistory()
    assert history.at(0) is None
    for stamp in (100, 200, 600):
        history.add(stamp * MS, pose(0.0))
    assert history.at(99 * MS) is None and history.at(601 * MS) is None
    assert history.at(400 * MS) is None and history.at(150 * MS) is not None


@pytest.mark.parametrize(('to', 'speed', 'jump'), [
    (0.2, 0.0, False),    # 2 m/s of wheels that tell no speed
    (0.5, 0.0, True),     # 5 m/s
    (0.5, 5.0, False),    # which they tell
    (0.04, 0.0, False)])
def test_a_jump_begins_a_new_epoch(to, speed, jump):
    history = PoseHistory()
    history.add(100 * MS, pose(0.0))
    history.add(200 * MS, pose(to), speed)
    assert history.epoch == jump
    assert (history.at(150 * MS) is None) == jump


def test_a_stamp_that_goes_back_and_a_turn_at_once_are_jumps_and_nan_is_left_out():
    history = PoseHistory()
    history.add(100 * MS, pose(0.0))
    history.add(200 * MS, pose(math.nan))
    assert history.at(150 * MS) is None and history.epoch == 0
    history.add(150 * MS, pose(0.0, 2.0))
    assert history.epoch == 1
    history.add(50 * MS, pose(0.0))
    assert history.epoch == 2 and history.at(50 * MS) is not None


def test_quaternions_and_mountings_are_those_of_ros():
    half = math.radians(90) / 2
    np.testing.assert_allclose(
        pose_of((1, 2, 3), (0, 0, math.sin(half), math.cos(half))),
        [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]], atol=1e-12)
    assert np.isnan(pose_of((1, 2, 3), (0, 0, 0, 0))).all()
    down = mounted(0.1, 0, 0.5, 0, math.radians(30), 0)
    np.testing.assert_allclose(    # the optical axis
        down[:3, 2], [math.cos(math.radians(30)), 0, -0.5], atol=1e-12)
    np.testing.assert_allclose(mounted(0, 0, 0, 0, 0, math.pi / 2)[:3, 2], [0, 1, 0], atol=1e-12)
