"""One stream's scale through time: smoothed, held when the reference goes away. No ROS here."""
from collections import deque
from dataclasses import dataclass, replace
import math

import numpy as np

from .affine_fit import Fit

GATE = 16.0        # squared Mahalanobis distance: 4 standard deviations
BEGINNING = 3_000_000_000    # ns within which the first fits must agree
AGREEMENT = 0.12             # relative, at the newest one's pivot
LAG = 1_000_000_000, 3_000_000_000    # ns between fits that show how far the scale has wandered
LEARNT = 2.0, 10.0    # seconds: what the given drift counts for, and how long what was seen does
WANDERED = 0.5     # relative, at most, that two fits show: more is an error
JITTER = 0.02      # relative error of a frame's scale that its own residuals do not show


@dataclass(frozen=True)
class Scale:
    """The scale at one moment: metres are 1 / (factor * d + shift).

    inliers: of the last fit that was taken. age: seconds since it; negative for a frame before it.
    uncertainty: relative standard deviation of the depth, at the depth where the samples were;
    it grows while no fit comes.
    """

    factor: float
    shift: float
    inliers: float
    age: float
    uncertainty: float


class ScaleTracker:
    """A Kalman filter over the factor's logarithm and the shift, which both walk randomly.

    drift: how far the scale may wander, relative, in one second (in t seconds, sqrt(t) as far).
    learns: it becomes larger where fits a second apart differ by more than their errors, since the
    network's own scale may wander. repeats: seconds in which fits repeat each other's errors, so
    that many of them are no better than one. persistence: fits that contradict the estimate are
    taken for errors until this many in a row agree with each other; then the estimate jumps to
    them. beginning: so many fits within BEGINNING must agree before there is a scale. common: a
    relative error that all fits share, so that no mean of them is better.
    """

    def __init__(
        self, drift: float = 0.03, persistence: int = 5, beginning: int = 1, common: float = 0.0,
        repeats: float = 0.0, learns: bool = False,
    ):
        self.drift, self.persistence = drift, persistence
        self.repeats, self.learns = repeats, learns
        self.beginning, self.common = beginning, common
        self.reset()

    def reset(self) -> None:
        """Forget the scale: the next fit is believed as it is."""
        self._mean: np.ndarray | None = None    # (log factor, shift)
        self._covariance = np.zeros((2, 2))
        self._stamp = 0        # ns, of the last fit that was taken
        self._pivot = 1.0      # 1/m
        self._inliers = self._shared = 0.0    # of the last fit that was taken
        self._doubted: list[tuple[int, Fit]] = []
        self._believed: deque[tuple[int, Fit]] = deque()    # the newest, for `learns`
        # squares of what was seen to wander, summed over seconds, and those seconds
        self._wandered = LEARNT[0] * self.drift ** 2, LEARNT[0]

    def update(self, stamp: int, fit: Fit) -> bool:
        """Take the fit of the frame of this stamp in ns; return whether it was believed.

        A stamp before the last one (a bag that starts over) counts as the same moment.
        """
        if self._mean is None:
            return self._wait(stamp, fit)
        fit = _with_shift(fit, self._mean[1])
        if self._distance(self._predicted(stamp), self._mean, fit) <= GATE:
            self._doubted = []
            self._learn(stamp, fit)
            self._correct(stamp, fit)
            return True
        if self._doubted:    # do the doubted ones agree?
            last_stamp, last = self._doubted[-1]
            spread = self._walk(last.pivot, stamp - last_stamp) + _noise(last)
            if self._distance(spread, _state(last), fit) > GATE:
                self._doubted = []
        self._doubted.append((stamp, fit))
        if len(self._doubted) < self.persistence:
            return False
        self._learn(stamp, fit)
        self._begin(stamp, [doubted for _, doubted in self._doubted])
        return True

    def _wait(self, stamp: int, fit: Fit) -> bool:
        """Take one of the first fits; begin where enough of them agree."""
        self._doubted = [each for each in self._doubted if 0 <= stamp - each[0] < BEGINNING]
        self._doubted.append((stamp, fit))
        sizes = [_size_at(each, fit) for _, each in self._doubted]
        alike = [pair for pair, size in zip(self._doubted, sizes, strict=True)
                 if size > 0 and abs(np.log(size / sizes[-1])) < AGREEMENT]
        if len(alike) < self.beginning:
            return False
        self._begin(stamp, [each for _, each in alike])
        return True

    def at(self, stamp: int, unseen: float = 0.0) -> Scale | None:
        """Return the scale for a frame of this stamp in ns; None before the first fit.

        unseen: a relative error by what the frame shows and no fit did. Within the time in which
        fits repeat each other, the scale wanders about their mean.
        """
        if self._mean is None:
            return None
        factor, shift = np.exp(self._mean[0]), self._mean[1]
        # of p = factor * d + shift at the pivot, relative
        slope = np.array([(self._pivot - shift) / self._pivot, 1 / self._pivot])
        elapsed = stamp - self._stamp + round(1e9 * self.repeats)
        variance = slope @ (self._covariance + self._walk(self._pivot, elapsed)) @ slope
        return Scale(float(factor), float(shift), self._inliers, (stamp - self._stamp) / 1e9,
                     math.sqrt(
                         variance + self.common ** 2 + self._shared ** 2 + unseen ** 2))

    def _begin(self, stamp: int, fits: list[Fit]) -> None:
        self._mean = np.mean([_state(fit) for fit in fits], axis=0)
        self._covariance = np.mean([_noise(fit) for fit in fits], axis=0)
        self._doubted = []
        self._note(stamp, fits[-1])

    def _correct(self, stamp: int, fit: Fit) -> None:
        predicted = self._predicted(stamp)
        often = max(1.0, self.repeats * 1e9 / max(stamp - self._stamp, 1))
        noise = _noise(fit) + (often - 1) * fit.covariance
        # what this image does not show makes it worth less beside one that shows more
        gain = predicted @ np.linalg.inv(predicted + noise + _both_ways(fit, fit.common))
        self._mean = self._mean + gain @ (_state(fit) - self._mean)
        keep = np.eye(2) - gain
        self._covariance = keep @ predicted @ keep.T + gain @ noise @ gain.T    # Joseph's form
        self._note(stamp, fit)

    def _note(self, stamp: int, fit: Fit) -> None:
        self._stamp, self._pivot = stamp, fit.pivot
        self._inliers, self._shared = fit.inliers, fit.common

    def _predicted(self, stamp: int) -> np.ndarray:
        return self._covariance + self._walk(self._pivot, stamp - self._stamp)

    def _learn(self, stamp: int, fit: Fit) -> None:
        """Learn the drift from how fits differ beyond their own errors."""
        if not self.learns:
            return
        newest = self._believed[-1][0] if self._believed else stamp
        self._believed.append((stamp, fit))
        while stamp - self._believed[0][0] > LAG[1]:
            self._believed.popleft()
        before = [each for each in self._believed if stamp - each[0] >= LAG[0]]
        if not before or (size := _size_at(before[-1][1], fit)) <= 0:
            return
        then, other = before[-1]
        beyond = (math.log(size / fit.pivot) ** 2 - _pivot_variance(fit)
                  - _pivot_variance(other)) * 1e9 / (stamp - then)
        seconds = min((stamp - newest) / 1e9, 1.0)
        keep = math.exp(-seconds / LEARNT[1])
        total, weight = self._wandered
        self._wandered = (
            keep * total + (1 - keep) * LEARNT[0] * self.drift ** 2
            + seconds * min(max(beyond, 0.0), WANDERED ** 2),
            keep * weight + (1 - keep) * LEARNT[0] + seconds)

    def _walk(self, pivot: float, elapsed: int) -> np.ndarray:
        total, seconds = self._wandered
        variance = max(self.drift ** 2, total / seconds) * max(elapsed, 0) / 1e9
        # half of it the shift's: where the samples are, both move the depth alike
        return variance * np.diag([0.5, 0.5 * pivot ** 2])

    def _distance(self, covariance: np.ndarray, mean: np.ndarray, fit: Fit) -> float:
        gap = _state(fit) - mean
        return float(gap @ np.linalg.solve(covariance + _noise(fit), gap))


