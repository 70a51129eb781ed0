"""The papers' protocols on cases that are computed by hand, and against plain forms of them."""
import math

import cv2
import numpy as np
import pytest
import torch

from flashdepth_ros.scoring.affine import least_absolute, nearest_valid
from flashdepth_ros.scoring.protocol_scores import (
    ProtocolFrames,
    alignment_error,
    protocol_scores,
)
from flashdepth_ros.scoring.protocols import KITTI_DRIVES, PROTOCOLS, as_released
from flashdepth_ros.scoring.sequences import FrameStore, ScoringError, score

rng = np.random.default_rng(3)


def frames(disparity, truth, cap=80.0) -> ProtocolFrames:
    return ProtocolFrames(len(truth), disparity.__getitem__, truth.__getitem__, cap)


def scores(name, disparity, truth, cap=80.0):
    return protocol_scores(PROTOCOLS[name], frames(disparity, truth, cap))


@pytest.fixture
def truth():
    """Make 4 frames with holes, far truth beyond 70 and 80 m, and sky."""
    depth = rng.uniform(2, 60, (4, 30, 40))
    depth[:, :5] = 0
    depth[:, 5:8] = 75
    depth[:, 8:10] = 200
    depth[:, 10:12] = np.inf
    return depth


@pytest.mark.parametrize('name', PROTOCOLS)
def test_a_perfect_prediction_is_perfect(truth, name):
    with np.errstate(divide='ignore'):
        found = scores(name, 1 / truth, truth, PROTOCOLS[name].cut('sintel')[0].cap)
    assert found['abs_rel'] == pytest.approx(0, abs=1e-5)
    assert found['delta1'] == 1
    if PROTOCOLS[name].counts_all:
        assert found['boundary_f1_masked'] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize('name', ['depthcrafter', 'vda', 'vda-500', 'flashdepth'])
def test_scale_and_shift_of_inverse_depth_are_fitted_away(truth, name):
    with np.errstate(divide='ignore'):
        found = scores(name, 3 / truth + 0.5, truth, 70.0)
    assert found['abs_rel'] == pytest.approx(0, abs=1e-4)
    assert (found['scale'], found['shift']) == pytest.approx((1 / 3, -0.5 / 3), rel=1e-4)


def test_scale_and_shift_of_depth_are_fitted_away_by_dyfn(truth):
    known = np.where(np.isfinite(truth) & (truth > 0), truth, 1)
    found = scores('dyfn', 1 / (2 * known + 5), truth)
    for name in ('abs_rel', 'abs_rel_per_frame', 'abs_rel_searching',
                 'abs_rel_per_frame_searching'):
        assert found[name] == pytest.approx(0, abs=1e-5)
    assert (found['scale'], found['shift']) == pytest.approx((0.5, -2.5), rel=1e-4)


# Two frames of two pixels, truth 1 and 2 m and, in the second frame, 4 m and none. Inverse depth is
# predicted as 1, 0.5, 0.5: by hand the fit to 1, 0.5, 0.25 is scale 1.25, shift -0.25, so that
# the aligned inverse depths are 1, 0.375, 0.375, and depths 1, 8/3, 8/3.
BY_HAND = np.array([[[1.0, 0.5]], [[0.5, 0.7]]]), np.array([[[1.0, 2.0]], [[4.0, 0.0]]])


@pytest.mark.parametrize(('name', 'abs_rel', 'delta1', 'rmse'), [
    # mean of the frames' means: (0 + 1/3) / 2 and 1/3; of the shares 1/2 and 0
    ('vda', (1 / 6 + 1 / 3) / 2, 1 / 4, (math.sqrt(2 / 9) + 4 / 3) / 2),
    ('depthcrafter', (1 / 6 + 1 / 3) / 2, 1 / 4, (math.sqrt(2 / 9) + 4 / 3) / 2),
    # all three pixels together: (0 + 1/3 + 1/3) / 3
    ('flashdepth', 2 / 9, 1 / 3, math.sqrt((4 / 9 + 16 / 9) / 3)),
    # depths 1, 2, 2 fitted to 1, 2, 4: scale 2, shift -1: 1, 3, 3
    ('dyfn', (1 / 4 + 1 / 4) / 2, 1 / 4, (math.sqrt(1 / 2) + 1) / 2)])
def test_two_frames_by_hand(name, abs_rel, delta1, rmse):
    found = scores(name, *BY_HAND)
    assert (found['abs_rel'], found['delta1'], found['rmse']) == pytest.approx(
        (abs_rel, delta1, rmse), rel=1e-6)
    assert found['coverage'] == 1


def test_dyfns_other_alignments_by_hand():
    found = scores('dyfn', *BY_HAND)
    # each frame by itself: the first is met; one pixel alone is met by any line
    assert found['abs_rel_per_frame'] == pytest.approx(0, abs=1e-6)
    assert found['abs_rel_per_frame_searching'] == pytest.approx(0, abs=1e-6)
    # every second sample of all: weights 1/g; depths 1 and 2 of the first frame, repeated in cells
    assert found['abs_rel_searching'] == pytest.approx((0 + 1 / 2) / 2, abs=1e-6)


