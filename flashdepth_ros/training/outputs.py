"""From what a network gives to what losses and scores compare: inverse depth."""
import numpy as np
import torch
from torch import Tensor

from ..models.spec import POINT_MAP, ModelSpec, Unit

NEAREST = 0.05     # metres, or the network's unit of depth: nearer is taken for that
LARGEST_LOG = 80.0


def inverse_depth(
    output: Tensor, spec: ModelSpec, depth: Tensor | None = None, mask: Tensor | None = None,
) -> Tensor:
    """Outputs (N, T, ...) of a model -> inverse depth (N, T, H, W).

    In 100/m where the model's unit is metric; else of any scale and shift. depth, mask: the truth
    and where it is known. The depth of point maps has a shift, which MoGe solves for; here it is
    taken from the truth, one for each clip.
    """
    output = output.float()
    if spec.outputs == POINT_MAP:
        z = output[:, :, 2].clamp(-LARGEST_LOG, LARGEST_LOG).exp()
        shift = z.new_zeros(()) if depth is None or mask is None else _shift(z, depth, mask)
        return 1 / (z + shift).clamp(min=NEAREST)
    if spec.unit is Unit.METRES:
        return 100 / output.clamp(min=NEAREST)
    return output


@torch.no_grad()
def _shift(z: Tensor, depth: Tensor, mask: Tensor) -> Tensor:
    """Return t / s of the least squares fit s * z + t = depth of each clip, (N, 1, 1, 1)."""
    weight = mask.double()
    count = weight.sum((1, 2, 3), keepdim=True).clamp(min=1)
    z, depth = z.double(), depth.double()
    mean_z, mean_depth = ((weight * each).sum((1, 2, 3), keepdim=True) / count
                          for each in (z, depth))
    covariance = (weight * (z - mean_z) * (depth - mean_depth)).sum((1, 2, 3), keepdim=True)
    variance = (weight * (z - mean_z).square()).sum((1, 2, 3), keepdim=True)
    known = covariance > 1e-6 * variance
    scale = torch.where(known, covariance / variance.clamp(min=1e-12), 1)
    return torch.where(known, mean_depth / scale - mean_z, 0).float()


def alignment(spec: ModelSpec) -> str:
    """Return how scores are aligned: by one scale, or with a shift where the unit has one."""
    return 'median' if spec.unit.is_metric else 'scale-shift'


def as_disparity(output: Tensor, spec: ModelSpec) -> np.ndarray:
    """Return one stream's outputs (T, ...) as inverse depth (T, H, W) for scores."""
    return inverse_depth(output[None], spec)[0].cpu().numpy()
