"""How good a depth sequence is: accuracy, steadiness through time and sharpness of edges.

Pure NumPy. Truth is depth in metres along the optical axis; NaN, +-Inf, 0 and negative values have
no truth. Predictions enter as inverse depth, are aligned there and compared as depth, as the
papers do. A frame is an array (H, W), a sequence (T, H, W) or a list of frames.

FlashDepth: Chou et al. 2025, arXiv 2504.07093. VDA: Video Depth Anything, Chen et al. 2025,
arXiv 2501.12375; "its benchmark" is benchmark/eval in the authors' repository.
"""
from collections.abc import Sequence
import math
from typing import Literal

import numpy as np

Alignment = Literal['none', 'median', 'scale', 'scale-shift']
ALIGNMENTS: tuple[Alignment, ...] = ('none', 'median', 'scale', 'scale-shift')

MIN_DISPARITY = 1e-3  # 1/m; VDA's benchmark raises smaller predictions to it, before and after


def truth_mask(truth: np.ndarray, min_depth: float = 1e-3, max_depth: float = 80.0) -> np.ndarray:
    """Return where depth in metres is known and strictly within the range (VDA's benchmark).

    max_depth: 80 m for KITTI, 70 m for Sintel, 10 m indoors, in the papers.
    """
    with np.errstate(invalid='ignore'):
        return (truth > min_depth) & (truth < max_depth)


# ---- alignment -------------------------------------------------------------------------------


