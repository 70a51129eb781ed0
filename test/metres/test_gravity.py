"""Which way is up, by an accelerometer and a gyroscope."""
import math

import numpy as np
import pytest

from flashdepth_ros.metres.gravity import UpEstimate
from flashdepth_ros.metres.motion_pose import rotation_of

MS = 1_000_000
STILL = np.array([0, 0, 9.81])


def off(estimate: UpEstimate, stamp: int, up: np.ndarray) -> float:
    """Degrees between the estimate and the truth."""
    return math.degrees(math.acos(min(1.0, float(estimate.at(stamp) @ up))))


def test_a_unit_that_turns_and_is_shaken_knows_up():
    rng, estimate, worst = np.random.default_rng(0), UpEstimate(), 0.0
    for index in range(1000):    # 10 s, nodding by 20 degrees
        time = index / 100
        angle = math.radians(20) * math.sin(2 * time)
        up = rotation_of(np.array([0, -angle, 0])) @ (0, 0, 1)
        force = 9.81 * up + rng.normal(0, 1.0, 3)
        speed = math.radians(40) * math.cos(2 * time)
        estimate.add(index * 10 * MS, force, np.array([0, speed, 0]) + rng.normal(0, 0.01, 3))
        if time > 2:
            worst = max(worst, off(estimate, index * 10 * MS, up))
    assert worst < 2.0


def test_without_a_gyroscope_the_accelerometer_is_believed_sooner():
    with_turn, without = UpEstimate(), UpEstimate()
    tilted = rotation_of(np.array([0.3, 0, 0])) @ STILL
    for index in range(100):
        force = STILL if index < 50 else tilted
        with_turn.add(index * 10 * MS, force, np.zeros(3))
        without.add(index * 10 * MS, force, None)
    up = tilted / 9.81
    assert off(without, 990 * MS, up) < 7 < off(with_turn, 990 * MS, up)


def test_a_push_and_nonsense_change_nothing():
    estimate = UpEstimate()
    estimate.add(0, STILL, np.zeros(3))
    estimate.add(10 * MS, np.array([9.81, 0, 9.81]), np.zeros(3))
    estimate.add(20 * MS, np.array([np.nan, 0, 0]), np.zeros(3))
    estimate.add(30 * MS, np.zeros(3), np.full(3, np.inf))    # it falls
    np.testing.assert_allclose(estimate.at(30 * MS), [0, 0, 1])


def test_nothing_is_told_far_from_a_measurement_and_after_a_pause_it_begins_anew():
    estimate = UpEstimate()
    assert estimate.empty and estimate.at(0) is None
    estimate.add(0, STILL, np.zeros(3))
    assert estimate.at(40 * MS) is not None and estimate.at(60 * MS) is None
    estimate.add(2000 * MS, np.array([9.81, 0, 0]), np.zeros(3))
    np.testing.assert_allclose(estimate.at(2000 * MS), [1, 0, 0])
    assert estimate.at(0) is None
    estimate.add(1900 * MS, STILL, np.zeros(3))    # late
    np.testing.assert_allclose(estimate.at(2000 * MS), [1, 0, 0])
    estimate.add(0, STILL, np.zeros(3))    # a clock that began anew
    assert estimate.at(0) == pytest.approx([0, 0, 1])
