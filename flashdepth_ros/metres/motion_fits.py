"""What the samples of a camera's motion tell: the factor, or factor and shift. No ROS here."""
from collections import deque
import math

import numpy as np

from .affine_fit import Fit, fit_affine
from .motion_pose import Motion
from .motion_samples import Triangulation
from .region_fit import Samples, fit_regions

SAMPLES = 20            # at least
REGIONS = 4, 3          # of the image, across and down, in which a network's error is one,
MIN_REGIONS = 5         # and those in which there must be corners
TRUSTED_SHARE = 0.5     # of the samples must agree
SIGMA = 0.1, 0.13       # relative error of a factor at most: of a first one, and of others
OPTIMISM = 1.5          # by which the predicted error of the pose is too small
POOLED = 8_000_000_000  # ns of samples that tell the shift of a relative model
POOL = 4000             # samples


def region_of(places: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return in which region of an image places (N, 2) in pixels lie (N,)."""
    across, down = (np.clip(place * count / size, 0, count - 1).astype(np.intp)
                    for place, count, size in zip(places.T, REGIONS, (width, height), strict=True))
    return down * REGIONS[0] + across


def fit_factor(
    d: np.ndarray, region: np.ndarray, usable: np.ndarray, solved: Triangulation, motion: Motion,
    length_error: float, first: bool,
) -> tuple[Fit | None, str]:
    """Fit the factor of d (N,) to the inverse depths that were solved for.

    region, usable: (N,) of the tracks. length_error: relative, of the way's length. first: there is
    no scale yet.
    """
    met = solved.met & usable
    fit, reason = fit_regions(
        Samples(d[met], solved.inverse[met], solved.noise[met], region[met], solved.slopes[met],
                OPTIMISM ** 2 * motion.covariance),
        min_samples=SAMPLES, min_regions=MIN_REGIONS, min_inliers=TRUSTED_SHARE,
        regions_of=REGIONS[0] * REGIONS[1])
    if fit is None:
        return None, reason
    fit = fit.with_error(length_error, True)
    error = math.hypot(math.sqrt(fit.covariance[0, 0]), fit.common)
    if error > SIGMA[0 if first else 1]:
        return None, f'the regions of the image tell the scale to {error:.0%} only'
    return fit, ''


class Pool:
    """The samples of the last seconds, which tell factor and shift."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = deque()

    def fit(
        self, stamp: int, d: np.ndarray, used: np.ndarray, solved: Triangulation, shift: float,
    ) -> tuple[Fit | None, str]:
        """Add the tracks `used` of a frame and fit; shift: in 1/m, where it cannot be told."""
        self._samples.append((stamp, d[used], solved.inverse[used], solved.noise[used]))
        while stamp - self._samples[0][0] > POOLED:
            self._samples.popleft()
        d, inverse, noise = (
            np.concatenate([each[k] for each in self._samples]) for k in (1, 2, 3))
        if len(d) > POOL:
            keep = np.random.default_rng(0).choice(len(d), POOL, replace=False)
            d, inverse, noise = d[keep], inverse[keep], noise[keep]
        return fit_affine(d, inverse, shift, min_inliers=TRUSTED_SHARE, noise=noise)
