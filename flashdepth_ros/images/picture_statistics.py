"""What a picture tells of the camera that took it: light, detail, sharpness. No ROS here.

All is taken of a small grey picture of one size, whatever the camera's, so that the numbers mean
the same for every camera.
"""
from dataclasses import dataclass

import cv2
import numpy as np

LONG_SIDE = 182  # pixels of a thumbnail
WHITE = 250      # grey levels from which a pixel is white
FINE, COARSE = 1.2, 6.0  # sigma in pixels of a thumbnail: between them lies what blur takes away


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


def picture_statistics(grey: np.ndarray) -> PictureStatistics:
    """Take the numbers of a thumbnail (h, w) uint8."""
    height, width = grey.shape
    values = grey.astype(np.float32)
    smooth = cv2.GaussianBlur(values, (0, 0), FINE)
    levels, smoothed = (np.cumsum(cv2.calcHist([each], [0], None, [256], [0, 256]))
                        for each in (grey, smooth))
    across, down = cv2.spatialGradient(grey)  # Sobel's: eight times the levels a pixel
    gradient = cv2.magnitude(across.astype(np.float32), down.astype(np.float32))
    steps = np.cumsum(cv2.calcHist([gradient], [0], None, [1024], [0, 2048]))
    # so wide a blur is the same at a quarter of the size
    small = cv2.resize(values, (max(1, width // 4), max(1, height // 4)),
                       interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cv2.GaussianBlur(small, (0, 0), COARSE / 4), (width, height))
    return PictureStatistics(
        brightness=float(np.searchsorted(smoothed, 0.98 * grey.size)),
        white=float(1 - levels[WHITE - 1] / grey.size),
        detail=float(np.searchsorted(steps, 0.99 * grey.size)) * 2 / 8,
        contrast=_deviation(values),
        fine=_deviation(values - smooth) / max(_deviation(values - coarse), 1e-3))


def _deviation(values: np.ndarray) -> float:
    return float(cv2.meanStdDev(values)[1][0, 0])


def equal_share(grey: np.ndarray, before: np.ndarray) -> float:
    """Return the share of pixels that two thumbnails have in common; 0 for different sizes."""
    if grey.shape != before.shape:
        return 0.0
    return 1 - cv2.countNonZero(cv2.absdiff(grey, before)) / grey.size
