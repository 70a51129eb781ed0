"""What the node's loop over pixels does, in PyTorch's operations: for machines without Numba."""
import torch
import torch.nn.functional as F

from flashdepth_ros.images.resampling import DepthFormula


@torch.inference_mode()
def resize_to_depth_in_torch(
    output: torch.Tensor, formula: DepthFormula, height: int, width: int,
) -> torch.Tensor:
    """Resize (h, w) float32 to (height, width), and make depth of it by the formula."""
    if output.shape != (height, width):
        output = F.interpolate(
            output[None, None], (height, width), mode='bilinear', align_corners=True)[0, 0]
    divisor = formula.factor * (1 / output if formula.reciprocal else output) + formula.shift
    depth = formula.numerator / divisor.clamp(min=0)
    depth = torch.where(depth > formula.max_range, torch.inf, depth)
    return torch.where(depth < formula.min_range, -torch.inf, depth)
