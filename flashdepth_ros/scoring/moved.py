"""How good depth is where the truth has just changed: a filter through time lags there. No ROS."""
import numpy as np

from . import metrics
from .sequences import Predictions, Scores, Truth

WITHIN = 3    # frames
CHANGE = 1.3  # times nearer or farther than that long before


def moved_error(
    predictions: Predictions, truth: Truth, scores: Scores, max_depth: float = 80.0,
) -> float:
    """Return AbsRel of the pixels whose true depth has just changed, mean of frames; NaN of none.

    Things that move, and what they or the camera's own motion uncover. scores: of the same
    sequence, whose alignment is taken.
    """
    errors = []
    for index in range(WITHIN, scores.frames):
        depth, before = truth.depth(index), truth.depth(index - WITHIN)
        mask = metrics.truth_mask(depth, max_depth=max_depth) & metrics.truth_mask(
            before, max_depth=max_depth)
        mask[mask] = np.abs(np.log(depth[mask] / before[mask])) > np.log(CHANGE)
        aligned = metrics.aligned_depth(
            predictions.disparity(index), scores.scale, scores.shift, max_depth)
        errors.append(metrics.abs_rel(aligned, depth, mask))
    return metrics.mean(errors)
