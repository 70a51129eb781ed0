"""What a picture tells of the camera that took it: light, detail, sharpness. No ROS here.

All is taken of a small grey picture of one size, whatever the camera's, so that the numbers mean
the same for every camera.
"""
from dataclasses import dataclass
import functools

import cv2
import numpy as np

from .loops import loop

LONG_SIDE = 182  # pixels of a thumbnail
WHITE = 250      # grey levels from which a pixel is white
FINE, COARSE = 1.2, 6.0  # sigma in pixels of a thumbnail: between them lies what blur takes away

_REACH = 5  # pixels of a fine blur to each side
_TAPS = cv2.getGaussianKernel(2 * _REACH + 1, FINE, cv2.CV_32F)[_REACH:, 0].copy()


@dataclass(frozen=True)
class PictureStatistics:
    """Numbers of one thumbnail; levels are of 255.

    brightness: 98th percentile of the levels, smoothed, since the noise of a covered camera is no
    light. white: share of the pixels that are white. detail:
    99th percentile of the gradient, in levels a pixel. contrast: standard deviation of the levels.
    fine: share of the standard deviation at small scales that lies at the smallest.
    """

    brightness: float
    white: float
    detail: float
    contrast: float
    fine: float


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """RGB (H, W, 3) uint8 -> grey (h, w) uint8, averaged to a long side of 182 pixels at most.

    Of large pictures every second, third ... pixel counts, so that they cost no more than small
    ones; at least two by two are averaged.
    """
    step = max(1, max(rgb.shape[:2]) // (2 * LONG_SIDE))
    height, width = (-(-side // step) for side in rgb.shape[:2])
    if max(height, width) >= 2 * LONG_SIDE and min(height, width) > 1:
        grey = np.empty((height // 2, width // 2), np.uint8)
        _halve(np.require(rgb, np.uint8, ['C', 'W']), step, grey)
    else:
        grey = np.ascontiguousarray(cv2.cvtColor(rgb[::step], cv2.COLOR_RGB2GRAY)[:, ::step])
    height, width = grey.shape
    while max(height, width) >= 2 * LONG_SIDE and min(height, width) > 1:
        # exact halves are thirty times faster than another factor
        height, width = height // 2, width // 2
        grey = cv2.resize(grey[:2 * height, :2 * width], (width, height),
                          interpolation=cv2.INTER_AREA)
    factor = LONG_SIDE / max(height, width)
    if factor < 1:
        grey = cv2.resize(grey, (max(1, round(width * factor)), max(1, round(height * factor))),
                          interpolation=cv2.INTER_AREA)
    return grey


@loop('void(uint8[:, :, ::1], intp, uint8[:, ::1])')
def _halve(rgb, step, out):
    """Average each two by two of every step-th pixel, in grey as OpenCV makes it."""
    lines = np.empty((2, 2 * out.shape[1]), np.int32)
    for y in range(out.shape[0]):
        for i in range(2):
            pixels, line = rgb[(2 * y + i) * step, ::step], lines[i]
            for x in range(line.size):
                line[x] = (9798 * np.int32(pixels[x, 0]) + 19235 * np.int32(pixels[x, 1])
                           + 3735 * np.int32(pixels[x, 2]) + 16384) >> 15
        upper, lower = lines
        for x in range(out.shape[1]):
            out[y, x] = (upper[2 * x] + upper[2 * x + 1]
                         + lower[2 * x] + lower[2 * x + 1] + 2) >> 2


def picture_statistics(grey: np.ndarray) -> PictureStatistics:
    """Take the numbers of a thumbnail (h, w) uint8."""
    height, width = grey.shape
    # so wide a blur is the same at a quarter of the size
    small = cv2.resize(grey.astype(np.float32), (max(1, width // 4), max(1, height // 4)),
                       interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cv2.GaussianBlur(small, (0, 0), COARSE / 4), (width, height))
    numbers = np.empty(5)
    _measure(np.require(grey, np.uint8, ['C', 'W']), coarse, _mirrored(height), _mirrored(width),
             _TAPS, numbers)
    return PictureStatistics(*numbers.tolist())


@functools.lru_cache(maxsize=32)
def _mirrored(size: int) -> np.ndarray:
    """Return the pixels (size + 2 * _REACH,) of a row with both ends mirrored."""
    return np.pad(np.arange(size), _REACH, mode='reflect')


@loop('void(uint8[:, ::1], float32[:, ::1], intp[::1], intp[::1], float32[::1], float64[::1])')
def _measure(grey, coarse, rows, columns, taps, numbers):
    """Fill in brightness, white, detail, contrast and fine."""
    height, width = grey.shape
    reach = taps.size - 1
    picture = np.empty((rows.size, columns.size), np.float32)
    for y in range(rows.size):
        line = grey[rows[y]]
        for x in range(columns.size):
            picture[y, x] = line[columns[x]]
    across = np.empty((rows.size, width), np.float32)  # smoothed
    for y in range(rows.size):
        line, out = picture[y, reach:], across[y]
        for x in range(width):
            out[x] = taps[0] * line[x]
        for k in range(1, taps.size):
            left, right, tap = picture[y, reach - k:], picture[y, reach + k:], taps[k]
            for x in range(width):
                out[x] += tap * (left[x] + right[x])

    levels, steps = np.zeros(256, np.int64), np.zeros(1024, np.int64)
    smooth, slope = np.empty(width, np.float32), np.empty(width, np.float32)
    two = np.float32(2)
    white = 0
    # sums of levels, of what is fine and of what is less than coarse, and of their squares
    a = b = c = aa = bb = cc = np.float64(0)
    for y in range(height):
        middle = across[y + reach]
        for x in range(width):
            smooth[x] = taps[0] * middle[x]
        for k in range(1, taps.size):
            above, below, tap = across[y + reach - k], across[y + reach + k], taps[k]
            for x in range(width):
                smooth[x] += tap * (above[x] + below[x])
        above, line, below = (picture[y + reach - 1, reach - 1:], picture[y + reach, reach - 1:],
                              picture[y + reach + 1, reach - 1:])
        for x in range(width):  # Sobel's: eight times the levels a pixel
            right = (above[x + 2] - above[x] + below[x + 2] - below[x]
                     + two * (line[x + 2] - line[x]))
            down = (below[x] - above[x] + below[x + 2] - above[x + 2]
                    + two * (below[x + 1] - above[x + 1]))
            slope[x] = np.sqrt(right * right + down * down)
        pixels, wide = grey[y], coarse[y]
        for x in range(width):
            levels[min(255, int(smooth[x]))] += 1
            steps[int(slope[x]) // 2] += 1
            white += pixels[x] >= WHITE
        for x in range(width):
            level = np.float32(pixels[x])
            fine, medium = level - smooth[x], level - wide[x]
            a, aa = a + level, aa + level * level
            b, bb = b + fine, bb + fine * fine
            c, cc = c + medium, cc + medium * medium

    place, count = 0, levels[0]
    while count < 0.98 * grey.size:
        place += 1
        count += levels[place]
    numbers[0], numbers[1] = place, white / grey.size
    place, count = 0, steps[0]
    while count < 0.99 * grey.size:
        place += 1
        count += steps[place]
    numbers[2] = place * 2 / 8
    n = grey.size
    contrast, fine, medium = [
        np.sqrt(max(0.0, squares / n - (total / n) ** 2))
        for total, squares in ((a, aa), (b, bb), (c, cc))]
    numbers[3], numbers[4] = contrast, fine / max(medium, 1e-3)


def equal_share(grey: np.ndarray, before: np.ndarray) -> float:
    """Return the share of pixels that two thumbnails have in common; 0 for different sizes."""
    if grey.shape != before.shape:
        return 0.0
    return 1 - cv2.countNonZero(cv2.absdiff(grey, before)) / grey.size
