"""The factor of a network's inverse depth, from samples of an image's regions. No ROS here.

A network's error differs by region, and is alike within one: a thing rich in corners repeats one
error many times. So each region of the image has one voice, and how far the regions differ is a
part of the result's uncertainty (a random-effects model, DerSimonian and Laird 1986). The camera's
pose has an error that all samples share, each by its own slope: it is solved for as well
(generalised least squares), so that samples that hardly depend on it have more to say.
"""
from dataclasses import dataclass
import math

import numpy as np

from .affine_fit import TUKEY, Fit

SHARPEST = 0.15      # largest relative error of a sample, as predicted
NETWORK = 0.05       # relative error of the network from pixel to pixel within a region
SCATTER = 0.08       # relative, between regions, at least: a few that agree prove little
FIRST_SCATTER = 0.1
UNSEEN = 0.2         # relative error of the network's depth where an image has no corners
KNEE = 1.5           # standard deviations from which a region counts for less (Huber)
LEAST = 0.3          # of a region's samples' weight, that a sample must have to agree
ROUNDS = 10


@dataclass(frozen=True)
class Samples:
    """Samples (N,): the network's d, metric inverse depth, its noise in 1/m, and the region.

    slopes: (N, K) of the inverse depth with the pose's K parameters, whose covariance is pose
    (K, K).
    """

    d: np.ndarray
    inverse: np.ndarray
    noise: np.ndarray
    region: np.ndarray
    slopes: np.ndarray
    pose: np.ndarray


def fit_regions(
    samples: Samples, *, min_samples: int = 20, min_regions: int = 5,
    min_inliers: float = 0.5, regions_of: int = 12,
) -> tuple[Fit | None, str]:
    """Fit metric inverse depth as factor * d; (fit, '') or (None, why there is none).

    The samples' errors are linear in pixels, so that those below zero count too, and which of them
    are used is chosen by the depth that the network has there, not by theirs, which would prefer
    noise. The fit's residual is the scatter between regions. What the image shows where it has no
    corners may be wrong by UNSEEN: the fit's common error is that, for the part of the image's
    `regions_of` regions that have no voice.
    """
    factor, scatter = _first_guess(samples), FIRST_SCATTER ** 2
    shift = np.zeros(samples.pose.shape[0])    # of the pose
    agree = regions = 0.0
    for _ in range(ROUNDS):
        expected = factor * samples.d
        used = (samples.d > 0) & (samples.noise < SHARPEST * expected)
        if used.sum() < min_samples:
            return None, f'only {used.sum()} corners are seen well enough'
        expected, region = expected[used], samples.region[used]
        ratio = samples.inverse[used] / expected - 1
        slopes = samples.slopes[used] / expected[:, None]
        own = (samples.noise[used] / expected) ** 2 + NETWORK ** 2
        off = np.abs(ratio - slopes @ shift) / np.sqrt(own + scatter)
        trust = np.maximum(1 - (off / TUKEY) ** 2, 0) ** 2
        agree = float((trust > LEAST).mean())
        weight = trust / own
        total = np.bincount(region, weight)
        has = total > 1e-9
        regions = int(has.sum())
        if regions < min_regions:
            return None, (f'corners that agree lie in {regions} regions of the image; '
                          f'{min_regions} are needed')
        total = total[has]
        ratio = np.bincount(region, weight * ratio)[has] / total
        slopes = np.stack([np.bincount(region, weight * column)[has] / total
                           for column in slopes.T], 1)
        rest = ratio - slopes @ shift
        spread = (1.4826 * np.median(np.abs(rest))) ** 2 * regions / (regions - 1)
        scatter = max(spread - float(np.median(1 / total)), SCATTER ** 2)
        variance = scatter + 1 / total
        variance = variance * np.maximum(1, np.abs(rest) / np.sqrt(variance) / KNEE)
        inverse = np.linalg.inv(np.diag(variance) + slopes @ samples.pose @ slopes.T)
        information = float(inverse.sum())
        step = float((inverse @ ratio).sum()) / information
        shift = samples.pose @ slopes.T @ inverse @ (ratio - step)
        factor *= 1 + min(max(step, -0.4), 0.5)
        if abs(step) < 1e-4:
            break
    if agree < min_inliers:
        return None, (f'only {agree:.0%} of the samples agree on a scale; '
                      f'{min_inliers:.0%} are needed')
    seen = float((scatter / (scatter + 1 / total)).sum())
    return Fit(factor, 0.0, agree, int(used.sum()), math.sqrt(scatter),
               float(np.median(factor * samples.d[used])), np.diag([1 / information, 0.0]),
               common=UNSEEN * max(0.0, 1 - seen / regions_of)), ''


def _first_guess(samples: Samples) -> float:
    """Return the median over the regions of their median factors; 0 without any."""
    known = (samples.d > 0) & (samples.noise < SHARPEST * samples.inverse)
    factors, regions = samples.inverse[known] / samples.d[known], samples.region[known]
    each = [float(np.median(factors[regions == region])) for region in np.unique(regions)]
    return float(np.median(each)) if each else 0.0
