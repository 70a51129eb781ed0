"""The camera's motion from odometry and tracks, and the depths that come of it."""
from dataclasses import replace
import math

import numpy as np
import pytest

from flashdepth_ros.metres.affine_fit import fit_affine, fit_factor
from flashdepth_ros.metres.motion_pose import Prior, _cross, refine, rotation_of, vector_of
from flashdepth_ros.metres.motion_samples import look_up, parallax, pose_sigma, triangulate
from flashdepth_ros.metres.tracker import motion_tracker

FOCAL = 500.0
TURN, STEP = np.array([0.02, -0.05, 0.01]), np.array([0.06, -0.02, -0.35])


def tracks(noise: float = 0.0, count: int = 200, step: np.ndarray = STEP, seed: int = 0):
    """Rays (count, 2) of points before and after a motion, and their inverse depth afterwards."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1.5, 6, count)
    x2 = np.column_stack([rng.uniform(-0.6, 0.6, (count, 2)) * depth[:, None], depth])
    x1 = (x2 - step) @ rotation_of(TURN)
    pixel = noise / FOCAL
    first, second = (x[:, :2] / x[:, 2:] + pixel * rng.standard_normal((count, 2))
                     for x in (x1, x2))
    return first, second, 1 / depth


def wrong(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Odometry that is off: rotation and translation."""
    off = rotation_of(np.array([angle, -angle / 2, angle / 3]))
    return off @ rotation_of(TURN), off @ STEP


def test_tracks_mend_the_odometrys_rotation_and_direction_and_keep_its_length():
    first, second, inverse = tracks(noise=0.2)
    motion = refine(first, second, *wrong(math.radians(2)), FOCAL, Prior())
    assert np.linalg.norm(vector_of(motion.rotation @ rotation_of(-TURN))) < math.radians(0.1)
    assert np.linalg.norm(motion.translation) == pytest.approx(np.linalg.norm(STEP))
    way = motion.translation @ STEP / (STEP @ STEP)
    assert math.degrees(math.acos(min(1.0, way))) < 1.0
    solved = triangulate(first, second, motion, FOCAL)
    error = np.log(solved.inverse[solved.good] / inverse[solved.good])
    assert solved.good.mean() > 0.5 and abs(np.median(error)) < 0.02
    assert pose_sigma(solved, motion, solved.good) < 0.05


def test_a_third_of_the_tracks_on_something_that_moves_changes_little():
    first, second, inverse = tracks(noise=0.2)
    rng = np.random.default_rng(1)
    second[:66] += (0.1, 0.03) + 0.0004 * rng.standard_normal((66, 2))
    motion = refine(first, second, *wrong(math.radians(1)), FOCAL, Prior())
    solved = triangulate(first, second, motion, FOCAL)
    still = solved.good.copy()
    still[:66] = False
    assert abs(np.median(np.log(solved.inverse[still] / inverse[still]))) < 0.03
    assert solved.good[:66].mean() < 0.5


def test_many_tracks_tell_the_motion_little_better_than_a_few():
    """Blur and drift move neighbours alike, and the odometry must not be overruled by that."""
    few, many = (np.sqrt(np.diag(refine(
        *tracks(noise=0.2, count=count)[:2], *wrong(0.0), FOCAL, Prior()).covariance))
        for count in (40, 400))
    assert (many > 0.75 * few).all()


def test_cross_products_are_numpys():
    a, b = np.random.default_rng(0).standard_normal((2, 5, 3))
    np.testing.assert_allclose(_cross(a, b), np.cross(a, b), atol=1e-15)


def test_turning_leaves_no_parallax_whatever_the_odometry_claims():
    first, second, _ = tracks(noise=0.2, step=np.zeros(3))
    motion = refine(first, second, rotation_of(TURN), np.array([0, 0, -0.3]), FOCAL, Prior())
    assert np.median(parallax(first, second, motion.rotation)) < 0.2


def test_the_networks_depth_is_looked_up_at_the_pixel_and_its_edges_are_noticed():
    d = np.full((48, 64), 0.5, np.float32)
    d[:, 32:] = 1.0
    focal, centre = np.array([60.0, 60.0]), np.array([31.5, 23.5])
    seen, varies = look_up(d, (np.array([[10, 20], [40, 20], [32, 10]]) - centre) / focal,
                           focal, centre, 640)
    np.testing.assert_allclose(seen, [0.5, 1.0, 1.0])
    np.testing.assert_allclose(varies, [0, 0, 0.5])


