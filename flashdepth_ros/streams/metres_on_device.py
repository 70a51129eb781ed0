"""An output's way to the camera's size and to metres on the device that computed it. No ROS here.

The same as images/resampling.py in PyTorch's operations: on a GPU the picture then goes to the host
once, in its final form.
"""
import torch
from torch import Tensor
import torch.nn.functional as F

from ..images.resampling import DepthFormula


@torch.inference_mode()
def resize_to_depth_on_device(
    output: Tensor, formula: DepthFormula, height: int, width: int,
) -> Tensor:
    """Resize (h, w) float32 to (height, width), and make depth of it by the formula."""
    if output.shape != (height, width):
        output = F.interpolate(
            output[None, None], (height, width), mode='bilinear', align_corners=True)[0, 0]
    divisor = formula.factor * (1 / output if formula.reciprocal else output) + formula.shift
    depth = formula.numerator / divisor.clamp(min=0)
    depth = torch.where(depth > formula.max_range, torch.inf, depth)
    return torch.where(depth < formula.min_range, -torch.inf, depth)


class Download:
    """Brings pictures of one size to the host, through pinned memory where they lie on a GPU.

    What it returns is overwritten by the next one.
    """

    def __init__(self) -> None:
        self._host = torch.empty(0)

    def __call__(self, picture: Tensor) -> Tensor:
        """Return the picture on the CPU; waits for the device."""
        if not picture.is_cuda:
            return picture
        if self._host.shape != picture.shape or self._host.dtype != picture.dtype:
            self._host = torch.empty(picture.shape, dtype=picture.dtype, pin_memory=True)
        self._host.copy_(picture, non_blocking=True)
        torch.cuda.current_stream(picture.device).synchronize()
        return self._host
