"""How far each pixel of a stream's depth is to be trusted. No ROS here."""
from dataclasses import dataclass

import cv2
import numpy as np

from .loops import loop
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
        error = cv2.pow(squares, self.exponent / 2)
        return np.multiply(error, np.float32(self.factor), out=error)


STREAMING = Calibration(0.70, 0.46)  # of networks that remember: they change less, and are as wrong
FRAME_BY_FRAME = Calibration(0.85, 0.58)


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
        logs = np.ascontiguousarray(logs)
        last, follows = self._last, flow.frames == self._frame + 1
        self._last, self._frame = logs, flow.frames
        if last is None or not follows or flow.is_first or last.shape != logs.shape:
            self._changes = 0
        else:
            self._take(logs, last, flow)
        if self._changes < FEW:
            error = np.full(logs.shape, AT_FIRST, np.float32)
        else:
            along, here = (cv2.blur(mean, (SMOOTH, SMOOTH)) for mean in (self._along, self._here))
            for mean in along, here:
                np.add(mean, np.float32(LEAST), out=mean)
            error = calibration.error(np.multiply(along, here, out=along))
        error *= np.float32(-1 / UNCERTAIN)
        error += 1
        confidence = np.clip(error, 0, 1, out=error)
        np.copyto(confidence, np.nan, where=np.isnan(logs))
        return confidence

    def _take(self, logs: np.ndarray, last: np.ndarray, flow: OpticalFlow) -> None:
        self._changes += 1
        if self._changes == 1:
            self._along, self._here = np.zeros_like(logs), np.zeros_like(logs)
        places, inside = flow.sources
        carried, along = warp(last, places), warp(self._along, places)
        outside = ~inside
        np.copyto(carried, np.nan, where=outside)
        np.copyto(along, np.float32(_median(_some(self._along))), where=outside)
        _take_in(along, logs, carried, max(ALONG, 1 / self._changes))
        _take_in(self._here, logs, last, max(HERE, 1 / self._changes))
        self._along = along


def _take_in(mean: np.ndarray, logs: np.ndarray, last: np.ndarray, weight: float) -> None:
    """Take in how far changes (h, w) are from their median; as elsewhere where they are unknown."""
    change = _some(logs) - _some(last)
    middle = np.float32(_median(change))
    sizes = np.minimum(np.abs(change - middle), np.float32(LARGEST))
    _mix(logs, last, middle, np.float32(_median(sizes)), np.float32(weight), mean)


@loop('void(float32[:, ::1], float32[:, ::1], float32, float32, float32, float32[:, ::1])')
def _mix(logs, last, middle, unknown, weight, mean):
    largest = np.float32(LARGEST)
    for y in range(logs.shape[0]):
        for x in range(logs.shape[1]):
            size = abs(logs[y, x] - last[y, x] - middle)
            size = size if size == size else unknown
            size = size if size < largest else largest
            mean[y, x] += weight * (size - mean[y, x])


def _some(values: np.ndarray) -> np.ndarray:
    """Return a part of very many values."""
    return values.ravel()[::1 + values.size // SAMPLES]


def _median(values: np.ndarray) -> float:
    """Return the median of values that are no NaN; 0 of none."""
    values = values[~np.isnan(values)]
    middle = values.size // 2  # np.median takes twice as long
    return float(np.partition(values, middle)[middle]) if values.size else 0.0
