"""Whether what fills a picture came before the lens, or was in view before. No ROS here.

A picture of one even tone may be of a blank wall or of a finger on the lens. A camera comes to a
wall: the wall filled a good part of the pictures before, and in its tone. A cover comes from
nowhere.
"""
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from .picture_statistics import WHITE

REACH = 0.35     # seconds over which pictures are remembered,
SLOWEST = 0.5    # but at least the one before, if it is no older: a robot may have turned around
STEEP = 7.5      # levels a pixel: a picture's noise is less, the edge of a thing more
FEW = 0.003       # share of such pixels that a part without detail may have
# side of the part, over the picture's, that must have been in view: a camera that turns as fast as
# it can, or drives up, moves the view by a quarter in 0.1 s
MOST, LEAST, PER_SECOND = 0.85, 0.25, 2.0
LIGHT = 2.2      # times that exposure may change the light,
COLOUR = 0.08    # and by how much the share of a colour in it, also where one is at its end
COLOURS = 24, 32  # rows and columns of samples that give a part's colour
SOME_WHITE = 0.4  # share of a view that is white in a room which exposure may bleach,
BLEACH = 1.8      # and by how many times more light
TILES = 8        # positions of a part along each side


@dataclass(frozen=True)
class _View:
    time: float
    grey: np.ndarray     # (h, w) uint8, a thumbnail
    colours: np.ndarray  # (rows, columns, 3) uint8, samples of the picture


def _samples(rgb: np.ndarray) -> np.ndarray:
    """Return some pixels of a picture, (rows, columns, 3) uint8."""
    rows, columns = (max(1, side // most) for side, most in zip(rgb.shape, COLOURS, strict=False))
    return rgb[rows // 2::rows, columns // 2::columns].copy()


class RecentViews:
    """The pictures of a camera in the last third of a second."""

    def __init__(self) -> None:
        self._views: deque[_View] = deque()

    def forget(self) -> None:
        """Begin a new stream."""
        self._views.clear()

    def add(self, time: float, grey: np.ndarray, rgb: np.ndarray) -> None:
        """Take a picture (H, W, 3) uint8 and its thumbnail; time in seconds, which only advances.

        Of a picture that shows one even tone itself nothing need be added.
        """
        while self._views and time - self._views[0].time > REACH:
            self._views.popleft()
        self._views.append(_View(time, grey, _samples(rgb)))

    def cover(self, time: float, rgb: np.ndarray) -> bool:
        """Say whether something came before the lens, of a picture that shows one even tone.

        False where the pictures before it cannot tell, as at a camera's start.
        """
        tone = _samples(rgb).reshape(-1, 3).mean(axis=0)
        return any(not _was_in_view(tone, view, time - view.time) for view in self._before(time))

    def turned_white(self, time: float, grey: np.ndarray) -> bool:
        """Say whether a picture that is white nearly everywhere, a thumbnail, came suddenly.

        Not where one of the pictures before it was partly white, or would be as white by what
        exposure usually changes. True where the pictures before cannot tell.
        """
        def share(picture: np.ndarray, level: float) -> float:
            return np.count_nonzero(picture >= level) / picture.size
        white = share(grey, WHITE)
        return not any(
            share(view.grey, WHITE) >= SOME_WHITE or share(view.grey, WHITE / BLEACH) >= white
            for view in self._before(time))

    def _before(self, time: float) -> list[_View]:
        views = [view for view in self._views if time - view.time <= REACH]
        if not views and self._views and time - self._views[-1].time <= SLOWEST:
            views = [self._views[-1]]
        return views


def _was_in_view(tone: np.ndarray, view: _View, age: float) -> bool:
    """Return whether a part of a view has no detail and that tone (3,)."""
    side = max(LEAST, MOST - PER_SECOND * age)
    # without specks; Sobel's gradient: eight times the levels a pixel
    across, down = cv2.spatialGradient(cv2.medianBlur(view.grey, 5))
    steep = cv2.magnitude(across.astype(np.float32), down.astype(np.float32)) > 8 * STEEP
    share = _means(steep.astype(np.float32), side)
    tones = np.stack([_means(view.colours[..., i].astype(np.float32), side) for i in range(3)], -1)
    light, own = tones.sum(-1) + 1, float(tone.sum()) + 1
    ratio = light / own
    colour = np.abs(tones / light[..., None] - tone / own).max(-1)
    return bool(((share <= FEW) & (ratio < LIGHT) & (ratio > 1 / LIGHT) & (colour < COLOUR)).any())


def _means(values: np.ndarray, side: float) -> np.ndarray:
    """Return the means (TILES, TILES) of (h, w) float32 over parts of a relative side."""
    total = cv2.integral(values)
    starts, sizes = [], []
    for length in values.shape:
        size = max(1, round(side * length))
        starts.append(np.linspace(0, length - size, TILES).round().astype(int))
        sizes.append(size)
    (rows, columns), (height, width) = np.ix_(*starts), sizes
    return (total[rows + height, columns + width] - total[rows, columns + width]
            - total[rows + height, columns] + total[rows, columns]) / (height * width)
