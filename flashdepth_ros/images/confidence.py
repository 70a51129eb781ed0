"""How far each pixel of a stream's depth is to be trusted. No ROS here."""
from dataclasses import dataclass

import cv2
import numpy as np

from .optical_flow import OpticalFlow, warp

ALONG, HERE = 0.1, 0.2  # weights of a new frame: the means go over some ten and five
LARGEST = 0.5    # of one frame's change: an uncovered background is no more wrong than that
LEAST = 0.01     # added to a change, since none is no proof
UNCERTAIN = 0.5  # expected relative error from which confidence is 0
SMOOTH = 5       # pixels: width of the box over which changes are averaged
FEW = 3          # frames of a stream of which nothing is known yet,
AT_FIRST = 0.15  # and the error that is expected of them
SAMPLES = 4096   # pixels at most of which a median is taken


@dataclass(frozen=True)
class Calibration:
    """The relative error e that is expected after a mean change c: factor c^exponent."""

    factor: float
    exponent: float

    def error(self, squares: np.ndarray) -> np.ndarray:
        """Return e (h, w) float32 for squares of mean changes."""
        return cv2.pow(squares, self.exponent / 2) * np.float32(self.factor)


STREAMING = Calibration(2.0, 0.776)  # of networks that remember: they change less, and are as wrong
FRAME_BY_FRAME = Calibration(1.63, 0.812)


class Confidence:
    """What a stream's depth has shown of its own uncertainty: how it changes where it should not.

    That is the geometric mean of two changes of the logarithm of depth, each less its median in the
    frame: along the optical flow, averaged over some ten frames and carried along with the flow;
    and at one and the same pixel, over some five, which also sees what the camera moves past.
    It ranks the pixels of a stream, and is no probability; an error that stays is not seen.
    docs/confidence.md has what it is worth.
    """

    def __init__(self) -> None:
        self._last: np.ndarray | None = None     # logarithms (h, w), NaN where there is no value
        self._along = self._here = np.empty((0, 0), np.float32)  # mean changes so far (h, w)
        self._frame = self._changes = 0

    def forget(self) -> None:
        """Begin a new stream."""
        self._last = None

    def update(
        self, logs: np.ndarray, flow: OpticalFlow, calibration: Calibration = STREAMING,
    ) -> np.ndarray:
        """Take a frame; return its confidence (h, w) float32: 1 is certain, 0 is an error of 50 %.

        logs: (h, w) float32, logarithm of depth or of its inverse, NaN where there is no value;
        confidence is NaN there too. flow: of the pictures, at that size. After a frame that was
        left out, or of another size, the stream begins anew.
        """
        last, follows = self._last, flow.frames == self._frame + 1
        self._last, self._frame = logs, flow.frames
        if last is None or not follows or flow.is_first or last.shape != logs.shape:
            self._changes = 0
        else:
            self._take(logs, last, flow)
        if self._changes < FEW:
            error = np.full(logs.shape, AT_FIRST, np.float32)
        else:
            along, here = (cv2.blur(mean, (SMOOTH, SMOOTH)) + np.float32(LEAST)
                           for mean in (self._along, self._here))
            error = calibration.error(along * here)
        confidence = 1 - error * np.float32(1 / UNCERTAIN)
        np.clip(confidence, 0, 1, out=confidence)
        confidence[np.isnan(logs)] = np.nan
        return confidence

    def _take(self, logs: np.ndarray, last: np.ndarray, flow: OpticalFlow) -> None:
        self._changes += 1
        places, inside = flow.sources
        along = _size(logs - warp(last, places), inside)
        here = _size(logs - last)
        if self._changes > 1:
            before = warp(self._along, places)
            before[~inside] = _median(self._along)
            along = _mean(before, along, max(ALONG, 1 / self._changes))
            here = _mean(self._here, here, max(HERE, 1 / self._changes))
        self._along, self._here = along, here


def _size(change: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    """Return how far changes (h, w) are from their median; as elsewhere where they are unknown."""
    size = np.abs(change - np.float32(_median(change, inside)))
    np.minimum(size, np.float32(LARGEST), out=size)
    if inside is not None:
        size[~inside] = np.nan
    if np.isnan(size.sum()):
        size[np.isnan(size)] = _median(size)
    return size


def _mean(before: np.ndarray, new: np.ndarray, weight: float) -> np.ndarray:
    return cv2.addWeighted(new, weight, before, 1 - weight, 0)


def _median(values: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Return the median of values that are no NaN, of a part of very many; 0 of none."""
    some = slice(None, None, 1 + values.size // SAMPLES)
    sample = values.ravel()[some]
    if inside is not None:
        sample = sample[inside.ravel()[some]]
    sample = sample[~np.isnan(sample)]
    return float(np.median(sample)) if sample.size else 0.0
