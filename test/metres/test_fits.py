"""Scale and shift fitted to references with known truth, and followed through time."""
import numpy as np
from numpy.testing import assert_allclose
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.metres.affine_fit import fit_affine
from flashdepth_ros.metres.floor_fit import fit_ground
from flashdepth_ros.metres.samples import (
    samples_from_depth_image,
    samples_from_points,
)
from flashdepth_ros.metres.tracker import ScaleTracker

CAMERA = Intrinsics(300.0, 300.0, 159.5, 119.5, 320, 240)
HEIGHT = 1.2         # metres of the camera over the floor
SECOND = 1_000_000_000


def turned(pitch: float, roll: float) -> np.ndarray:
    """Return the floor's down vector in the optical frame of a tilted camera, angles in degrees."""
    pitch, roll = np.radians([pitch, roll])
    return np.array([np.sin(roll) * np.cos(pitch), np.cos(roll) * np.cos(pitch), np.sin(pitch)])


def room(pitch: float = 0.0, roll: float = 0.0, boxes: int = 3, camera: Intrinsics = CAMERA,
         seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse depth (H, W) in 1/m of floor, walls and boxes, and where the floor is."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:camera.height, :camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy,
                     np.ones(u.shape)], -1)
    floor = rays @ turned(pitch, roll) / HEIGHT
    inverse = np.maximum(floor, 1 / 15)
    inverse = np.maximum(inverse, (rays[..., 0] + 0.05) / 2.5)    # a wall on the right
    for _ in range(boxes):    # upright, standing in front of the floor
        left, top = rng.integers(0, camera.width - 40), rng.integers(100, 200)
        box = np.s_[top:, left:left + rng.integers(25, 40)]
        inverse[box] = np.maximum(inverse[box], rng.uniform(0.5, 0.8))
    return inverse, inverse == floor


def relative(inverse: np.ndarray, factor: float, shift: float, rng, noise: float) -> np.ndarray:
    """Return what a model would say: distorted, and off by a smooth and by a pixel-wise error."""
    height, width = inverse.shape
    v, u = np.mgrid[:height, :width]
    angle = rng.uniform(0, 2 * np.pi, 2)
    smooth = np.sin(u / width * 9 + angle[0]) * np.sin(v / height * 7 + angle[1])
    error = noise * (smooth + rng.normal(size=inverse.shape))
    return ((inverse * (1 + error) - shift) / factor).astype(np.float32)


def sparse(inverse: np.ndarray, share: float, outliers: float, rng) -> np.ndarray:
    """Return a reference depth (H, W) in metres with NaN where the sensor gave nothing."""
    depth = np.full(inverse.shape, np.nan, np.float32)
    index = rng.choice(inverse.size, int(share * inverse.size), replace=False)
    depth.ravel()[index] = 1 / inverse.ravel()[index]
    wrong = index[:int(outliers * index.size)]
    depth.ravel()[wrong] = rng.uniform(0.3, 20, wrong.size)
    return depth


def depth_error(inverse: np.ndarray, d: np.ndarray, factor: float, shift: float) -> float:
    """Return the 95th percentile of the relative depth error."""
    return float(np.percentile(np.abs(inverse / (factor * d + shift) - 1), 95))


def line(count: int = 400, factor: float = 2.0, shift: float = 0.1, seed: int = 0):
    d = np.random.default_rng(seed).uniform(0.05, 1.0, count)
    return d, factor * d + shift


def test_an_exact_line_is_found_exactly():
    fit, reason = fit_affine(*line())
    assert reason == '' and fit.shift_known
    assert_allclose((fit.factor, fit.shift, fit.inliers), (2.0, 0.1, 1.0), rtol=1e-9)
    assert fit.samples == 400 and fit.residual <= 0.001


