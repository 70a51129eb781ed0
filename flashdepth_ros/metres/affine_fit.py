"""Fits the scale and shift that turn inverse depth into metres, robustly. No ROS here.

Metres are 1 / (factor * d + shift), with the model's inverse depth d as scale.inverse_depth has it
and the shift in 1/m.
"""
from dataclasses import dataclass, replace
import math

import numpy as np

HYPOTHESES = 256         # with 40 % outliers a pair is good with 0.36: some 90 good ones
SCORED_SAMPLES = 512     # that rank the hypotheses; the refinement sees all samples
INDEPENDENT_SAMPLES = 100    # a network's error is smooth: neighbouring samples repeat each other
TUKEY = 4.685            # cut-off in standard deviations, 95 % efficient for a normal error
KNEE = 0.1               # of the median inverse depth: below it errors count absolutely
SIGMA = (0.001, 0.1)     # bounds of the relative error that is taken for the samples' own


@dataclass(frozen=True)
class Fit:
    """One frame's scale.

    factor, shift: metres are 1 / (factor * d + shift). inliers: the share of the samples that
    agree, 0 to 1. samples: how many there were. residual: the robust standard deviation of the
    inliers' relative depth error. pivot: their median metric inverse depth in 1/m, which is where
    the fit is best known. covariance: (2, 2), of the factor's logarithm and the shift.
    shift_known: False where the samples told the factor alone and the shift was given; the
    covariance then leaves open all that agrees at the pivot. common: a relative error that the next
    fits repeat, so that no mean of them is better.
    """

    factor: float
    shift: float
    inliers: float
    samples: int
    residual: float
    pivot: float
    covariance: np.ndarray
    shift_known: bool = True
    common: float = 0.0

    def errors(self, d: np.ndarray) -> np.ndarray:
        """Return what depths are relatively off by it, (N,), at inverse depths d (N,)."""
        slope = np.stack([self.factor * d, np.ones(len(d))])
        inverse = self.factor * d + self.shift
        deviation = np.sqrt((slope * (self.covariance @ slope)).sum(0))
        return np.where(inverse > 0, deviation / np.maximum(inverse, 1e-9), np.inf)

    def with_error(self, sigma: float, factor_alone: bool) -> 'Fit':
        """Give it a relative error that all samples share, of factor and shift together.

        factor_alone: the shift is known exactly, not by these samples.
        """
        if factor_alone:
            slope = np.array([1 - self.shift / self.pivot, 1 / self.pivot])
            variance = float(slope @ self.covariance @ slope) + sigma ** 2
            return replace(self, covariance=np.diag([variance, 0.0]))
        way = np.array([1.0, self.shift])
        return replace(self, covariance=self.covariance + sigma ** 2 * np.outer(way, way))


