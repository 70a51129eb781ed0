"""Every metric against a case computed by hand."""
import math

import numpy as np
import pytest

from flashdepth_ros.scoring import metrics

NAN, INF = np.nan, np.inf


def test_truth_mask_leaves_out_what_has_no_truth():
    truth = np.array([[NAN, INF, -INF, 0, -1, 2, 80, 79.9]])
    assert metrics.truth_mask(truth).tolist() == [[False] * 5 + [True, False, True]]


def test_scale_and_shift_are_recovered_over_frames_and_ignore_invalid_pixels():
    fit = metrics.DisparityFit()
    for disparity in (np.array([[1.0, 2.0, 7.0]]), np.array([[4.0, NAN, 3.0]])):
        truth = 1 / (0.5 * disparity + 0.1)
        truth[0, 2] = 0  # no truth
        fit.add(disparity, truth, metrics.truth_mask(truth))
    assert fit.solve('scale-shift') == pytest.approx((0.5, 0.1))
    assert fit.solve('none') == (1.0, 0.0)


def test_scale_alone_is_the_least_squares_scale():
    fit = metrics.DisparityFit()
    fit.add(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]]), np.ones((1, 2), bool))
    assert fit.solve('scale') == pytest.approx((3 / 5, 0))  # (1 + 2) / (1 + 4)


def test_median_scale_is_the_median_of_the_ratios_over_all_frames():
    fit = metrics.DisparityFit()
    for ratios in ([1.0, 2.0, 1000.0], [3.0, 0.5]):  # of true to predicted inverse depth
        disparity = np.full((1, len(ratios)), 0.25)
        truth = 1 / (0.25 * np.array([ratios]))
        fit.add(disparity, truth, truth > 0)
    assert fit.solve('median') == pytest.approx((2, 0))


def test_median_of_many_numbers_is_close_to_the_exact_one():
    values = np.exp(np.random.default_rng(0).normal(0, 2, 100_001))
    median = metrics.Median()
    for part in np.array_split(values, 7):
        median.add(part)
    assert median.value() == pytest.approx(np.median(values), rel=2e-4)


def test_an_alignment_without_pixels_or_of_another_name_is_refused():
    with pytest.raises(ValueError, match='no pixel'):
        metrics.DisparityFit().solve()
    with pytest.raises(ValueError, match="'mode'"):
        metrics.DisparityFit().solve('mode')


def test_aligned_depth_is_clipped_to_the_range():
    depth = metrics.aligned_depth(np.array([2.0, 0.0, 1e9, NAN]), 0.5, -0.002, max_depth=80)
    assert depth == pytest.approx([1 / 0.998, 80, 0.001, NAN], nan_ok=True)


def test_abs_rel_and_delta():
    depth = np.array([[2.0, 5.0, 9.0, 3.0, NAN]])
    truth = np.array([[2.0, 4.0, 10.0, 0.0, 3.0]])
    mask = metrics.truth_mask(truth)
    assert metrics.abs_rel(depth, truth, mask) == pytest.approx((0 + 0.25 + 0.1) / 3)
    assert metrics.delta(depth, truth, mask) == pytest.approx(2 / 3)  # 1.25 itself is too much
    assert math.isnan(metrics.abs_rel(depth, truth, mask & False))
    assert math.isnan(metrics.delta(depth, truth, mask & False))


def test_alignment_of_a_wall_that_is_approached():
    # three pixels, focal length 1, centre 1; the camera goes 1 m towards a wall 2 m away
    intrinsics = np.array([[1.0, 0, 1], [0, 1, 0], [0, 0, 1]])
    pose, next_pose = np.eye(4), np.eye(4)
    next_pose[2, 3] = 1
    wall, nearer = np.full((1, 3), 2.0), np.full((1, 3), 1.0)
    assert metrics.pair_alignment_error(wall, nearer, intrinsics, pose, next_pose) == 0
    # 1.25 m instead: forwards only the middle lands, at 1 m: 0.25 / 1.25; backwards all three
    # land, at 2.25 m: 0.25 / 2
    wrong = np.full((1, 3), 1.25)
    assert metrics.pair_alignment_error(
        wall, wrong, intrinsics, pose, next_pose) == pytest.approx((0.2 + 0.125) / 2)
    # with the middle masked out in the second frame only the way back is left
    mask = np.array([[True, False, True]])
    assert metrics.pair_alignment_error(
        wall, wrong, intrinsics, pose, next_pose, mask | True, mask) == pytest.approx(0.125)


def test_alignment_of_frames_with_nothing_in_common():
    there = np.eye(4)
    there[0, 3] = 1e6
    ones = np.ones((2, 2))
    assert math.isnan(metrics.pair_alignment_error(ones, ones, np.eye(3), np.eye(4), there))
    assert metrics.pair_alignment_error(
        ones, ones, np.eye(3), np.eye(4), there, nothing=0.0) == 0
    assert math.isnan(metrics.pair_alignment_error(
        ones * NAN, ones, np.eye(3), np.eye(4), np.eye(4)))


def test_change_error_where_the_truth_hardly_changes():
    truth, next_truth = np.array([[0.5, 0.5, 0.5, NAN]]), np.array([[0.51, 0.6, 0.5, 0.5]])
    disparity, next_disparity = np.array([[0.5, 0.5, 0.5, 0.5]]), np.array([[0.47, 5, 0.52, 9]])
    error = metrics.change_error(
        disparity, next_disparity, truth, next_truth, np.ones((1, 4), bool))
    assert error == pytest.approx(((0.03 - 0.01) + (0.02 - 0)) / 2)


def test_boundary_f1_of_one_row():
    depth, truth = np.array([[1.0, 1.0, 2.0]]), np.array([[1.0, 1.1, 2.0]])
    # only the ratios to the right are edges: 1 and 2 found; 1.1 and 1.82 true. At the three
    # thresholds below 1.1 half of the edges are found, else all; three directions have none
    thresholds = np.linspace(1.05, 1.25, 10)
    low = 2 * (1 / 4) * (0.5 / 4) / (1 / 4 + 0.5 / 4)
    f1 = np.where(thresholds < 1.1, low, 1 / 4)
    expected = (f1 * thresholds).sum() / thresholds.sum()
    assert metrics.boundary_f1(depth, truth) == pytest.approx(expected)
    assert metrics.boundary_f1(1 / depth, 1 / truth) == pytest.approx(expected)


def test_boundary_f1_of_itself_is_one_and_invalid_pixels_are_no_edges():
    truth = np.array([[1, 2, 1], [2, 1, 2], [1, 2, 1]], float)
    assert metrics.boundary_f1(3 * truth, truth) == pytest.approx(1)
    assert metrics.boundary_f1(np.ones((3, 3)), truth) == 0
    holes = np.where(truth > 1, NAN, truth)
    assert metrics.boundary_f1(truth, holes, np.isfinite(holes)) == 0
