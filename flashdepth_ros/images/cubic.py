"""Shrinking of camera images as OpenCV's INTER_CUBIC does it, without looking at every pixel."""
import functools

import numpy as np

from .loops import loop

_A = -0.75  # OpenCV's and PyTorch's cubic


def shrink_cubic(rgb: np.ndarray, height: int, width: int, clip: bool) -> np.ndarray:
    """Resize RGB (H, W, 3) uint8 -> (3, height, width) float32, of 0 to 255 and beyond.

    What cv2.resize gives for the image in float32, to rounding: without antialiasing, the edges
    repeated. clip: cut what overshoots 0 to 255. OpenCV has to make floats of the whole image
    first, so this is the faster way where the result has less than a quarter of its pixels.
    """
    low, high = (0.0, 255.0) if clip else (-np.inf, np.inf)
    rows, row_weights = _taps(rgb.shape[0], height)
    columns, column_weights = _taps(rgb.shape[1], width)
    planes = np.empty((3, height, width), np.float32)
    _shrink(np.require(rgb, np.uint8, ['C', 'W']).reshape(len(rgb), -1), rows, row_weights,
            3 * columns, column_weights, low, high, planes)
    return planes


@functools.lru_cache(maxsize=32)
def _taps(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the 4 rows that each of `count` places is made of, and their weights (4, count)."""
    place = (np.arange(count) + 0.5) * (size / count) - 0.5
    first = np.floor(place)
    offsets = np.arange(-1, 3)[:, None]
    distance = np.abs(place - first - offsets)
    near = ((_A + 2) * distance - (_A + 3)) * distance ** 2 + 1
    far = ((distance - 5) * distance + 8) * distance * _A - 4 * _A
    rows = np.clip(first.astype(np.intp) + offsets, 0, size - 1)
    return rows, np.where(distance < 1, near, far).astype(np.float32)


@loop('void(uint8[:, ::1], intp[:, ::1], float32[:, ::1], intp[:, ::1], float32[:, ::1], float32, '
      'float32, float32[:, :, ::1])')
def _shrink(image, rows, row_weights, columns, column_weights, low, high, out):
    row = np.empty(image.shape[1], np.float32)
    for y in range(out.shape[1]):
        a, b, c, d = rows[0, y], rows[1, y], rows[2, y], rows[3, y]
        of_a, of_b, of_c, of_d = (
            row_weights[0, y], row_weights[1, y], row_weights[2, y], row_weights[3, y])
        for x in range(row.size):
            row[x] = (of_a * np.float32(image[a, x]) + of_b * np.float32(image[b, x])
                      + of_c * np.float32(image[c, x]) + of_d * np.float32(image[d, x]))
        for channel in range(3):
            for x in range(out.shape[2]):
                value = (column_weights[0, x] * row[columns[0, x] + channel]
                         + column_weights[1, x] * row[columns[1, x] + channel]
                         + column_weights[2, x] * row[columns[2, x] + channel]
                         + column_weights[3, x] * row[columns[3, x] + channel])
                value = low if value < low else value
                out[channel, y, x] = high if value > high else value