def test_far_truth_counts_in_flashdepths_protocol_alone():
    truth = np.array([[[2.0, 4.0, 10.0, 100.0, np.inf, 0.0, -1.0, np.nan]]])
    near = np.array([[[0.5, 0.25, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9]]])
    assert scores('vda', near, truth, 70.0)['abs_rel'] == pytest.approx(0, abs=1e-6)
    # 100 m and the sky are 70 m, predicted at 10 m: 6/7 each, of five pixels
    found = scores('flashdepth', near, truth, 70.0)
    assert found['abs_rel'] == pytest.approx(2 * (6 / 7) / 5, rel=1e-5)
    assert found['delta1'] == pytest.approx(3 / 5)


def test_flashdepths_boundary_f1_has_no_mask():
    depth = np.full((8, 8), 2.0)
    depth[:, 4:] = 6.0
    truth = depth.copy()
    truth[:, :2] = 0  # no truth: it stands at 70 m, an edge that no prediction has
    found = scores('flashdepth', 1 / depth[None], truth[None], 70.0)
    assert found['boundary_f1_masked'] == pytest.approx(2 * (1 / 4) / 2)  # one of four directions
    # right and left edges are expected, right alone is found: precision and recall 1/4 each
    assert found['boundary_f1'] == pytest.approx(1 / 4)


def plain_flashdepth(disparity, inverse, cap=70):
    """Compute FlashDepth's numbers with whole arrays, as its code has them."""
    fitted = inverse >= 1 / cap
    matrix = np.stack([disparity[fitted], np.ones(fitted.sum())], axis=1)
    scale, shift = np.linalg.lstsq(matrix, inverse[fitted], rcond=None)[0]
    depth = np.clip(1 / np.clip(scale * disparity + shift, 1e-3, None), 1e-3, cap)
    truth = np.clip(1 / np.clip(inverse, 1e-3, None), 1e-3, cap)
    f1 = []
    for found, expected in zip(depth, truth, strict=True):
        total = weights = 0.0
        for threshold in np.linspace(1.05, 1.25, 10):
            precision = recall = 0.0
            for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[:, :-1], np.s_[:, 1:]),
                         (np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
                f, e = found[a] / found[b] > threshold, expected[a] / expected[b] > threshold
                precision += (f & e).sum() / max(f.sum(), 1) / 4
                recall += (f & e).sum() / max(e.sum(), 1) / 4
            if precision + recall:
                total += threshold * 2 * precision * recall / (precision + recall)
            weights += threshold
        f1.append(total / weights)
    valid = inverse >= 0
    ratio = depth[valid] / truth[valid]
    return (np.mean(np.abs(depth[valid] - truth[valid]) / truth[valid]),
            np.mean(np.maximum(ratio, 1 / ratio) < 1.25), np.mean(f1))


def test_flashdepths_protocol_is_its_plain_form(truth):
    inverse = np.where(truth > 1e4, 0, np.where(truth > 0, 1 / np.maximum(truth, 1e-9), -1))
    small = rng.uniform(0, 0.6, (4, 12, 16)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(small)[:, None], (30, 40), mode='bilinear', align_corners=True)[:, 0]
    found = scores('flashdepth', small, truth, 70.0)
    assert (found['abs_rel'], found['delta1'], found['boundary_f1']) == pytest.approx(
        plain_flashdepth(large.numpy().astype(np.float64), inverse), rel=1e-4)


def plain_vda(disparity, truth, cap):
    """Compute VDA's numbers with whole arrays, as its code has them."""
    disparity = np.stack([cv2.resize(each, truth.shape[:0:-1]) for each in disparity])
    valid = (truth > 1e-3) & (truth < cap)
    disparity = np.clip(disparity, 1e-3, None)
    matrix = np.stack([disparity[valid], np.ones(valid.sum())], axis=1).astype(np.float64)
    scale, shift = np.linalg.lstsq(matrix, 1 / (truth[valid] + 1e-8), rcond=None)[0]
    depth = np.clip(1 / np.clip(scale * disparity + shift, 1e-3, None), 1e-3, cap)
    error = np.where(valid, np.abs(depth - truth) / np.where(valid, truth, 1), 0)
    count = valid.sum((1, 2))
    return np.mean(error.sum((1, 2))[count > 0] / count[count > 0])


def test_vdas_protocol_is_its_plain_form(truth):
    truth[2] = 0  # a frame without truth does not count
    small = rng.uniform(-0.2, 0.6, (4, 12, 16)).astype(np.float32)
    for name in ('vda', 'depthcrafter'):
        assert scores(name, small, truth, 80.0)['abs_rel'] == pytest.approx(
            plain_vda(small, truth, 80.0), rel=1e-4)


def test_the_least_absolute_line_is_the_best_through_two_points():
    for _ in range(20):
        x, y = rng.uniform(1, 5, 25), rng.uniform(1, 9, 25)
        weight = 1 / y
        best = min((float(weight @ np.abs(a * x + y[i] - a * x[i] - y)), a, y[i] - a * x[i])
                   for i in range(25) for j in range(25) if i != j
                   for a in [(y[j] - y[i]) / (x[j] - x[i])])
        assert least_absolute(x, y, weight) == pytest.approx(best[1:], rel=1e-9)
    assert least_absolute(np.ones(4), np.ones(4), np.ones(4)) == (0, 1)


def test_samples_are_the_nearest_valid_pixels_of_64_times_64_cells():
    mask = np.zeros((128, 192), bool)
    mask[3, 4] = mask[2, 5] = mask[100, 100] = True
    rows, columns = nearest_valid(mask)
    # the cell of rows 2 and 3, columns 3 to 5 has its centre at row 3, column 4.5
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(3, 4), (100, 100)}
    whole = nearest_valid(np.ones((64, 64), bool))
    assert len(whole[0]) == 4096 and whole[0][:64].tolist() == [0] * 64