def motion_tracker(common: float) -> ScaleTracker:
    """Return the tracker for fits of a camera's own motion, whose odometry is off by `common`.

    They come at a tenth of a second from each other and share their keyframe, so that a thing that
    moves before the camera may spoil many in a row alike.
    """
    return ScaleTracker(drift=0.01, persistence=15, beginning=4, common=common, repeats=3.0,
                        learns=True)


def _with_shift(fit: Fit, shift: float) -> Fit:
    """Return a fit of the factor alone as it would be with this shift, the same at its pivot."""
    if fit.shift_known or fit.shift == shift or fit.pivot <= max(shift, fit.shift):
        return fit
    factor = fit.factor * (fit.pivot - shift) / (fit.pivot - fit.shift)
    # only the variance across the free direction is the samples' own, relative to the pivot
    variance = _pivot_variance(fit) * (fit.pivot / (fit.pivot - shift)) ** 2
    free = np.array([1.0, shift - fit.pivot])
    return replace(fit, factor=factor, shift=shift,
                   covariance=np.diag([variance, 0.0]) + np.outer(free, free))


def _size_at(fit: Fit, other: Fit) -> float:
    """Return the metric inverse depth that a fit makes of what another has its pivot of."""
    return fit.factor * (other.pivot - other.shift) / other.factor + fit.shift


def _pivot_variance(fit: Fit) -> float:
    slope = np.array([(fit.pivot - fit.shift) / fit.pivot, 1 / fit.pivot])
    return float(slope @ fit.covariance @ slope)


def _state(fit: Fit) -> np.ndarray:
    return np.array([np.log(fit.factor), fit.shift])


def _noise(fit: Fit) -> np.ndarray:
    return fit.covariance + _both_ways(fit, JITTER)


def _both_ways(fit: Fit, error: float) -> np.ndarray:
    """Return the covariance (2, 2) of a relative error at a fit's pivot, half of it the shift's."""
    return error ** 2 * np.diag([0.5, 0.5 * fit.pivot ** 2])