class Median:
    """The median of positive numbers of which any number may be added.

    A histogram of their logarithms is kept, and the geometric mean of those in each of its bins,
    which are 0.02 % wide: exact where they are all alike.
    """

    _BINS, _PER_E = 200_000, 5000  # from e^-20 to e^20

    def __init__(self):
        self._counts = np.zeros(self._BINS, np.int64)
        self._sums = np.zeros(self._BINS)

    def add(self, values: np.ndarray) -> None:
        logarithms = np.log(values)
        bins = np.clip(logarithms * self._PER_E + self._BINS / 2, 0, self._BINS - 1).astype(int)
        self._counts += np.bincount(bins, minlength=self._BINS)
        self._sums += np.bincount(bins, logarithms, minlength=self._BINS)

    def value(self) -> float:
        """Return the (lower) median."""
        below = np.cumsum(self._counts)
        i = int(np.searchsorted(below, (below[-1] + 1) // 2))
        return math.exp(self._sums[i] / self._counts[i])


class DisparityFit:
    """Fits s * prediction + t = 1 / truth over the frames that were added: by least squares.

    VDA's benchmark and section 4.1 of its paper, FlashDepth's evaluation (align_depths_lstsq): one
    scale and shift for a whole sequence. Adding the first frame only gives the protocol that suits
    a model without foresight (online VDA, Feiden et al. 2025, arXiv 2510.09182). Sums are kept,
    not frames, so that a sequence may have any length. 'median' is no least squares but the median
    of (1 / truth) / prediction, which no outlier moves (Zhou et al. 2017, arXiv 1704.07813).
    """

    def __init__(self):
        self._normal = np.zeros((2, 2))
        self._target = np.zeros(2)
        self._ratio = Median()

    def add(self, disparity: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> None:
        """Take in a frame's inverse depth, its depth in metres and where to compare them."""
        mask = mask & np.isfinite(disparity)
        p = np.maximum(disparity[mask].astype(np.float64), MIN_DISPARITY)
        target = 1 / truth[mask].astype(np.float64)
        self._normal += [[p @ p, p.sum()], [p.sum(), p.size]]
        self._target += [p @ target, target.sum()]
        self._ratio.add(target / p)

    @property
    def empty(self) -> bool:
        """Whether no pixel was added yet."""
        return self._normal[1, 1] == 0

    def solve(self, alignment: Alignment = 'scale-shift') -> tuple[float, float]:
        """Return (scale, shift): (1, 0) for 'none'; the shift is 0 for 'median' and 'scale' too.

        ValueError if empty.
        """
        if alignment not in ALIGNMENTS:
            raise ValueError(f"alignment is '{alignment}'; it must be {', '.join(ALIGNMENTS)}")
        if alignment == 'none':
            return 1.0, 0.0
        if self.empty:
            raise ValueError('no pixel has both a prediction and a truth within the depth range')
        if alignment == 'median':
            return self._ratio.value(), 0.0
        if alignment == 'scale':
            return self._target[0] / self._normal[0, 0], 0.0
        scale, shift = np.linalg.lstsq(self._normal, self._target, rcond=None)[0]
        return float(scale), float(shift)


def aligned_depth(
    disparity: np.ndarray, scale: float = 1.0, shift: float = 0.0, max_depth: float = 80.0,
) -> np.ndarray:
    """Inverse depth, scaled and shifted into 1/m, to depth in metres, at most max_depth.

    As VDA's benchmark: raised to MIN_DISPARITY before and after aligning. NaN stays NaN.
    """
    disparity = scale * np.maximum(disparity.astype(np.float64), MIN_DISPARITY) + shift
    return np.clip(1 / np.maximum(disparity, MIN_DISPARITY), 1e-3, max_depth)


# ---- accuracy --------------------------------------------------------------------------------


def abs_rel(depth: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    """Mean of |depth - truth| / truth over a frame's masked pixels; NaN where there are none.

    Eigen et al. 2014, arXiv 1406.2283, section 4.2. VDA's benchmark averages frames' values.
    """
    mask = mask & np.isfinite(depth)
    if not mask.any():
        return math.nan
    return float(np.mean(np.abs(depth[mask] - truth[mask]) / truth[mask]))


def delta(
    depth: np.ndarray, truth: np.ndarray, mask: np.ndarray, threshold: float = 1.25,
) -> float:
    """Share of a frame's masked pixels with max(depth / truth, truth / depth) < threshold.

    The default is delta 1. Eigen et al. 2014, section 4.2; NaN where there are no pixels.
    """
    mask = mask & np.isfinite(depth)
    if not mask.any():
        return math.nan
    ratio = depth[mask] / truth[mask]
    return float(np.mean(np.maximum(ratio, 1 / ratio) < threshold))


# ---- steadiness ------------------------------------------------------------------------------


def reproject(
    depth: np.ndarray, intrinsics: np.ndarray, pose: np.ndarray, next_pose: np.ndarray,
) -> np.ndarray:
    """Depth (H, W) of one camera as the next camera would see it; 0 where nothing lands.

    intrinsics (3, 3) in pixels; poses (4, 4) camera to world. A point goes to the nearest pixel;
    where several land the last in row order stays, as in VDA's benchmark, which has no z-buffer.
    """
    height, width = depth.shape
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    points = np.stack([(x - cx) * depth / fx, (y - cy) * depth / fy, depth], axis=-1)
    motion = np.linalg.inv(next_pose) @ pose
    points = points.reshape(-1, 3) @ motion[:3, :3].T + motion[:3, 3]
    z = points[:, 2]
    with np.errstate(divide='ignore', invalid='ignore'):
        column = np.round(points[:, 0] * fx / z + cx)
        row = np.round(points[:, 1] * fy / z + cy)
        lands = (column >= 0) & (column < width) & (row >= 0) & (row < height)  # False for NaN
    projected = np.zeros((height, width))
    projected[row[lands].astype(int), column[lands].astype(int)] = z[lands]
    return projected


def pair_alignment_error(
    depth: np.ndarray, next_depth: np.ndarray, intrinsics: np.ndarray,
    pose: np.ndarray, next_pose: np.ndarray,
    mask: np.ndarray | None = None, next_mask: np.ndarray | None = None,
    nothing: float = math.nan,
) -> float:
    """Return the mean of AbsRel(next_depth, depth reprojected) and of the same backwards.

    Of aligned depth in metres, of a scene at rest: its mean over all neighbouring frames, in
    percent, is the temporal alignment error (TAE) of VDA, section 4.1; lower is steadier.

    depth, next_depth: (H, W). intrinsics: (3, 3) in pixels. poses: (4, 4), camera to world.
    mask, next_mask: where each frame may be compared; all of it by default. nothing: the error
    where no point is seen in common: NaN leaves that direction out.
    """
    errors = []
    for seen, from_, to, other, allowed in (
            (next_depth, pose, next_pose, depth, next_mask),
            (depth, next_pose, pose, next_depth, mask)):
        projected = reproject(other, intrinsics, from_, to)
        compared = (projected > 0) & (seen > 0)
        if allowed is not None:
            compared &= allowed
        if compared.any():
            errors.append(np.mean(np.abs(seen[compared] - projected[compared]) / seen[compared]))
        else:
            errors.append(nothing)
    return mean(errors)


def change_error(
    disparity: np.ndarray, next_disparity: np.ndarray, truth: np.ndarray, next_truth: np.ndarray,
    mask: np.ndarray, threshold: float = 0.05,
) -> float:
    """Mean of ||change of disparity| - |change of truth|| where the truth's change is small.

    VDA, section 3.2, equation 3 (temporal gradient matching), which needs no poses: changes are
    taken at the same pixel, and pixels whose truth changes by `threshold` or more (edges, things
    that move) are left out. Both are inverse depths on the same scale, after alignment; the
    paper's threshold is for disparities whose largest is about 1. NaN where no pixel is left.
    """
    with np.errstate(invalid='ignore'):
        change = np.abs(next_disparity - disparity)
        expected = np.abs(next_truth - truth)
        mask = mask & (expected < threshold) & np.isfinite(change)
    return float(np.mean(np.abs(change[mask] - expected[mask]))) if mask.any() else math.nan


# ---- edges -----------------------------------------------------------------------------------

_THRESHOLDS = np.linspace(1.05, 1.25, 10)


def _exceeded(ratio: np.ndarray) -> np.ndarray:
    """Return how many of the thresholds each ratio exceeds, 0 for NaN."""
    return np.searchsorted(_THRESHOLDS, np.nan_to_num(ratio, nan=0.0), side='left')


def _at_least(levels: np.ndarray) -> np.ndarray:
    """Return for each threshold how many of the levels exceed it."""
    counts = np.bincount(levels.ravel(), minlength=len(_THRESHOLDS) + 1)
    return np.cumsum(counts[::-1])[::-1][1:]


def boundary_f1(depth: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Scale-invariant boundary F1 of a frame, 0 to 1; higher is sharper.

    Depth Pro (Bochkovskii et al. 2024, arXiv 2410.02073), section 3.2, as FlashDepth reports it
    (section 4.2): a pair of neighbouring pixels is an edge in one of four directions where the
    ratio of their depths exceeds a threshold. Precision and recall, each the mean of the four
    directions, give F1 at ten thresholds from 1.05 to 1.25; their mean is weighted by threshold. As
    in the authors' code a direction in which there are no edges counts as 0.

    mask: pairs with a pixel outside it do not count. FlashDepth's code uses none: it puts pixels
    without truth at the largest depth. Ratios make depth and inverse depth the same.
    """
    valid = np.ones(depth.shape, bool) if mask is None else mask
    precision, recall = np.zeros(len(_THRESHOLDS)), np.zeros(len(_THRESHOLDS))
    for first, second in (
            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
            ((slice(1, None), slice(None)), (slice(None, -1), slice(None)))):
        pairs = valid[first] & valid[second]
        for a, b in ((first, second), (second, first)):
            with np.errstate(divide='ignore', invalid='ignore'):
                found, expected = depth[a] / depth[b], truth[a] / truth[b]
                edges = pairs & ((found > _THRESHOLDS[0]) | (expected > _THRESHOLDS[0]))
            found, expected = _exceeded(found[edges]), _exceeded(expected[edges])
            hits = _at_least(np.minimum(found, expected))
            precision += hits / np.maximum(_at_least(found), 1) / 4
            recall += hits / np.maximum(_at_least(expected), 1) / 4
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(f1 @ _THRESHOLDS / _THRESHOLDS.sum())


def mean(values: Sequence[float]) -> float:
    """Mean of the frames' values that are numbers; NaN where none is."""
    array = np.asarray(values, dtype=np.float64)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else math.nan