def test_the_temporal_alignment_error_of_a_wall_that_comes_nearer():
    # a wall at 4 and, after the camera has moved 1 m forwards, at 3 m; the prediction says 4 and 4
    walls = np.full((2, 9, 9), 4.0)
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 2, 3] = 1.0
    intrinsics = np.tile([[8.0, 0, 4], [0, 8.0, 4], [0, 0, 1]], (2, 1, 1))
    sequence = frames(1 / walls, walls, 10.0)
    # forwards 4 becomes 3, |4 - 3| / 4; backwards 4 becomes 5, |4 - 5| / 4
    assert alignment_error(
        sequence, PROTOCOLS['vda-tae'], 1, 0, intrinsics, poses) == pytest.approx(25)
    poses[1, 0, 3] = 100.0  # nothing in common
    assert math.isnan(alignment_error(
        sequence, PROTOCOLS['vda-tae'], 1, 0, intrinsics, poses))
    assert alignment_error(
        sequence, PROTOCOLS['vda-tae'], 1, 0, intrinsics, poses, nothing=0.0) == 0


def test_what_the_protocols_take_of_the_datasets():
    def shapes(name, dataset, height, width):
        cut, known = PROTOCOLS[name].cut(dataset)
        assert known
        array = np.empty((height, width))
        return array[cut.picture(height, width)].shape, array[cut.truth(height, width)].shape
    # KITTI's largest and smallest frames
    assert shapes('vda', 'kitti', 375, 1242) == ((374, 1242), (374, 1242))
    assert shapes('vda', 'kitti', 376, 1241) == ((376, 1240), (374, 1241))
    assert shapes('depthcrafter', 'kitti', 376, 1241) == ((376, 1240), (376, 1240))
    assert shapes('vda', 'scannet', 480, 640) == ((464, 618), (464, 618))
    assert shapes('vda-500', 'nyuv2', 480, 640) == ((426, 560), (426, 560))
    assert shapes('dyfn', 'bonn', 480, 640) == ((480, 640), (480, 640))
    taken = {(name, dataset): len(range(600)[PROTOCOLS[name].cut(dataset)[0].frames])
             for name in ('vda', 'depthcrafter', 'dyfn')
             for dataset in ('kitti', 'bonn', 'scannet')}
    assert set(taken.values()) == {110, 90} and taken['vda', 'scannet'] == 90
    assert PROTOCOLS['dyfn'].cut('sintel')[0].caps == {'mountain_1': 1000}
    assert len(KITTI_DRIVES) == 13
    assert PROTOCOLS['vda'].cut('waymo') == (PROTOCOLS['vda'].cut('waymo')[0], False)


def test_the_released_extraction_of_sintel():
    # 2.7 m is written as 2, and read back as 2 * 650 / 65535 m
    assert as_released('sintel', np.array([2.7, 70000.0])) == pytest.approx(
        [2 * 650 / 65535, 650])
    assert as_released('kitti', np.array([2.7])) == 2.7


def test_nothing_to_compare_is_said():
    for name in ('vda', 'flashdepth', 'dyfn'):
        with pytest.raises(ScoringError, match='no pixel has both'):
            scores(name, np.ones((1, 4, 4)), np.zeros((1, 4, 4)))


def test_infinite_truth_at_skylines_counts_in_the_boundary_f1(tmp_path):
    depth = np.full((10, 10), 5.0)
    depth[:4] = np.inf
    predictions, truth = FrameStore(tmp_path / 'p'), FrameStore(tmp_path / 't')
    truth.add(depth)
    predictions.add(np.where(np.isinf(depth), 0, 1 / depth))
    # the skyline is the only edge, in one of four directions
    assert score(predictions, truth, 'none').boundary_f1 == pytest.approx(1 / 4)
