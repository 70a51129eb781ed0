"""Resizing of a network's output as the networks' authors do it, on the way to depth. No ROS here.

Bilinear with aligned corners: what torch.nn.functional.interpolate gives with align_corners=True,
without threads that wait for each other: on a loaded machine those cost more than they gain. OpenCV
has no such mode.
"""
import functools
from typing import NamedTuple

import cv2
import numpy as np

from .loops import loop


class DepthFormula(NamedTuple):
    """How values become depth: numerator / (factor * d + shift), with +-Inf out of range (REP 117).

    d: the values, or 1 / values where they are reciprocal. +Inf beyond max_range and where the
    divisor is not positive; -Inf nearer than min_range; NaN stays.
    """

    numerator: float
    factor: float
    shift: float
    reciprocal: bool
    min_range: float
    max_range: float


def square_pixels(picture: np.ndarray, aspect: float) -> np.ndarray:
    """Stretch a picture (h, w, 3) whose pixels are `aspect` times as wide as high, until they fit.

    Networks have been trained on square pixels.
    """
    if abs(aspect - 1) < 1e-3:
        return picture
    height, width = picture.shape[:2]
    size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def resize_aligned(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (h, w) float32 to (height, width); itself if it fits."""
    if image.shape == (height, width):
        return image
    resized = np.empty((height, width), np.float32)
    _resize(*_arguments(image, resized), False, 0, 0, 0, False, 0, 0, resized)
    return resized


def resize_to_depth(image: np.ndarray, formula: DepthFormula, out: np.ndarray) -> None:
    """Resize (h, w) float32 to out's size (H, W) float32, and make depth of it by the formula."""
    _resize(*_arguments(image, out), True, *formula, out)


def _arguments(image: np.ndarray, out: np.ndarray) -> tuple:
    return (np.require(image, np.float32, ['C', 'W']), *_places(image.shape[0], out.shape[0]),
            *_places(image.shape[1], out.shape[1]))


@functools.lru_cache(maxsize=32)
def _places(size: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows before and after each of `count` places (count,), and the latter's share."""
    place = np.linspace(0, size - 1, count)
    first = place.astype(np.intp)
    second = np.minimum(first + 1, size - 1)
    return first, second, (place - first).astype(np.float32)


@loop('void(float32[:, ::1], intp[::1], intp[::1], float32[::1], intp[::1], intp[::1], '
      'float32[::1], boolean, float32, float32, float32, boolean, float32, float32, '
      'float32[:, ::1])')
def _resize(image, top, bottom, down, left, right, across, to_depth,
            numerator, factor, shift, reciprocal, min_range, max_range, out):
    zero, one, infinity = np.float32(0), np.float32(1), np.float32(np.inf)
    # the last two rows that were resized to the new width, and which they are
    wide, held = np.empty((2, out.shape[1]), np.float32), np.full(2, -1)
    for y in range(out.shape[0]):
        above, below, share = image[top[y]], image[bottom[y]], down[y]
        if image.shape[1] != out.shape[1]:
            for row in (top[y], bottom[y]):
                if held[row % 2] != row:
                    held[row % 2] = row
                    for x in range(out.shape[1]):
                        value = image[row, left[x]]
                        wide[row % 2, x] = value + across[x] * (image[row, right[x]] - value)
            above, below = wide[top[y] % 2], wide[bottom[y] % 2]
        if share == 0:  # what lies below may be no number
            for x in range(out.shape[1]):
                out[y, x] = above[x]
        else:
            for x in range(out.shape[1]):
                out[y, x] = above[x] + share * (below[x] - above[x])
        if to_depth:
            for x in range(out.shape[1]):
                value = out[y, x]
                divisor = factor * (one / value if reciprocal else value) + shift
                depth = numerator / (zero if divisor < zero else divisor)
                depth = infinity if depth > max_range else depth
                out[y, x] = -infinity if depth < min_range else depth
