"""Losses of inverse depth, on the logarithm of its ratio to the truth's.

Planes in space are planes in inverse depth; the errors that count (delta 1, AbsRel) are ratios.
"""
import torch
from torch import Tensor
import torch.nn.functional as F

FLOOR = 2.5            # 100/m, that is 40 m: below, the logarithm continues as a straight line
STILL = 0.05           # change of the log truth, above which a pixel is not the same surface


def log_inverse_depth(raw: Tensor) -> Tensor:
    """Logarithm of the raw output in 100/m, with a slope also where the final ReLU has none."""
    return torch.where(raw > FLOOR, raw.clamp(min=FLOOR).log(), raw / FLOOR - 1 + _LOG_FLOOR)


_LOG_FLOOR = float(torch.tensor(FLOOR).log())


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the mask; 0 where it is empty."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


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


def depth_losses(raw: Tensor, depth: Tensor) -> dict[str, Tensor]:
    """Raw output in 100/m and true depth in metres (0: none), both (N, T, H, W) -> loss terms.

    scale: after one scale per clip. metric: without any. gradient: of neighbours. change: of the
    same pixel in the next frame, where the truth keeps still; 0 for clips of one frame.
    """
    mask = depth > 0
    truth = (100 / depth.clamp(min=0.05)).log()
    ratio = log_inverse_depth(raw) - truth
    aligned = ratio - clip_median(ratio.detach(), mask)
    terms = {
        'scale': masked_mean(aligned.abs(), mask),
        'metric': masked_mean(F.huber_loss(ratio, torch.zeros_like(ratio), reduction='none',
                                           delta=0.5), mask),
        'gradient': gradient_loss(ratio, mask),
        'change': ratio.new_zeros(()),
    }
    if raw.shape[1] > 1:
        still = (truth[:, 1:] - truth[:, :-1]).abs() < STILL
        terms['change'] = masked_mean(
            (ratio[:, 1:] - ratio[:, :-1]).abs(), mask[:, 1:] & mask[:, :-1] & still)
    return terms


WEIGHTS = {'scale': 1.0, 'metric': 0.2, 'gradient': 1.0, 'change': 0.5}


def total_loss(terms: dict[str, Tensor]) -> Tensor:
    return sum(WEIGHTS[name] * value for name, value in terms.items())
