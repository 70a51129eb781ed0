"""Whether two pictures in a row can be of one scene. No ROS here.

Neither of the two measures is enough alone: flow bends one picture into another in places, and a
shift knows nothing of depth. The shift is the cheap one, so flow is computed only after it.
"""
import cv2
import numpy as np

from .optical_flow import FlowSearch, pixel_grid, warp

SIZE = 32, 24    # width and height at which pictures are shifted over each other,
SHIFTS = 10, 6   # by so many pixels at most,
DISTANCE = 0.2   # and from which distance they may be of two scenes
BLOCKS = 3, 4    # rows and columns of parts that are compared one by one

_INSIDE = cv2.copyMakeBorder(
    np.ones(SIZE[::-1], np.float32), SHIFTS[1], SHIFTS[1], SHIFTS[0], SHIFTS[0],
    cv2.BORDER_CONSTANT)
_ONES = np.ones(SIZE[::-1], np.float32)


class SceneChange:
    """Compares thumbnails (h, w) uint8 in grey, such as picture_statistics.thumbnail makes them."""

    def __init__(self) -> None:
        self._search = FlowSearch()

    def distance(self, now: np.ndarray, before: np.ndarray) -> float:
        """Return 0 (the same) to 2: how little the one resembles the other, wherever it moved to.

        1 - the correlation of `now` with `before` carried along the flow, the median over parts of
        the picture, of which what passes before the lens covers a few alone; or 0 where a mere
        shift explains enough. Both have one size.
        """
        if shift_distance(now, before) <= DISTANCE:
            return 0.0
        now, before = _evened(now), _evened(before)
        carried = warp(before, self._search.flow(now, before) + pixel_grid(*now.shape))
        return 1 - float(np.median([
            _correlation(a, b) for rows in zip(
                *(np.array_split(each, BLOCKS[0]) for each in (now, carried)), strict=True)
            for a, b in zip(
                *(np.array_split(each, BLOCKS[1], axis=1) for each in rows), strict=True)]))


def shift_distance(now: np.ndarray, before: np.ndarray) -> float:
    """Return 1 - the best correlation of two pictures (h, w) shifted over each other, 0 to 2."""
    a, b = (cv2.resize(each, SIZE, interpolation=cv2.INTER_AREA).astype(np.float32) - 128
            for each in (now, before))
    still = 1 - _correlation(a, b)
    if still <= DISTANCE:  # as mostly: no shift need be tried
        return still
    padded = cv2.copyMakeBorder(
        b, SHIFTS[1], SHIFTS[1], SHIFTS[0], SHIFTS[0], cv2.BORDER_CONSTANT)

    def sums(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """Sum the products over the overlap, for each shift."""
        return cv2.matchTemplate(image, kernel, cv2.TM_CCORR).astype(np.float64)

    count = sums(_INSIDE, _ONES)
    of_a, of_b = sums(_INSIDE, a) / count, sums(padded, _ONES) / count
    squares_a, squares_b = sums(_INSIDE, a * a) / count, sums(padded * padded, _ONES) / count
    covariance = sums(padded, a) / count - of_a * of_b
    variance = np.maximum(squares_a - of_a ** 2, 1e-3) * np.maximum(squares_b - of_b ** 2, 1e-3)
    return float(1 - (covariance / np.sqrt(variance)).max())


def _evened(grey: np.ndarray) -> np.ndarray:
    """Return a picture with a mean of 128 and a deviation of 50: light alone makes no scene."""
    mean, deviation = (float(each[0, 0]) for each in cv2.meanStdDev(grey))
    gain = 50 / max(deviation, 1.0)
    return cv2.convertScaleAbs(grey, alpha=gain, beta=128 - gain * mean)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return that of two pictures; 1 where there is nothing to tell them by."""
    a, b = (each.astype(np.float32) - float(each.mean()) for each in (a, b))
    product = cv2.norm(a) * cv2.norm(b)
    return float((a * b).sum()) / product if product > 1 else 1.0
