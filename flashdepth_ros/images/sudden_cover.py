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

REACH = 0.35     # seconds over which pictures tell whether a wall came into view,
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
BLEACH = 1.8      # by how many times more light, and with how much more new in view
LITTLE = 0.1
TILES = 8        # positions of a part along each side
# a picture becomes so many times brighter at once by a wrong exposure, on so much of what was dark
# enough for that, which is so much of it; each of CELLS, columns and rows, counts
LEAP, LEAPT, DARK = 3.0, 0.8, 0.5
CELLS = 32, 24
FLOOR = 8.0      # levels: what is black stays so
# a camera is at rest where parts, of so many pixels a side, stay as they were until they lose
# all detail:
AT_REST = 1.0    # for so many seconds,
PART, PARTS = 20, 8   # at least so many of them
DETAILED, PLAIN = 6.0, 4.0  # which had, and have lost, such a standard deviation in levels
SAME, OTHERS = 0.7, 0.2     # correlation of those that stay; share of what changes else, at most
SOME = 8         # of the pictures, at most, are compared


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
        while self._views and time - self._views[0].time > AT_REST:
            self._views.popleft()
        self._views.append(_View(time, grey, _samples(rgb)))

    def cover(self, time: float, rgb: np.ndarray) -> bool:
        """Say whether something came before the lens, of a picture that shows one even tone.

        False where the pictures before it cannot tell, as at a camera's start.
        """
        tone = _samples(rgb).reshape(-1, 3).mean(axis=0)
        return any(not _was_in_view(tone, view, time - view.time) for view in self._before(time))

    def slid_over(self, time: float, grey: np.ndarray) -> bool:
        """Say whether a camera at rest lost all detail within a second: no wall comes by itself.

        grey: the thumbnail of the picture without detail.
        """
        views = [view.grey for view in self._views if time - view.time <= AT_REST]
        if len(views) < 3 or any(view.shape != grey.shape for view in views):
            return False
        first, *later = views
        parts = [(first[y:y + PART, x:x + PART], y, x)
                 for y in range(0, first.shape[0] - PART + 1, PART)
                 for x in range(0, first.shape[1] - PART + 1, PART)]
        parts = [part for part in parts if part[0].std() >= DETAILED]
        if len(parts) < PARTS:
            return False
        some = later[::-(-len(later) // SOME)]
        pairs = [(before, view[y:y + PART, x:x + PART]) for view in some for before, y, x in parts]
        # those that have detail are the same, or others
        same = [_is_same(*pair) for pair in pairs]
        others = sum(1 for (_, now), stays in zip(pairs, same, strict=True)
                     if not stays and now.std() > PLAIN)
        still = sum(_is_same(before, grey[y:y + PART, x:x + PART]) for before, y, x in parts)
        return (still <= OTHERS * len(parts)
                and len(parts) <= sum(same) >= (1 / OTHERS - 1) * others)

    def turned_white(self, time: float, grey: np.ndarray) -> bool:
        """Say whether a picture that is white nearly everywhere, a thumbnail, came suddenly.

        Not where one of the pictures before it was partly white, or would be as white by what
        exposure usually changes. True where the pictures before cannot tell.
        """
        def share(picture: np.ndarray, level: float) -> float:
            return np.count_nonzero(picture >= level) / picture.size
        white = share(grey, WHITE)
        return not any(
            share(view.grey, WHITE / BLEACH) >= white - (
                LITTLE if share(view.grey, WHITE) >= SOME_WHITE else 0)
            for view in self._before(time))

    def leapt(self, time: float, grey: np.ndarray) -> bool:
        """Say whether a picture, a thumbnail, is several times as bright as those before it.

        False where there are none.
        """
        now, before = _cells(grey), [_cells(view.grey) for view in self._before(time)]
        return bool(before) and all(_leapt(cells, now) for cells in before)

    def _before(self, time: float) -> list[_View]:
        views = [view for view in self._views if time - view.time <= REACH]
        if not views and self._views and time - self._views[-1].time <= SLOWEST:
            views = [self._views[-1]]
        return views


def _is_same(before: np.ndarray, now: np.ndarray) -> bool:
    """Return whether two parts (PART, PART) of pictures show the same, in whatever light."""
    return bool(cv2.matchTemplate(now, before, cv2.TM_CCOEFF_NORMED)[0, 0] >= SAME)


def _leapt(before: np.ndarray, now: np.ndarray) -> bool:
    """Return whether most of two pictures' cells was dark, and is several times as bright."""
    dark = before < 255 / LEAP
    return bool(dark.mean() > DARK and (now > LEAP * before)[dark].mean() > LEAPT)


def _cells(grey: np.ndarray) -> np.ndarray:
    """Return a thumbnail's mean levels in cells (rows, columns) float32."""
    return cv2.resize(grey, CELLS, interpolation=cv2.INTER_AREA).astype(np.float32) + FLOOR


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
