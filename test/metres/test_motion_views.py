"""What is kept of earlier places: shared corners, the robot's own body, and lengths that slip."""
import math

import numpy as np
import pytest

from flashdepth_ros.metres.motion_pose import Motion
from flashdepth_ros.metres.motion_samples import triangulate
from flashdepth_ros.metres.motion_views import Pair, View, remember, that_share, with_depths

FOCAL, SECOND, N = 500.0, 1_000_000_000, 120
POINTS = np.column_stack([
    np.random.default_rng(0).uniform(-0.6, 0.6, (N, 2)) * 4, np.full(N, 4.0)])


def view(time: float, ahead: float, told: float | None = None, body: int = 0) -> View:
    """What a camera sees `ahead` metres further on; told: where odometry has it.

    The first `body` corners stay in the picture but for a pixel or two, and drift in it.
    """
    points = POINTS - (0, 0, ahead)
    rays = points[:, :2] / points[:, 2:]
    rays[:body] = POINTS[:body, :2] / 4 + 1.5 * time / FOCAL
    pose = np.eye(4)
    pose[2, 3] = ahead if told is None else told
    nothing = np.zeros(N)
    return View(round(time * SECOND), np.arange(N), rays, nothing.astype(int), nothing + 1,
                nothing > -1, np.ones(2), FOCAL, N, pose)


def test_what_stays_in_the_picture_while_the_rest_moves_is_the_robot_itself():
    near = that_share([view(0, 0.0, body=30)], view(1, 0.8, body=30))
    assert len(near) == 1 and near[0].mine.min() == 30
    # though far things move less than near ones, they stay
    assert len(near[0].mine) > 0.7 * (N - 30)
    # where nothing moves much, nothing is told from it
    assert len(that_share([view(0, 0.0)], view(1, 0.06))[0].mine) == N


def test_a_place_is_remembered_once():
    views: list[View] = []
    for ahead in (0.0, 0.01, 0.03):
        remember(views, view(ahead * 10, ahead))
    assert [each.pose[2, 3] for each in views] == [0.0, 0.03]


def drive(spin: float) -> dict[float, float]:
    """Drive at 0.4 m/s with wheels that spin from the second second to the third; stretches."""
    views: list[View] = []
    stretches = {}
    for time in np.arange(0, 6.05, 0.2):
        told = 0.4 * (time + spin * min(max(time - 2, 0.0), 1.0))
        now = view(float(time), 0.4 * float(time), told)
        for found in that_share(views, now):
            if found.length < 0.3:
                continue
            motion = Motion(np.eye(3), np.array([0, 0, -found.length]), np.eye(3)[:2], np.eye(5),
                            0.4, 0.0, 0.0)
            pair = Pair(found.key, found.mine, found.theirs, motion)
            solved = triangulate(found.key.rays[found.theirs], now.rays[found.mine], motion, FOCAL)
            now = with_depths(views, now, pair, solved, solved.good)
            stretches[round(float(time), 1)] = now.stretch
            break
        remember(views, now)
    return stretches


def test_wheels_that_spin_make_a_way_longer_than_the_corners_tell():
    honest, spun = drive(0.0), drive(0.3)
    assert max(abs(each) for each in honest.values()) < 0.01
    assert spun[1.8] == pytest.approx(0, abs=0.01)
    assert 0.15 < spun[3.0] < math.log(1.3) + 0.02
    assert abs(spun[5.0]) < 0.1    # and grip again
