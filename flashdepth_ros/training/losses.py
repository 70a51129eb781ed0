"""The losses by name: 'log' is this package's own, 'vda' and 'l1' those of the networks' authors.

All compare inverse depth with the true depth of clips. 'log' is on the logarithm of its ratio to
the truth's: planes in space are planes in inverse depth, and the errors that count (delta 1,
AbsRel) are ratios.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
import torch.nn.functional as F

from .vda_loss import masked_mean, vda_losses

FLOOR = 2.5            # 100/m, that is 40 m: below, the logarithm continues as a straight line
NEAREST = 0.05         # metres: truth that is nearer is taken for that
STILL = 0.05           # change of the log truth, above which a pixel is not the same surface


def log_inverse_depth(raw: Tensor) -> Tensor:
    """Logarithm of the raw output in 100/m, with a slope also where the final ReLU has none."""
    return torch.where(raw > FLOOR, raw.clamp(min=FLOOR).log(), raw / FLOOR - 1 + _LOG_FLOOR)


_LOG_FLOOR = float(torch.tensor(FLOOR).log())


def clip_median(ratio: Tensor, mask: Tensor) -> Tensor:
    """Median of (N, T, H, W) over each clip's masked pixels, (N, 1, 1, 1); 0 for a clip of none."""
    values = torch.where(mask, ratio, torch.nan)[..., ::3, ::3].flatten(1)
    return values.nanmedian(dim=1).values.nan_to_num()[:, None, None, None]


def gradient_loss(ratio: Tensor, mask: Tensor, scales: int = 4) -> Tensor:
    """Mean difference of the log ratio between neighbours, at steps of 1, 2, 4, 8 pixels.

    MiDaS (Ranftl et al. 2020, arXiv 1907.01341), equation 11, on log ratios.
    """
    total = ratio.new_zeros(())
    for scale in range(scales):
        r, m = ratio[..., ::2 ** scale, ::2 ** scale], mask[..., ::2 ** scale, ::2 ** scale]
        for one, other, both in (
                (r[..., 1:], r[..., :-1], m[..., 1:] & m[..., :-1]),
                (r[..., 1:, :], r[..., :-1, :], m[..., 1:, :] & m[..., :-1, :])):
            total = total + masked_mean((one - other).abs(), both)
    return total / scales


def log_losses(prediction: Tensor, depth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Inverse depth in 100/m and true depth in metres, both (N, T, H, W) -> loss terms.

    scale: after one scale per clip. metric: without any. gradient: of neighbours. change: of the
    same pixel in the next frame, where the truth keeps still; 0 for clips of one frame.
    """
    truth = (100 / depth.clamp(min=NEAREST)).log()
    ratio = log_inverse_depth(prediction) - truth
    aligned = ratio - clip_median(ratio.detach(), mask)
    terms = {
        'scale': masked_mean(aligned.abs(), mask),
        'metric': masked_mean(F.huber_loss(ratio, torch.zeros_like(ratio), reduction='none',
                                           delta=0.5), mask),
        'gradient': gradient_loss(ratio, mask),
        'change': ratio.new_zeros(()),
    }
    if prediction.shape[1] > 1:
        still = (truth[:, 1:] - truth[:, :-1]).abs() < STILL
        terms['change'] = masked_mean(
            (ratio[:, 1:] - ratio[:, :-1]).abs(), mask[:, 1:] & mask[:, :-1] & still)
    return terms


def l1_losses(prediction: Tensor, depth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Return FlashDepth's loss: the mean difference from 100 / Z, in 100/m, over the mask."""
    truth = 100 / depth.clamp(min=NEAREST)
    return {'l1': masked_mean((prediction - truth).abs(), mask)}


def relative_losses(
    prediction: Tensor, depth: Tensor, mask: Tensor, signed: bool = True,
) -> dict[str, Tensor]:
    """Return the terms of Video Depth Anything's loss, see vda_losses.

    Each clip's true inverse depth is brought to about 0 to 1, by its 98th percentile: the temporal
    term is in the truth's unit.
    """
    truth = 1 / depth.clamp(min=NEAREST)
    known = torch.where(mask, truth, torch.nan)[..., ::3, ::3].flatten(1)
    near = known.nanquantile(0.98, dim=1).nan_to_num(1.0)[:, None, None, None]
    return vda_losses(prediction, truth / near, mask, signed)


@dataclass(frozen=True)
class Loss:
    """A loss by name.

    terms: inverse depth (N, T, H, W), true depth in metres and where it is known, bool -> the terms
    by name. weights: of the terms. metric: whether the prediction must be in 100/m, else it may
    have any scale and shift.
    """

    terms: Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]
    weights: dict[str, float]
    metric: bool


LOSSES = {
    'log': Loss(log_losses, {'scale': 1.0, 'metric': 0.2, 'gradient': 1.0, 'change': 0.5}, True),
    'l1': Loss(l1_losses, {'l1': 1.0}, True),
    'vda': Loss(relative_losses, {'spatial': 1.0, 'temporal': 10.0}, False),
    'vda-paper': Loss(partial(relative_losses, signed=False),
                      {'spatial': 1.0, 'temporal': 10.0}, False),
}


def total_loss(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Return the weighted sum; terms whose weight is 0 are left out, be they not finite."""
    kept = [weights[name] * value for name, value in terms.items() if weights[name]]
    return torch.stack(kept).sum()


def mean_over_clips(
    loss: Loss, prediction: Tensor, depth: Tensor, mask: Tensor,
) -> dict[str, Tensor]:
    """Return the mean of every term over clips (N, T, H, W), each by itself.

    So every clip counts the same, however little of it has truth, and a batch is the same whether
    it is shared by processes, accumulated or taken at once.
    """
    rows: Sequence[dict[str, Tensor]] = [
        loss.terms(*(each[i:i + 1] for each in (prediction, depth, mask)))
        for i in range(len(prediction))]
    return {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}
