"""Losses and scores of known errors."""
import numpy as np
import pytest
import torch

from flashdepth_ros.training import held_out
from flashdepth_ros.training.effects import Strength, apply_effects
from flashdepth_ros.training.held_out import BENDS, best_ramp
from flashdepth_ros.training.losses import LOSSES, log_inverse_depth, mean_over_clips
from flashdepth_ros.training.mixture import Truth
from flashdepth_ros.training.recordings import Recording


def depths(frames=3):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, frames, 12, 15, generator=generator) * 5 + 0.5


def depth_losses(raw, depth):
    return LOSSES['log'].terms(raw, depth, depth > 0)


def test_truth_costs_nothing():
    terms = depth_losses(100 / depths(), depths())
    assert all(float(value) == pytest.approx(0, abs=1e-6) for value in terms.values())


def test_a_factor_costs_only_metric():
    terms = depth_losses(100 / depths() * 1.2, depths())
    assert float(terms['metric']) == pytest.approx(np.log(1.2) ** 2 / 2, rel=1e-4)
    assert all(float(terms[name]) == pytest.approx(0, abs=1e-5)
               for name in ('scale', 'gradient', 'change'))


def test_a_factor_of_one_frame_costs_scale_and_change():
    raw = 100 / depths()
    raw[:, 1] *= 1.5
    terms = depth_losses(raw, depths())
    assert float(terms['scale']) == pytest.approx(np.log(1.5) / 3, rel=1e-4)
    assert float(terms['gradient']) == pytest.approx(0, abs=1e-5)
    still = torch.full((2, 3, 12, 15), 2.0)
    raw = 100 / still
    raw[:, 1] *= 1.5
    assert float(depth_losses(raw, still)['change']) == pytest.approx(np.log(1.5), rel=1e-4)


def test_pixels_without_truth_do_not_count():
    raw, depth = 100 / depths(), depths()
    depth[:, :, :4] = 0
    raw[:, :, :4] = 1e4
    assert all(float(value) == pytest.approx(0, abs=1e-6)
               for value in depth_losses(raw, depth).values())
    assert all(bool(torch.isfinite(value))
               for value in depth_losses(raw, torch.zeros_like(depth)).values())


def test_l1_is_the_difference_from_100_over_z():
    depth = depths()
    depth[:, :, :4] = 0
    terms = LOSSES['l1'].terms(100 / depths() + 0.5, depth, depth > 0)
    assert float(terms['l1']) == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize('name', LOSSES)
def test_a_batch_is_the_mean_of_its_clips(name):
    loss, depth = LOSSES[name], depths()
    raw = 100 / depth * (1 + 0.2 * torch.rand_like(depth))
    mask = torch.rand_like(depth) > torch.tensor([0.1, 0.8])[:, None, None, None]
    both = mean_over_clips(loss, raw, depth, mask)
    alone = [mean_over_clips(loss, *(each[i:i + 1] for each in (raw, depth, mask)))
             for i in (0, 1)]
    assert both.keys() == loss.weights.keys()
    for term, value in both.items():
        assert float(value) == pytest.approx(
            sum(float(each[term]) for each in alone) / 2, rel=1e-5)
        assert float(value) > 0


def test_outputs_below_zero_are_pulled_up():
    raw = torch.linspace(-50, 50, 1001, requires_grad=True)
    values = log_inverse_depth(raw)
    values.sum().backward()
    assert (raw.grad > 0).all() and torch.isfinite(values).all()
    assert (values[1:] > values[:-1]).all()


def score(disparity, truth):
    frames, height, width = truth.shape
    camera = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    recording = Recording('made', np.zeros((frames, height, width, 3), np.uint8),
                          truth.astype(np.float16), 10.0, camera, np.stack([np.eye(4)] * frames))
    return held_out.score(disparity, recording, Truth(flying=True))


def test_scores_of_known_errors():
    truth = np.full((4, 10, 12), 2.0)
    truth[:, :, :3] = 4.0
    exact = score(37 / truth, truth)  # any unit
    assert exact.delta1 == 1 and exact.abs_rel == pytest.approx(0, abs=1e-9)
    assert exact.change_error == pytest.approx(0, abs=1e-9)
    off = 1 / truth
    off[:, :, :3] *= 2  # a quarter of the pixels at half of their depth; the scale is the others'
    known = score(off, truth)
    assert known.delta1 == pytest.approx(0.75) and known.abs_rel == pytest.approx(0.125)
    jumping = 1 / truth
    jumping[1::2] *= 1.1
    assert score(jumping, truth).tae_percent > 5


def test_the_best_ramp_of_a_floor_is_the_floor():
    rows = np.linspace(0, 1, 40)[None, :, None]
    truth = np.broadcast_to(1 / (0.1 + 0.6 * rows), (2, 40, 30))
    assert score(best_ramp(truth), truth).delta1 > 0.97
    wall = np.broadcast_to(1 / (0.1 + 0.6 * np.linspace(0, 1, 30)), (2, 40, 30))
    assert score(best_ramp(wall, BENDS), wall).delta1 < 0.5


def test_effects_come_from_the_seed():
    frames = torch.rand(4, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    first, again, other = (apply_effects(frames, np.random.default_rng(seed), Strength(1, 1, 1, 1))
                           for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() <= 1
    none = apply_effects(frames, np.random.default_rng(3), Strength(1, 1, 1, 1).scaled(0))
    assert (none - frames).abs().max() < 0.06  # a camera's own noise


def test_flicker_and_occlusion_hit_frames_alone():
    frames = torch.full((40, 3, 20, 24), 0.5)
    seen = apply_effects(frames, np.random.default_rng(3), Strength(0, 0, 0.4, 0.3))
    hit = [float((frame - 0.5).abs().max()) > 0.06 for frame in seen]
    assert 10 < sum(hit) < 35
