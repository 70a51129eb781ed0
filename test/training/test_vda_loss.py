"""Video Depth Anything's loss is its authors': their own numbers are in test/data/vda-loss.npz."""
from pathlib import Path

import numpy as np
import pytest
import torch

from flashdepth_ros.training.losses import LOSSES, total_loss
from flashdepth_ros.training.vda_loss import temporal_loss, vda_losses

GOLDEN = np.load(Path(__file__).parents[1] / 'data' / 'vda-loss.npz')
CASES = sorted({name.partition('/')[0] for name in GOLDEN})


def case(name):
    return (torch.from_numpy(GOLDEN[f'{name}/{part}']) for part in ('prediction', 'target', 'mask'))


@pytest.mark.parametrize('name', CASES)
def test_values_and_gradients_are_the_authors(name):
    prediction, target, mask = case(name)
    prediction.requires_grad_()
    terms = vda_losses(prediction, target, mask)
    total = total_loss(terms, LOSSES['vda'].weights)
    total.backward()
    assert terms['spatial'].item() == pytest.approx(float(GOLDEN[f'{name}/spatial']), abs=1e-5)
    # their code weights it by 10
    assert 10 * terms['temporal'].item() == pytest.approx(float(GOLDEN[f'{name}/stable']), abs=1e-5)
    assert total.item() == pytest.approx(float(GOLDEN[f'{name}/total']), abs=1e-5)
    np.testing.assert_allclose(prediction.grad.numpy(), GOLDEN[f'{name}/gradient'], atol=1e-5)


def plain_loss(prediction, target, mask):
    """The same sums, pixel by pixel, of one clip (T, H, W)."""
    def normal(frame, known):
        middle = np.sort((frame * known).ravel())[(frame.size - 1) // 2]
        return (frame - middle) / max(np.abs(frame - middle)[known].mean(), 1e-6)

    error = np.stack([normal(p, m) - normal(t, m) for p, t, m in zip(
        prediction, target, mask, strict=True)])
    spatial = np.abs(error[mask]).mean()
    for every in (1, 2, 4, 8):
        e, m = error[:, ::every, ::every], mask[:, ::every, ::every]
        total = 0.0
        for t, y, x in np.argwhere(m):
            for dy, dx in ((0, 1), (1, 0)):
                if y + dy < m.shape[1] and x + dx < m.shape[2] and m[t, y + dy, x + dx]:
                    total += abs(e[t, y + dy, x + dx] - e[t, y, x])
        spatial += 0.5 * total / m.sum()
    ones = np.column_stack([prediction[mask], np.ones(mask.sum())])
    scale, shift = np.linalg.lstsq(ones, target[mask], rcond=None)[0]
    aligned, changes = scale * prediction + shift, []
    for t in range(1, len(target)):
        reach = np.ptp(target[t][mask[t]])
        for y, x in np.argwhere(mask[t] & mask[t - 1]):
            true = target[t, y, x] - target[t - 1, y, x]
            if abs(true) < 0.05 * reach:
                changes.append(abs(aligned[t, y, x] - aligned[t - 1, y, x] - true))
    return spatial, np.mean(changes)


def test_a_plain_form_gives_the_same_where_half_of_the_truth_is_missing():
    rng = np.random.default_rng(0)
    target = rng.uniform(0.1, 1, (1, 9, 11)) + rng.uniform(-0.03, 0.03, (4, 9, 11))
    prediction = 3 * target + 1 + 0.2 * rng.standard_normal(target.shape)
    mask = rng.random(target.shape) < 0.5
    spatial, temporal = plain_loss(prediction, target, mask)
    target = np.where(mask, target, np.nan)  # what is not known may be anything
    terms = vda_losses(*(torch.from_numpy(each)[None] for each in (prediction, target, mask)))
    assert terms['spatial'].item() == pytest.approx(spatial, rel=1e-5)
    assert terms['temporal'].item() == pytest.approx(temporal, rel=1e-4)


def test_scale_and_shift_cost_nothing_and_a_clip_without_truth_neither():
    _, target, mask = case(CASES[-1])
    everywhere = torch.ones_like(mask)  # the median takes missing truth for zeros: no shift then
    for prediction, known in ((5 * target + 2, everywhere), (5 * target, mask)):
        terms = vda_losses(prediction, target, known)
        assert max(each.item() for each in terms.values()) < 1e-4
    prediction = torch.rand_like(target).requires_grad_()
    terms = vda_losses(prediction, target, torch.zeros_like(mask))
    total_loss(terms, LOSSES['vda'].weights).backward()
    assert all(each.item() == 0 for each in terms.values()) and not prediction.grad.any()


def test_the_papers_formula_does_not_see_which_way_depth_changes():
    """There and back around a mean: the fit of the clip leaves both as they are."""
    target = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).repeat(1, 3, 1, 1)
    step = torch.full((8, 8), 0.01)
    step[:, ::2] = -0.01
    truth, wrong = target.clone(), target.clone()
    truth[0, 1] += step
    wrong[0, 1] -= step
    mask = torch.ones_like(truth)
    signed, unsigned = (temporal_loss(wrong, truth, mask, each).item() for each in (True, False))
    assert signed == pytest.approx(0.02, rel=0.05) and unsigned < 0.0005
