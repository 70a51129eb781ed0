"""Steadier depth: each frame is mixed with the one before, carried along the flow. No ROS here."""
import numpy as np

from .optical_flow import OpticalFlow, warp


class TemporalFilter:
    """An exponential mean through time of one stream's depth, along the optical flow.

    As the temporal filter of depth cameras, with their alpha and delta, but what moves in the
    picture is followed, and the weight goes over smoothly.
    """

    def __init__(self) -> None:
        self._mean: np.ndarray | None = None    # (h, w), NaN where there is no value
        self._frame = 0

    def forget(self) -> None:
        """Begin a new stream."""
        self._mean = None

    def apply(
        self, logs: np.ndarray, flow: OpticalFlow, alpha: float, delta: float,
    ) -> np.ndarray:
        """Take a frame (h, w) float32; return it smoothed, itself where nothing is to be smoothed.

        logs: logarithm of depth or of its inverse, NaN where there is no value. flow: of the
        pictures, at that size. alpha: weight of a new frame, 1 smooths nothing. delta: changes of
        the logarithm by less than half of it are smoothed with alpha, by more than one and a half
        of it not at all, and in between less and less: what moves apart from its surroundings, or
        was uncovered, is no flicker. What came in from outside the picture is taken as it is, and
        so is a whole frame after one that was left out, or of another size.
        """
        last, follows = self._mean, flow.frames == self._frame + 1
        self._frame = flow.frames
        if last is None or not follows or flow.is_first or last.shape != logs.shape:
            self._mean = logs
            return logs
        places, inside = flow.sources
        before = warp(last, places, sharp=True)
        change = logs - before
        share = np.abs(change) * np.float32(1 / delta) - np.float32(0.5)
        np.clip(share, 0, 1, out=share)
        weight = alpha + (1 - alpha) * share * share * (3 - 2 * share)
        smoothed = before + weight * change
        new = ~inside | ~np.isfinite(change)
        smoothed[new] = logs[new]
        self._mean = smoothed
        return smoothed
