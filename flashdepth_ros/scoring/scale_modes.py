"""Metres of predicted inverse depth in the node's scale modes, in simulation. No ROS here."""
from collections.abc import Iterator, Sequence

import numpy as np

from ..images.intrinsics import Intrinsics
from ..metres.affine_fit import fit_affine
from ..metres.floor_fit import fit_ground
from ..metres.motion import MotionFitter, Pose
from ..metres.motion_tracks import to_grey
from ..metres.tracker import ScaleTracker, motion_tracker
from .sequences import Predictions, Truth

MODES = ('nominal', 'fixed', 'reference', 'ground', 'motion')
ODOMETRY_ERROR = 0.02    # the parameter's default


def metric_depths(
    predictions: Predictions, truth: Truth, mode: str, camera: Intrinsics, height: float,
    relative: bool, rate: float = 10.0, seed: int = 0, *, pictures: Sequence[np.ndarray] = (),
    pose: Pose = lambda stamp: None,
) -> Iterator[np.ndarray | None]:
    """Yield the depth (H, W) in metres of each frame, None while there is no scale.

    fixed: calibrated by the truth of the first frame, factor and, where depth is relative, shift.
    reference: fitted to 1 % of the true pixels. ground: to a floor `height` metres below. motion:
    to what pictures (H, W, 3) uint8 and odometry tell, the pose (4, 4) of the optical frame at a
    time in ns since the first frame. camera: of the predictions' size. +Inf where inverse depth is
    not positive.
    """
    rng = np.random.default_rng(seed)
    tracker = motion_tracker(ODOMETRY_ERROR) if mode == 'motion' else ScaleTracker()
    fitter = MotionFitter(not relative)
    scale: tuple[float, float] | None = (1.0, 0.0) if mode == 'nominal' else None
    for index in range(len(predictions)):
        d = predictions.disparity(index)
        stamp = round(index / rate * 1e9)
        if mode in ('fixed', 'reference'):
            depth = truth.depth(index)
            pixels = (depth > 0) & np.isfinite(depth) & np.isfinite(d)
            if mode == 'fixed' and scale is None and pixels.any():
                scale = _calibrated(d[pixels], 1 / depth[pixels], relative)
            elif mode == 'reference':
                pixels &= rng.random(d.shape) < 0.01
                fit, _ = fit_affine(d[pixels].astype(float), 1 / depth[pixels].astype(float))
                if fit is not None:
                    tracker.update(stamp, fit)
        elif mode == 'ground':
            fit, _ = fit_ground(d, camera, height)
            if fit is not None:
                tracker.update(stamp, fit)
        elif mode == 'motion':
            of, fit, _ = fitter.fit(
                stamp, to_grey(pictures[index]), d, camera, pose, scale)
            if fit is not None:
                tracker.update(of, fit)
        if mode in ('reference', 'ground', 'motion'):
            followed = tracker.at(stamp)
            scale = None if followed is None else (followed.factor, followed.shift)
        if scale is None:
            yield None
            continue
        inverse = scale[0] * d + scale[1]
        with np.errstate(divide='ignore'):
            yield np.where(inverse > 0, 1 / inverse, np.where(inverse <= 0, np.inf, np.nan)).astype(
                np.float32)


def _calibrated(d: np.ndarray, inverse: np.ndarray, relative: bool) -> tuple[float, float] | None:
    if not relative:
        return float(np.median(inverse / d)), 0.0
    few = slice(None, None, max(1, d.size // 5000))
    fit, _ = fit_affine(d[few].astype(float), inverse[few].astype(float))
    return None if fit is None else (fit.factor, fit.shift)
