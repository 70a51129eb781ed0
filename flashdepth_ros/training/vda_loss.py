"""Video Depth Anything's loss of inverse depth that is known up to a scale and a shift.

Chen et al. 2025, arXiv 2501.12375, section 3.2, with the numbers of the authors' code: every frame
is compared after a robust scale and shift of its own (MiDaS, Ranftl et al. 2020, arXiv 1907.01341),
and how depth changes from frame to frame after one scale and shift of the whole clip.
"""
import torch
from torch import Tensor

SCALES = 4            # of the differences between neighbours: every pixel, every 2nd, 4th, 8th
GRADIENT_WEIGHT = 0.5
STILL = 0.05          # of the range of the truth: a pixel that changes more shows another surface
SMALLEST = 1e-6


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the mask; 0 where it is empty."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def normalised(values: Tensor, mask: Tensor) -> Tensor:
    """Shift and scale frames (B, H, W) each to median 0 and mean absolute deviation 1.

    The median is over all pixels, of which those without truth count as 0: the authors' code.
    """
    middle = (mask * values).flatten(1).median(dim=1).values[:, None, None]
    deviation = (mask * (values - middle).abs()).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)
    return (values - middle) / deviation.clamp(min=SMALLEST)[:, None, None]


def neighbour_differences(error: Tensor, mask: Tensor) -> Tensor:
    """Sum of how much the error (B, H, W) differs between neighbours, over the mask's pixels."""
    error = mask * error
    across = (error[:, :, 1:] - error[:, :, :-1]).abs() * (mask[:, :, 1:] * mask[:, :, :-1])
    down = (error[:, 1:] - error[:, :-1]).abs() * (mask[:, 1:] * mask[:, :-1])
    return (across.sum() + down.sum()) / mask.sum().clamp(min=1)


def spatial_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Scale-and-shift-invariant loss of frames (B, T, H, W), each for itself; mask: float."""
    prediction, target, mask = (each.flatten(0, 1) for each in (prediction, target, mask))
    error = normalised(prediction, mask) - normalised(target, mask)
    total = masked_mean(error.abs(), mask)
    for scale in range(SCALES):
        every = 2 ** scale
        total = total + GRADIENT_WEIGHT * neighbour_differences(
            error[:, ::every, ::every], mask[:, ::every, ::every])
    return total


def clip_scale_and_shift(
    prediction: Tensor, target: Tensor, mask: Tensor,
) -> tuple[Tensor, Tensor]:
    """Least squares fit of each clip (B, T, H, W) to its truth -> scale and shift, (B, 1, 1, 1)."""
    dims = (1, 2, 3)
    a00, a01 = (mask * prediction * prediction).sum(dims), (mask * prediction).sum(dims)
    a11 = mask.sum(dims)
    b0, b1 = (mask * prediction * target).sum(dims), (mask * target).sum(dims)
    determinant = a00 * a11 - a01 * a01
    known = determinant != 0
    divisor = torch.where(known, determinant + SMALLEST, 1)
    scale = torch.where(known, (a11 * b0 - a01 * b1) / divisor, 0)
    shift = torch.where(known, (a00 * b1 - a01 * b0) / divisor, 0)
    return scale[:, None, None, None], shift[:, None, None, None]


def temporal_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, signed: bool = True,
) -> Tensor:
    """Temporal gradient matching of clips (B, T, H, W), T from 2 on; mask: float.

    signed: compare the changes themselves, as the authors' code does; else how large they are,
    which is the paper's formula: there a pixel that comes nearer by as much as the truth goes away
    costs nothing.
    """
    scale, shift = clip_scale_and_shift(prediction, target, mask)
    aligned = scale * prediction + shift
    change, true_change = (each[:, 1:] - each[:, :-1] for each in (aligned, target))
    later = mask[:, 1:] > 0
    highest = target[:, 1:].masked_fill(~later, -torch.inf).amax((2, 3), keepdim=True)
    lowest = target[:, 1:].masked_fill(~later, torch.inf).amin((2, 3), keepdim=True)
    still = true_change.abs() < STILL * (highest - lowest)
    both = (later & (mask[:, :-1] > 0) & still).to(prediction.dtype)
    if not signed:
        change, true_change = change.abs(), true_change.abs()
    return masked_mean((change - true_change).abs(), both)


def vda_losses(
    prediction: Tensor, target: Tensor, mask: Tensor, signed: bool = True,
) -> dict[str, Tensor]:
    """Inverse depth of any scale and shift and its truth, (B, T, H, W) -> spatial and temporal.

    mask: where there is truth, bool; the target may be anything elsewhere. The temporal term of
    clips of one frame is 0. signed: see temporal_loss.
    """
    weight = mask.to(prediction.dtype)
    target = target.masked_fill(~mask, 0)
    return {
        'spatial': spatial_loss(prediction, target, weight),
        'temporal': temporal_loss(prediction, target, weight, signed)
        if prediction.shape[1] > 1 else prediction.new_zeros(()),
    }