def test_the_factor_alone_is_fitted_with_the_shift_given():
    rng = np.random.default_rng(0)
    d = rng.uniform(0.1, 1, 200)
    y = 2.5 * d + 0.1
    y[:60] *= rng.uniform(0.2, 4, 60)
    fit, _ = fit_factor(d, y, 0.1)
    assert fit.factor == pytest.approx(2.5, rel=0.01) and fit.shift == 0.1 and not fit.shift_known
    assert fit_factor(d, y, 100.0)[0] is None


def test_a_fit_is_worth_little_where_it_was_not_made():
    rng = np.random.default_rng(0)
    d = rng.uniform(0.9, 1.1, 200)
    fit, _ = fit_affine(d, d * (1 + 0.05 * rng.normal(size=200)))
    assert not fit.shift_known
    at, near, far = fit.errors(np.array([1.0, 2.0, 0.3]))
    assert at < 0.02 and near > 0.3 and far > 0.3


def test_a_short_way_tells_little_of_its_direction():
    first, second, _ = tracks(noise=0.2)
    told = [refine(first, second, *wrong(0.0), FOCAL, Prior(above=above)) for above in (0.0, 0.2)]
    upwards = [math.sqrt(motion.covariance[4, 4]) for motion in told]
    assert upwards[0] < math.radians(3.1) and upwards[1] > upwards[0]


def test_the_first_fits_must_agree_and_no_mean_is_better_than_the_odometry():
    fits = [fit_factor(np.linspace(0.1, 1, 50), factor * np.linspace(0.1, 1, 50), 0.0)[0]
            for factor in (1.0, 2.0, 1.02, 0.99, 1.0)]
    tracker, told = motion_tracker(0.02), []
    for index, fit in enumerate(fits):
        told.append(tracker.update(index * 100_000_000, fit))
    assert told == [False, False, False, False, True]
    scale = tracker.at(400_000_000)
    assert scale.factor == pytest.approx(1.0, rel=0.02) and scale.uncertainty >= 0.02


def follow_jumps(jumps, seconds: int = 6):
    """A tracker after fits, ten a second, each second of a scale that is off by so much."""
    d, tracker, scale = np.linspace(0.1, 1, 50), motion_tracker(0.02), None
    for index in range(10 * seconds):
        factor = np.exp(jumps[index // 10 % len(jumps)])
        fit = fit_factor(d, factor * d, 0.0)[0].with_error(0.05, True)
        tracker.update(index * 100_000_000, fit)
        scale = tracker.at(index * 100_000_000)
    later = tracker.at((10 * seconds + 30) * 100_000_000)
    return scale, later


def test_fits_that_repeat_each_other_are_no_better_than_one():
    steady, _ = follow_jumps([0.0])
    assert steady.uncertainty > 0.03    # sixty of 0.05 each would claim 0.02, of the odometry alone


def test_a_network_whose_scale_wanders_is_believed_for_less_long_and_less_at_once():
    _, steady = follow_jumps([0.0])
    _, wandering = follow_jumps([0.0, 0.2, -0.1])
    assert steady.uncertainty < 0.06 and wandering.uncertainty > 5 * steady.uncertainty


def test_a_scale_that_no_fit_has_checked_for_what_is_seen_now_claims_more():
    d, tracker = np.linspace(0.1, 1, 50), motion_tracker(0.02)
    for index in range(20):
        tracker.update(index * 100_000_000, fit_factor(d, d, 0.0)[0].with_error(0.05, True))
    now = 1_900_000_000
    assert tracker.at(now, 0.1).uncertainty == pytest.approx(
        math.hypot(tracker.at(now).uncertainty, 0.1))


def test_an_error_that_all_fits_share_is_claimed_however_many_there_are():
    d = np.linspace(0.1, 1, 50)
    tracker = motion_tracker(0.02)

    def told(index: int, factor: float, common: float):
        fit = fit_factor(d, factor * d, 0.0)[0].with_error(0.05, True)
        tracker.update(index * 100_000_000, replace(fit, common=common))
        return tracker.at(index * 100_000_000)
    for index in range(60):
        scale = told(index, 1.0, 0.1)
    assert 0.1 < scale.uncertainty < 0.12
    # beside what a whole image told, one that shows little of it changes less
    little, much = (abs(math.log(told(index, 1.1, common).factor / told(index, 1.0, 0.0).factor))
                    for index, common in ((70, 0.2), (80, 0.0)))
    assert little < 0.5 * much
    assert told(90, 1.0, 0.0).uncertainty < 0.08