@pytest.mark.parametrize('outliers', [
    lambda y, rng: rng.uniform(0.02, 5, y.size),     # anything
    lambda y, rng: y * 2.5,                          # another surface with a scale of its own
    lambda y, rng: np.full(y.size, 0.1),             # a background at 10 m
    lambda y, rng: 1 / rng.uniform(50, 200, y.size),    # far away, where relative weights explode
])
@pytest.mark.parametrize('seed', range(3))
def test_forty_percent_of_outliers(outliers, seed):
    rng = np.random.default_rng(seed + 100)
    d, y = line(768, 3.0, -0.05, seed)
    wrong = rng.random(d.size) < 0.4
    d, y = d[y > 0.1], y[y > 0.1]
    wrong = wrong[:d.size]
    y[wrong] = outliers(y[wrong], rng)
    truth = 3.0 * d - 0.05
    d = d * (1 + 0.02 * rng.normal(size=d.size))
    fit, reason = fit_affine(d, y)
    assert fit is not None, reason
    assert np.abs((fit.factor * (truth + 0.05) / 3 + fit.shift) / truth - 1).max() < 0.02
    assert fit.inliers == pytest.approx(0.6, abs=0.05)
    again, _ = fit_affine(d, y)
    assert (again.factor, again.shift) == (fit.factor, fit.shift)


def test_far_points_do_not_drown():
    # 90 % of the samples at 1 m, off by 3 %; ten of a hundred between 4 and 20 m tell the shift
    rng = np.random.default_rng(0)
    y = np.concatenate([np.full(900, 1.0), 1 / rng.uniform(4, 20, 100)])
    d = (y * (1 + 0.03 * rng.normal(size=y.size)) - 0.02) / 2
    fit, _ = fit_affine(d, y)
    assert 1 / (fit.factor * (0.05 - 0.02) / 2 + fit.shift) == pytest.approx(20, rel=0.04)


def test_samples_without_values_are_ignored():
    d, y = line()
    d[:50], y[50:100], y[100:120] = np.nan, np.inf, 0
    fit, _ = fit_affine(d, y)
    assert fit.samples == 280
    assert_allclose((fit.factor, fit.shift), (2.0, 0.1), rtol=1e-9)


def test_a_wall_tells_the_factor_alone():
    rng = np.random.default_rng(1)
    d = 0.25 * (1 + 0.02 * rng.normal(size=500))
    fit, reason = fit_affine(d, np.full(500, 0.6), shift=0.1)
    assert reason == '' and not fit.shift_known
    assert (fit.factor, fit.shift) == (pytest.approx(2.0, rel=0.005), 0.1)
    fit, _ = fit_affine(np.full(500, 0.25), np.full(500, 0.6), shift=0.1)
    assert not fit.shift_known and fit.factor == pytest.approx(2.0)


@pytest.mark.parametrize(('d', 'y', 'words'), [
    (np.ones(10), np.ones(10), '10 samples'),
    (np.full(100, np.nan), np.ones(100), '0 samples'),
    (np.linspace(-1, -0.1, 100), np.linspace(1, 0.1, 100), 'nearer where the model sees farther'),
    (np.random.default_rng(0).uniform(0, 1, 500), 1 / np.random.default_rng(1).uniform(.2, 50, 500),
     'agree on a scale'),
])
def test_what_tells_no_scale_is_refused(d, y, words):
    fit, reason = fit_affine(d, y)
    assert fit is None and words in reason


def test_the_covariance_covers_the_error():
    misses = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        d, y = line(100, seed=seed)
        fit, _ = fit_affine(d * (1 + 0.03 * rng.normal(size=100)), y)
        gap = np.array([np.log(fit.factor / 2.0), fit.shift - 0.1])
        misses.append(gap @ np.linalg.solve(fit.covariance, gap))
    # chi squared with two degrees of freedom: its median is 1.39
    assert 0.7 < np.median(misses) < 2.8


