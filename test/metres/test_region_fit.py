"""The factor of a network that errs by region, and how much its uncertainty knows of that."""
from dataclasses import replace

import numpy as np
import pytest

from flashdepth_ros.metres.motion_fits import fit_factor
from flashdepth_ros.metres.motion_pose import Motion
from flashdepth_ros.metres.motion_samples import Triangulation
from flashdepth_ros.metres.region_fit import UNSEEN, Samples, fit_regions

FACTOR = 2.5


def samples(counts, errors, noise: float = 0.0, seed: int = 0) -> Samples:
    """Corners of regions whose network errs by exp(error), with noise (1/m) in the reference."""
    rng = np.random.default_rng(seed)
    region = np.repeat(np.arange(len(counts)), counts)
    inverse = rng.uniform(0.15, 0.7, len(region))
    d = inverse / FACTOR * np.exp(np.asarray(errors)[region])
    return Samples(d, inverse + noise * rng.standard_normal(len(region)),
                   np.full(len(region), max(noise, 1e-3)), region,
                   np.zeros((len(region), 5)), 1e-4 * np.eye(5))


def error(fit) -> float:
    return np.log(fit.factor / FACTOR)


def claimed(fit) -> float:
    return float(np.sqrt(fit.covariance[0, 0]))


def test_a_thing_rich_in_corners_has_one_voice():
    found = samples([150, 8, 8, 8, 8, 8, 8, 8], [0.3, 0, 0, 0, 0, 0, 0, 0])
    fit, _ = fit_regions(found, min_inliers=0.1)
    assert abs(error(fit)) < 0.03
    assert abs(np.log(np.median(found.inverse / found.d) / FACTOR)) > 0.2    # of the samples


def test_what_it_claims_is_what_its_regions_leave_open():
    rng = np.random.default_rng(1)
    off, told = [], []
    for seed in range(60):
        fit, _ = fit_regions(samples([12] * 10, rng.normal(0, 0.15, 10), seed=seed))
        off.append(abs(error(fit)))
        told.append(claimed(fit))
    ratio = np.array(off) / told
    assert 0.55 < (ratio < 1).mean() < 0.85 and (ratio < 2).mean() > 0.88
    # ten times as many corners of the same regions tell no more
    many, _ = fit_regions(samples([120] * 10, rng.normal(0, 0.15, 10)))
    assert claimed(many) > 0.6 * np.median(told)


def test_what_the_pose_spoils_is_mended_where_the_samples_show_it():
    right = samples([12] * 10, [0] * 10)
    rng = np.random.default_rng(2)
    slopes = np.zeros_like(right.slopes)
    slopes[:, 0] = np.repeat(rng.uniform(0, 6, 10), 12) * right.inverse    # by region
    wrong = replace(right, slopes=slopes, inverse=right.inverse + 0.03 * slopes[:, 0],
                    pose=np.diag([0.03 ** 2, 1e-8, 1e-8, 1e-8, 1e-8]))
    fit, _ = fit_regions(wrong)
    blind, _ = fit_regions(replace(wrong, slopes=np.zeros_like(slopes)))
    assert abs(error(fit)) < 0.4 * abs(error(blind))
    # and where all samples share it, it is a part of the uncertainty
    shared = replace(right, slopes=np.column_stack([right.inverse, *[0 * right.inverse] * 4]),
                     pose=np.diag([0.1 ** 2, 1e-8, 1e-8, 1e-8, 1e-8]))
    assert claimed(fit_regions(shared)[0]) > 0.1


def test_what_the_image_shows_where_it_has_no_corners_may_be_wrong():
    common = [fit_regions(samples([40] * count, [0] * count))[0].common for count in (12, 9, 6)]
    assert common[0] < 0.1 * UNSEEN
    assert common[1] == pytest.approx(UNSEEN / 4, abs=0.1 * UNSEEN)
    assert common[2] == pytest.approx(UNSEEN / 2, abs=0.1 * UNSEEN)


def test_a_first_scale_must_know_more_of_the_image_than_others():
    def fit(count: int, length_error: float, first: bool):
        some = samples([40] * count, [0] * count)
        usable = np.ones(len(some.d), bool)
        solved = Triangulation(some.inverse, some.noise, usable, usable, ~usable, some.slopes)
        motion = Motion(np.eye(3), np.ones(3), np.eye(3)[:2], some.pose, 0.4, 0.0, 0.0)
        return fit_factor(some.d, some.region, usable, solved, motion, length_error, first)
    assert fit(9, 0.0, True)[0] is not None
    assert fit(6, 0.0, True)[0] is None and fit(6, 0.0, False)[0] is not None
    # a camera that may sit elsewhere on a robot that turns
    told = claimed(fit(9, 0.05, True)[0])
    assert told == pytest.approx(np.hypot(0.05, claimed(fit(9, 0.0, True)[0])))
    none, reason = fit(9, 0.2, False)
    assert none is None and 'tell the scale to 2' in reason


def test_noisy_corners_leave_no_bias():
    for seed in range(5):
        fit, _ = fit_regions(samples([40] * 10, [0] * 10, noise=0.02, seed=seed))
        assert abs(error(fit)) < 0.02


@pytest.mark.parametrize('counts, word', [([40, 40, 40], '3 regions'), ([2] * 8, '16 corners')])
def test_few_regions_or_corners_are_refused(counts, word):
    fit, reason = fit_regions(samples(counts, np.zeros(len(counts))))
    assert fit is None and word in reason