def fit_affine(
    d: np.ndarray, metric_inverse: np.ndarray, shift: float = 0.0, *, min_samples: int = 30,
    min_inliers: float = 0.4, max_uncertainty: float = 0.2, noise: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[Fit | None, str]:
    """Fit metric inverse depth as factor * d + shift; (fit, '') or (None, why there is none).

    d: (N,) the model's inverse depth; metric_inverse: (N,) 1/z of a reference in 1/m. Samples that
    are not finite or not in front of the camera are ignored. Up to 40 % may be grossly wrong.
    Where d spreads too little to tell the factor from the shift (the factor would be uncertain by
    more than max_uncertainty), the factor alone is fitted and the given shift is kept. noise: (N,)
    the reference's own standard deviation in 1/m, where it is known: such samples count less.

    The error is taken as relative in depth, so that far points count as much as near ones, down to
    a tenth of the median inverse depth: below it the network's own noise would have the say.
    The best of pairs of samples by the median error (least median of squares, Rousseeuw 1984) is
    refined by least squares reweighted with Tukey's biweight. 3 ms for 10 000 samples.
    """
    d, y, valid = _usable(d, metric_inverse)
    if d.size < min_samples:
        return None, _too_few(d.size, min_samples)
    rng = np.random.default_rng(seed)
    weight = 1 / np.hypot(y, KNEE * np.median(y))    # 1 / (error in 1/m that counts as relative 1)
    if noise is not None:
        weight = 1 / np.hypot(1 / weight, np.asarray(noise, np.float64).ravel()[valid] / SIGMA[1])
    few = _scored(d, y, weight, rng)

    reason = 'the inverse depth does not vary'
    first, second = rng.integers(few[0].size, size=(2, HYPOTHESES))
    low, high = np.percentile(few[0], (10, 90))
    run = few[0][second] - few[0][first]
    far_apart = np.abs(run) > 0.2 * (high - low)    # near pairs amplify the noise
    if high - low > 1e-6 * max(abs(low), abs(high)) and far_apart.any():
        first, second, run = first[far_apart], second[far_apart], run[far_apart]
        factors = (few[1][second] - few[1][first]) / run
        start = _least_median(*few, factors, few[1][first] - factors * few[0][first])
        if start is None:
            reason = 'the reference grows nearer where the model sees farther'
        else:
            fit, reason = _refine(d, y, weight, *start, True, min_inliers, max_uncertainty)
            if fit is not None:
                return fit, ''

    fit, alone = fit_factor(
        d, y, shift, min_samples=min_samples, min_inliers=min_inliers, seed=seed)
    return (fit, '') if fit is not None else (None, f'{reason}; for the factor alone, {alone}')


def fit_factor(
    d: np.ndarray, metric_inverse: np.ndarray, shift: float, *, min_samples: int = 30,
    min_inliers: float = 0.4, seed: int = 0,
) -> tuple[Fit | None, str]:
    """Fit metric inverse depth as factor * d + shift with a given shift; otherwise as fit_affine.

    The fit's covariance leaves the shift open: all agrees that is the same at the pivot.
    """
    d, y, _ = _usable(d, metric_inverse)
    if d.size < min_samples:
        return None, _too_few(d.size, min_samples)
    weight = 1 / np.hypot(y, KNEE * np.median(y))
    few = _scored(d, y, weight, np.random.default_rng(seed))
    with np.errstate(divide='ignore', invalid='ignore'):
        factors = ((few[1] - shift) / few[0])[:HYPOTHESES]    # every sample is a hypothesis
    factors = factors[np.isfinite(factors)]
    start = _least_median(*few, factors, np.full(factors.size, shift))
    if start is None:
        return None, f'no positive factor fits with the shift {shift:g}'
    return _refine(d, y, weight, start[0], shift, False, min_inliers, math.inf)


def _usable(
    d: np.ndarray, metric_inverse: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the samples that can be used, and which they are of those given."""
    d, y = np.asarray(d, np.float64).ravel(), np.asarray(metric_inverse, np.float64).ravel()
    valid = np.isfinite(d) & np.isfinite(y) & (y > 0)
    return d[valid], y[valid], valid


def _too_few(samples: int, needed: int) -> str:
    return f'{samples} samples of the reference lie in the image; {needed} are needed'


def _scored(
    d: np.ndarray, y: np.ndarray, weight: np.ndarray, rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the samples that rank the hypotheses."""
    if d.size <= SCORED_SAMPLES:
        return d, y, weight
    few = rng.integers(d.size, size=SCORED_SAMPLES)
    return d[few], y[few], weight[few]


def _least_median(
    d: np.ndarray, y: np.ndarray, weight: np.ndarray, factors: np.ndarray, shifts: np.ndarray,
) -> tuple[float, float] | None:
    """Return the hypothesis (factor, shift) of the smallest median error, or None."""
    positive = factors > 0
    if not positive.any():
        return None
    factors, shifts = (x[positive].astype(np.float32) for x in (factors, shifts))
    d, y, weight = (x.astype(np.float32) for x in (d, y, weight))
    errors = np.abs(factors[:, None] * d + shifts[:, None] - y) * weight    # (hypotheses, samples)
    middle = d.size // 2
    best = np.argmin(np.partition(errors, middle, axis=1)[:, middle])
    return float(factors[best]), float(shifts[best])


def _refine(
    d: np.ndarray, y: np.ndarray, weight: np.ndarray, factor: float, shift: float, both: bool,
    min_inliers: float, max_uncertainty: float,
) -> tuple[Fit | None, str]:
    """Reweighted least squares of factor and shift (both) or of the factor alone."""
    error = np.abs(factor * d + shift - y) * weight
    sigma = _clip(1.4826 * np.median(error))
    for _ in range(12):
        # the outliers inflate the median over all samples, so those within reach tell the scale
        near = error[error < 3 * sigma]
        sigma = _clip(1.4826 * np.median(near)) if near.size else SIGMA[1]
        trust = np.maximum(1 - (error / (TUKEY * sigma)) ** 2, 0) ** 2 * weight ** 2
        total = trust.sum()
        if total <= 0:
            break
        old = factor, shift
        if both:
            mean_d, mean_y = trust @ d / total, trust @ y / total
            spread = trust @ (d - mean_d) ** 2
            if spread <= 0:
                return None, 'the inverse depth does not vary'
            factor = (trust * (d - mean_d)) @ y / spread
            shift = mean_y - factor * mean_d
        else:
            factor = (trust * d) @ (y - shift) / (trust @ d ** 2)
        error = np.abs(factor * d + shift - y) * weight
        if np.allclose(old, (factor, shift), rtol=1e-5, atol=0):
            break
    if not np.isfinite(factor) or factor <= 0:
        return None, 'the reference grows nearer where the model sees farther'
    # no sharper than 2 %: a good fit must not call the rest of a noisy reference outliers
    inlier = error < max(3 * sigma, 0.02)
    share = float(inlier.mean())
    if share < min_inliers:
        return None, (f'only {share:.0%} of the samples agree on a scale; '
                      f'{min_inliers:.0%} are needed')

    # of (log factor, shift): the derivatives of the prediction are factor * d and 1
    scale = sigma ** 2 * max(1, inlier.sum() / INDEPENDENT_SAMPLES)
    slope, w = factor * d[inlier], weight[inlier] ** 2
    covariance = np.zeros((2, 2))
    if both:
        information = np.array([[w @ slope ** 2, w @ slope], [w @ slope, w.sum()]])
        covariance = scale * np.linalg.inv(information)
        if not covariance[0, 0] <= max_uncertainty ** 2:
            return None, 'the inverse depth varies too little to tell the factor from the shift'
        # noise in d flattens the line unless d varies well beyond it: by 1 / (1 + 9) at most
        mean = w @ slope / w.sum()
        if w @ (slope - mean) ** 2 / inlier.sum() < 9 * sigma ** 2:    # both relative
            return None, 'the inverse depth varies too little to tell the factor from the shift'
    else:
        # along this direction the pivot stays where it is: another shift would fit as well
        free = np.array([1.0, shift - np.median(y[inlier])])
        covariance[0, 0] = scale / (w @ slope ** 2)
        covariance += np.outer(free, free)
    return Fit(float(factor), float(shift), share, d.size, float(sigma),
               float(np.median(y[inlier])), covariance, both), ''


def _clip(sigma: float) -> float:
    return float(min(max(sigma, SIGMA[0]), SIGMA[1]))