@pytest.mark.parametrize('outliers', [0.0, 0.4])
def test_a_depth_image_as_reference_within_2_percent_after_10_frames(outliers):
    tracker = ScaleTracker()
    for frame in range(10):
        rng = np.random.default_rng(frame)
        inverse, _ = room(seed=frame // 5)
        d = relative(inverse, 2.5, 0.04, rng, 0.01)
        reference = sparse(inverse, 0.01, outliers, rng)
        fit, reason = fit_affine(*samples_from_depth_image(d, reference))
        assert fit is not None, reason
        assert tracker.update(frame * SECOND // 10, fit)
    scale = tracker.at(SECOND)
    clean = (inverse - 0.04) / 2.5
    assert depth_error(inverse, clean, scale.factor, scale.shift) < 0.02
    assert scale.inliers == pytest.approx(1 - outliers, abs=0.06)
    assert scale.uncertainty < 0.03


def test_a_reference_of_another_size_meets_the_same_place():
    # 2 x 2 blocks of an image of 4 x 6 pixels are the pixels of one of 2 x 3, and the other way
    small, large = np.arange(6.0).reshape(2, 3) + 1, np.arange(24.0).reshape(4, 6) + 1
    d, y = samples_from_depth_image(small, np.repeat(np.repeat(small, 2, 0), 2, 1))
    assert_allclose(1 / y, d)
    assert d.size == 24
    d, _ = samples_from_depth_image(large, np.ones((2, 3)))
    # the centre of a block of four lies between pixels: its lower right one is taken
    assert_allclose(d, large[1::2, 1::2].ravel())


def test_a_reference_without_values_gives_no_samples():
    reference = np.array([[0.0, np.nan, np.inf, -np.inf, -1.0, 2.0]], np.float32)
    d, y = samples_from_depth_image(np.arange(6.0)[None], reference)
    assert (d.tolist(), y.tolist()) == ([5.0], [0.5])
    d, _ = samples_from_depth_image(np.ones((480, 640)), np.ones((480, 640)), limit=1000)
    assert d.size == 1000


def test_points_are_projected_and_the_hidden_dropped():
    d = np.arange(320.0 * 240).reshape(240, 320)
    camera = Intrinsics(100.0, 100.0, 160.0, 120.0, 320, 240)
    points = np.array([
        [0.2, 0.1, 1.0],     # column 160 + 20, row 120 + 10
        [0.41, 0.21, 2.0],   # hidden behind it: 180.5, 130.5, the same cell of 4 pixels
        [0.0, 0.0, 4.0],     # the centre
        [0.0, 0.0, -1.0], [5.0, 0.0, 1.0], [np.nan, 0.0, 1.0], [0.0, 0.0, 0.0],
        [-0.8, -0.6, 0.5],   # column 0, row 0
        [-1.61, -1.2, 1.0],  # just left of the image
        [0.0, np.inf, 1.0],
    ])
    found = dict(zip(*samples_from_points(d, camera, points), strict=True))
    assert found == {130 * 320.0 + 180: 1.0, 120 * 320.0 + 160: 0.25, 0.0: 2.0}
    with pytest.raises(ValueError, match='320x240'):
        samples_from_points(d[:100], camera, points)
    assert samples_from_points(d, camera, np.empty((0, 3)))[0].size == 0


def test_a_lidar_beside_the_camera():
    # it sees the background behind the edges of the boxes, from 10 cm above
    rng = np.random.default_rng(3)
    inverse, _ = room(boxes=0)
    behind = inverse.copy()
    inverse[60:, 100:200] = np.maximum(inverse[60:, 100:200], 0.7)
    v, u = rng.integers(0, 240, 6000), rng.integers(0, 320, 6000)
    front, back = 1 / inverse[v, u], 1 / behind[v, u]
    seen_behind = (front < back) & (rng.random(6000) < 0.3)
    z = np.where(seen_behind, back, front)
    points = np.stack([(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z], 1)
    d = relative(inverse, 0.5, -0.01, rng, 0.01)
    samples, metric = samples_from_points(d, CAMERA, points)
    assert samples.size <= 80 * 60
    fit, _ = fit_affine(samples, metric)
    assert depth_error(inverse, (inverse + 0.01) / 0.5, fit.factor, fit.shift) < 0.02


@pytest.mark.parametrize(('pitch', 'roll'), [(0, 0), (3, 0), (-3, 1), (2, -3)])
@pytest.mark.parametrize('seed', range(3))
def test_the_floor_within_5_percent_under_unknown_pitch(pitch, roll, seed):
    rng = np.random.default_rng(seed)
    inverse, floor = room(pitch, roll, boxes=5, seed=seed)
    assert 0.3 < floor[120:].mean() < 0.75
    d = relative(inverse, 1.7, 0.0, rng, 0.02)
    fit, reason = fit_ground(d, CAMERA, HEIGHT)
    assert fit is not None, reason
    assert fit.factor == pytest.approx(1.7, rel=0.05)
    assert not fit.shift_known and fit.shift == 0


def test_the_floor_with_a_known_shift_and_a_camera_that_looks_down():
    rng = np.random.default_rng(0)
    inverse, _ = room(pitch=23.0, boxes=2)
    d = relative(inverse, 0.8, 0.1, rng, 0.01)
    fit, reason = fit_ground(d, CAMERA, HEIGHT, 0.1, pitch=(20.0, 20.0))
    assert fit is not None, reason
    assert fit.factor == pytest.approx(0.8, rel=0.05) and fit.shift == 0.1
    fit, reason = fit_ground(d, CAMERA, HEIGHT, 0.1, pitch=(0.0, 0.0))
    assert fit is None and '10 are allowed' in reason


@pytest.mark.parametrize('pitch', [12, 30, 45])
@pytest.mark.parametrize('roll', [0, 20])
def test_the_floor_of_a_camera_that_looks_down_by_nobody_knows_how_much(pitch, roll):
    rng = np.random.default_rng(0)
    d = relative(room(pitch, roll, boxes=2)[0], 1.7, 0.0, rng, 0.02)
    fit, reason = fit_ground(d, CAMERA, HEIGHT, roll=roll)
    assert fit is not None, reason
    assert fit.factor == pytest.approx(1.7, rel=0.05)


def test_a_wrong_shift_tilts_the_floor_and_bends_nothing():
    # why fit_ground cannot tell the shift: shifted by 0.03 / m the floor fits as well as before
    inverse, _ = room(boxes=0)
    plain, _ = fit_ground(inverse, CAMERA, HEIGHT)
    shifted, _ = fit_ground(inverse + 0.03, CAMERA, HEIGHT)
    assert shifted.inliers == pytest.approx(plain.inliers, abs=0.03)
    assert shifted.residual == pytest.approx(plain.residual)


@pytest.mark.parametrize(('d', 'words'), [
    (np.full((240, 320), np.nan), 'hardly any depth'),
    (np.full((240, 320), 0.5), 'no plane'),       # a wall
    (np.random.default_rng(0).uniform(0.1, 3, (240, 320)), 'is floor'),
    (np.maximum(np.linspace(1, -1, 240), 0.01)[:, None] * np.ones(320), 'no plane'),    # a ceiling
])
def test_what_shows_no_floor_is_refused(d, words):
    fit, reason = fit_ground(d, CAMERA, HEIGHT)
    assert fit is None and words in reason


def exact(factor: float = 2.0, shift: float = 0.1, seed: int = 0, noise: float = 0.01):
    d, y = line(factor=factor, shift=shift, seed=seed)
    return fit_affine(d * (1 + noise * np.random.default_rng(seed).normal(size=d.size)), y)[0]


@pytest.mark.parametrize('distance', [1.0, 5.0, 30.0])
def test_the_shift_is_told_however_far_all_is(distance):
    rng = np.random.default_rng(0)
    d = rng.uniform(0.2, 1.5, 400)
    inverse = (d - 0.1) / distance
    fit, _ = fit_affine(d, inverse * (1 + 0.05 * rng.normal(size=d.size)))
    assert fit.shift_known
    assert fit.factor == pytest.approx(1 / distance, rel=0.05)
    assert fit.shift == pytest.approx(-0.1 / distance, rel=0.2)


def test_the_tracker_smooths():
    tracker = ScaleTracker()
    assert tracker.at(0) is None
    rng = np.random.default_rng(0)
    factors, fitted = [], []
    for frame in range(100):
        fit = exact(2.0 * (1 + 0.02 * rng.normal()), seed=frame)
        assert tracker.update(frame * SECOND // 10, fit)
        fitted.append(fit.factor)
        factors.append(tracker.at(frame * SECOND // 10).factor)
    assert np.std(factors[10:]) < 0.7 * np.std(fitted[10:])
    assert np.mean(factors[10:]) == pytest.approx(2.0, rel=0.01)


def test_the_tracker_holds_and_doubts_itself_more_and_more():
    tracker = ScaleTracker(drift=0.03)
    for frame in range(20):
        tracker.update(frame * SECOND // 10, exact(seed=frame))
    last = 19 * SECOND // 10
    now, later, late = (tracker.at(last + wait * SECOND) for wait in (0, 4, 100))
    assert now.factor == later.factor == late.factor
    assert (now.age, later.age, late.age) == (0.0, 4.0, 100.0)
    assert now.uncertainty < 0.02
    # a random walk: 0.03 a second becomes 0.3 in 100 seconds
    assert later.uncertainty < 0.08 and late.uncertainty == pytest.approx(0.28, abs=0.05)


def test_the_tracker_takes_a_jump_only_if_it_persists():
    tracker = ScaleTracker(persistence=5)
    for frame in range(20):
        assert tracker.update(frame * SECOND // 10, exact(seed=frame))
    stamp = 2 * SECOND
    for frame in range(4):
        assert not tracker.update(stamp + frame * SECOND // 10, exact(4.0, seed=frame))
    assert tracker.update(stamp + SECOND // 2, exact(seed=7))    # the doubted ones are forgotten
    assert tracker.at(stamp).factor == pytest.approx(2.0, rel=0.03)
    # errors that contradict each other never win
    for frame in range(20):
        wild = exact(2.0 * (2.0, 0.5, 4.0)[frame % 3], seed=frame)
        assert not tracker.update(stamp + (10 + frame) * SECOND // 10, wild)
    stamp = 5 * SECOND
    believed = [tracker.update(stamp + frame * SECOND // 10, exact(4.0, seed=frame))
                for frame in range(6)]
    assert believed == [False] * 4 + [True, True]
    assert tracker.at(stamp).factor == pytest.approx(4.0, rel=0.03)


def test_a_wall_does_not_unlearn_the_shift():
    tracker = ScaleTracker()
    for frame in range(10):
        tracker.update(frame * SECOND // 10, exact(shift=0.3, seed=frame))
    before = tracker.at(SECOND)
    # the model's scale grows by 5 % while only a wall at 0.7 / m is seen; shift 0 is a wrong guess
    rng = np.random.default_rng(0)
    for frame in range(10, 40):
        d = (0.7 - 0.3) / 2.1 * (1 + 0.02 * rng.normal(size=300))
        fit, _ = fit_affine(d, np.full(300, 0.7))
        assert not fit.shift_known
        assert tracker.update(frame * SECOND // 10, fit)
    after = tracker.at(4 * SECOND)
    assert after.shift == pytest.approx(before.shift, abs=0.03)
    assert after.factor * 0.4 / 2.1 + after.shift == pytest.approx(0.7, rel=0.01)


def test_the_tracker_forgets_when_reset_and_survives_time_going_back():
    tracker = ScaleTracker()
    for frame in range(10):
        tracker.update(100 * SECOND + frame, exact(seed=frame))
    assert tracker.update(SECOND, exact(seed=11))
    assert tracker.at(2 * SECOND).age == 1.0
    tracker.reset()
    assert tracker.at(2 * SECOND) is None
    assert tracker.update(0, exact(8.0))
    assert tracker.at(0).factor == pytest.approx(8.0, rel=0.01)
