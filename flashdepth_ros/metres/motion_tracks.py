"""Corners followed from frame to frame, for scale.mode motion. No ROS here."""
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

WIDEST = 640         # pixels: larger pictures are followed at this width
CELLS = (8, 6)       # of the picture, across and down: no textured thing takes all the corners
IN_A_CELL = 7        # corners at most
QUALITY = 0.001      # of a corner, against the best
SMOOTH = 2.0         # pixels of 640: standard deviation of the blur that takes the noise
PROVEN = 3           # frames through which a corner was followed: others may be noise
APART = 8            # pixels of 640 between corners
THERE_AND_BACK = 0.7    # pixels that a corner may miss itself by, followed there and back
SURVIVORS = 0.5      # share of the corners that must be found again in a frame that is used
SKIPPED = 2          # frames in a row that may be left out as blurred


@dataclass(frozen=True)
class Tracks:
    """The corners in one frame: their identities (N,), ascending, and rays (N, 2) at depth 1.

    proven: how many were followed through some frames, and are no noise.
    """

    ids: np.ndarray
    rays: np.ndarray
    proven: int


class CornerTracker:
    """Follows corners with pyramids of Lucas and Kanade, there and back.

    A frame in which fewer than half of the corners are found again (blur, a jump of exposure, a
    thing before the lens) is left out, up to two in a row: the next is followed from the last good
    one.
    """

    def __init__(self):
        self.forget()

    def forget(self) -> None:
        """Begin anew: the next frame has new corners."""
        self._picture: np.ndarray | None = None
        self._points = np.zeros((0, 2), np.float32)
        self._ids = np.zeros(0, np.int64)
        self._ages = np.zeros(0, np.int64)    # in frames
        self._next = self._skipped = 0

    def follow(
        self, grey: np.ndarray, focal: np.ndarray, centre: np.ndarray,
        rotation: np.ndarray | None = None,
    ) -> Tracks | None:
        """Return the corners of the next frame; None for one that is left out.

        grey: (h, w) uint8, of a pinhole camera; focal, centre: (2,) in its pixels. rotation:
        (3, 3), rays of the last good frame to this one, where it is known about.
        """
        picture = _normalised(grey)
        if self._picture is not None and self._picture.shape != picture.shape:
            self.forget()
        if self._picture is not None and len(self._points):
            before = self._points
            expected = before
            if rotation is not None:
                expected = _turned(before, rotation, focal, centre)
            found, good = _match(self._picture, picture, before, expected)
            # those that ought to be found: no noise, and still in the picture
            ought = _inside(expected, picture.shape) & (self._ages >= PROVEN)
            enough = (good & ought).sum() >= SURVIVORS * ought.sum()
            if not enough and self._skipped < SKIPPED:
                self._skipped += 1
                return None
            self._points, self._ids = found[good], self._ids[good]
            self._ages = self._ages[good] + 1
        self._skipped = 0
        self._picture = picture
        self._refill(picture)
        return Tracks(self._ids, (self._points - centre) / focal,
                      int((self._ages >= PROVEN).sum()))

    def _refill(self, picture: np.ndarray) -> None:
        """Look for new corners where cells have room."""
        height, width = picture.shape
        across, down = CELLS
        apart = max(3, round(APART * width / WIDEST))

        def cell(points: np.ndarray) -> np.ndarray:
            x = np.clip(points[:, 0] * across / width, 0, across - 1).astype(int)
            y = np.clip(points[:, 1] * down / height, 0, down - 1).astype(int)
            return y * across + x

        free = IN_A_CELL - np.bincount(cell(self._points), minlength=across * down)
        if free.clip(0).sum() < 0.2 * across * down * IN_A_CELL:
            return
        mask = np.full((height, width), 255, np.uint8)
        for x, y in self._points:
            cv2.circle(mask, (round(float(x)), round(float(y))), apart, 0, -1)
        corners = cv2.goodFeaturesToTrack(picture, 1500, QUALITY, apart, mask=mask, blockSize=7)
        if corners is None:  # OpenCV's types do not tell of it
            return  # type: ignore[unreachable]
        corners = corners.reshape(-1, 2)    # the best first
        cells = cell(corners)
        order = np.argsort(cells, kind='stable')
        begins = np.searchsorted(cells[order], np.arange(across * down))
        rank = np.arange(len(order)) - begins[cells[order]]
        new = corners[order[rank < free[cells[order]]]]
        self._points = np.concatenate([self._points, new])
        self._ids = np.concatenate([self._ids, self._next + np.arange(len(new))])
        self._ages = np.concatenate([self._ages, np.zeros(len(new), np.int64)])
        self._next += len(new)


def to_grey(rgb: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 3) uint8 as grey, at most 640 wide."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if width <= WIDEST:
        return grey
    return cv2.resize(grey, (WIDEST, max(1, round(height * WIDEST / width))),
                      interpolation=cv2.INTER_AREA)


def _normalised(grey: np.ndarray) -> np.ndarray:
    """Return a picture without its noise, of the same mean and contrast whatever the exposure."""
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTH * grey.shape[1] / WIDEST)
    mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(smooth))
    gain = 50.0 / max(deviation, 4.0)
    return cv2.LUT(smooth, np.clip(
        gain * (np.arange(256) - mean) + 128, 0, 255).astype(np.uint8))


def _turned(
    points: np.ndarray, rotation: np.ndarray, focal: np.ndarray, centre: np.ndarray,
) -> np.ndarray:
    rays = np.concatenate([(points - centre) / focal, np.ones((len(points), 1))], 1) @ rotation.T
    ahead = np.maximum(rays[:, 2:], 0.1)
    return (rays[:, :2] / ahead * focal + centre).astype(np.float32)


def _inside(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.all((points >= 3) & (points < (shape[1] - 3, shape[0] - 3)), axis=1)


def _match(
    first: np.ndarray, second: np.ndarray, before: np.ndarray, expected: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where points (N, 2) are in the second picture, and which of them (N,) can be used."""
    window = 25 if first.shape[1] > 400 else 15
    how: dict[str, Any] = {
        'winSize': (window, window), 'maxLevel': 3,
        'criteria': (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02)}
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        first, second, before, expected.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **how)
    good = (status.ravel() > 0) & _inside(found, second.shape)
    back, status, _ = cv2.calcOpticalFlowPyrLK(
        second, first, found, before.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **how)
    missed = np.linalg.norm(back - before, axis=1)
    return found, good & (status.ravel() > 0) & (missed < THERE_AND_BACK)
