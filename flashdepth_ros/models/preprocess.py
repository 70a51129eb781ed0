"""From a camera frame to the tensor that a network takes, as each model's authors prepare it."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass
import functools
import math
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ..images.cubic import shrink_cubic
from .vit import PATCH

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)  # ImageNet's, RGB
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)

Size = tuple[int, int]  # height, width

LONGEST_SIDE = 4096  # of a network's frame: a strip of 16384x1 pixels must not fill the memory


class FrameTooSmallError(ValueError):
    """The frame gives the network fewer patches than its layers need, or is a mere strip."""


def ceil_to_patch(length: float) -> int:
    """Return the next multiple of the patch size."""
    return math.ceil(length / PATCH) * PATCH


def native_sizes(height: int, width: int, short_side: int = 0) -> tuple[Size, ...]:
    """By FlashDepth's rule: the camera's own size, at most 2044 a side, raised to patches.

    Like the authors' loader it resamples twice where the first size is not made of whole patches.
    short_side: shrink (never enlarge) to that short side first; 0 for the rule alone.
    """
    size = (height, width)
    if 0 < short_side < min(size):
        factor = short_side / min(size)
        size = (round(height * factor), round(width * factor))
    if max(size) > 2044:
        factor = 2044 / max(size)
        size = (int(size[0] * factor), int(size[1] * factor))
    return size, (ceil_to_patch(size[0]), ceil_to_patch(size[1]))


def bounded_sizes(
    height: int, width: int, short_side: int = 0, wide_ratio: float = math.inf,
    standard: int = 518,
) -> tuple[Size, ...]:
    """Depth Anything's rule: the short side becomes 518 pixels, the aspect is kept to a patch.

    short_side: instead of `standard`; 0 for the rule alone. wide_ratio: frames longer than this
    ratio get a smaller short side (Video Depth Anything, 1.78).
    """
    target = short_side or standard
    ratio = max(height, width) / min(height, width)
    if ratio > wide_ratio:
        target = round(int(target * 1.777 / ratio) / PATCH) * PATCH
    factor = max(target / height, target / width)

    def side(length: int) -> int:
        rounded = round(length * factor / PATCH) * PATCH
        return rounded if rounded >= target else ceil_to_patch(length * factor)

    return (side(height), side(width)),


def token_sizes(
    height: int, width: int, short_side: int = 0, tokens: int = 2500,
) -> tuple[Size, ...]:
    """By MoGe's rule: nearly as many patches as `tokens`, the aspect kept, cut to whole patches.

    It was trained with 1200 to 2500. short_side: instead of `tokens`; 0 for the rule alone.
    """
    if short_side:
        short = min(height, width)
        size = (height * short_side // short, width * short_side // short)
    else:
        factor = math.sqrt(tokens * PATCH ** 2 / (height * width))
        size = (int(height * factor), int(width * factor))
    return size, (size[0] // PATCH * PATCH, size[1] // PATCH * PATCH)


@dataclass(frozen=True)
class FrameFormat:
    """What a model's frame must look like.

    sizes: (height, width, short_side) -> the sizes that the frame is resampled to, one after the
    other; the last is the network's. clip: cut the cubic overshoot to [0, 1] after each.
    resample: which library's bicubic the authors used; 'antialiased' is PyTorch's with
    antialiasing, and bilinear from the second size on. min_side: the network's lower limit.
    """

    sizes: Callable[[int, int, int], tuple[Size, ...]]
    clip: bool = False
    resample: Literal['opencv', 'torch', 'antialiased'] = 'opencv'
    min_side: int = PATCH

    def network_size(self, height: int, width: int, short_side: int = 0) -> Size:
        """Return the network's (height, width) for a camera frame's; FrameTooSmallError."""
        size = self.sizes(height, width, short_side)[-1]
        if min(size) < self.min_side:
            raise FrameTooSmallError(
                f'a {width}x{height} frame becomes {size[1]}x{size[0]} for the network, which needs'
                f' {self.min_side} pixels a side: use a larger camera image or input.short_side')
        if max(size) > LONGEST_SIDE:
            raise FrameTooSmallError(
                f'a {width}x{height} frame becomes {size[1]}x{size[0]} for the network, which takes'
                f' at most {LONGEST_SIDE} pixels a side: use a smaller input.short_side, or an'
                f' image that is less of a strip')
        return size


def prepare_frame(
    rgb: np.ndarray, frame_format: FrameFormat, short_side: int = 0, device: str | None = None,
) -> torch.Tensor:
    """RGB frame (H, W, 3) uint8 -> normalised float32 (3, h, w), sides multiples of 14.

    device: where PyTorch prepares it, to 1e-4 the same; None is on the CPU, as is fastest there.
    Raises FrameTooSmallError.
    """
    height, width = rgb.shape[:2]
    frame_format.network_size(height, width, short_side)
    sizes = frame_format.sizes(height, width, short_side)
    if device is not None or frame_format.resample != 'opencv':
        return _prepare_in_torch(
            rgb, sizes, frame_format.clip, device or 'cpu', frame_format.resample == 'antialiased')
    # Channel by channel: OpenCV and NumPy are several times faster on a plane than on pixels of
    # three. All of it is linear, so the division by 255 and the normalisation are one, at the end.
    frame = np.empty((3, *sizes[-1]), np.float32)
    planes: Iterable[np.ndarray]
    if 4 * sizes[0][0] * sizes[0][1] < height * width:  # else OpenCV is the faster one
        planes = shrink_cubic(rgb, *sizes[0], frame_format.clip)
    else:
        planes = (plane.astype(np.float32) for plane in cv2.split(rgb))
    for channel, plane in enumerate(planes):
        for h, w in sizes:
            if plane.shape != (h, w):
                plane = cv2.resize(plane, (w, h), interpolation=cv2.INTER_CUBIC)
                if frame_format.clip:
                    np.clip(plane, 0, 255, out=plane)
        np.multiply(plane, 1 / (255 * STD[channel]), out=frame[channel])
        frame[channel] -= MEAN[channel] / STD[channel]
    return torch.from_numpy(frame)


def _prepare_in_torch(
    rgb: np.ndarray, sizes: tuple[Size, ...], clip: bool, device: str, antialias: bool,
) -> torch.Tensor:
    """Upload the bytes, a quarter or less of what floats would be, and go on from there.

    PyTorch's cubic is OpenCV's (a = -0.75, edges repeated) without antialiasing; with it a = -0.5.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(rgb))
    if device.startswith('cuda'):
        pixels = pixels.pin_memory().to(device, non_blocking=True)
    frame = pixels.permute(2, 0, 1).float().div_(255)
    for index, size in enumerate(sizes):
        if frame.shape[1:] != size:
            frame = F.interpolate(
                frame[None], size, mode='bilinear' if antialias and index else 'bicubic',
                align_corners=False, antialias=antialias)[0]
            if clip:
                frame.clamp_(0, 1)
    mean, std = _mean_and_std(device)
    return (frame - mean) / std


@functools.cache
def _mean_and_std(device: str) -> tuple[torch.Tensor, ...]:
    """Return both as (3, 1, 1), where a frame finds them without waiting for the host."""
    with torch.inference_mode(False):
        return tuple(torch.from_numpy(values)[:, None, None].to(device) for values in (MEAN, STD))
