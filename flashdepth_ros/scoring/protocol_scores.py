"""Scores of a sequence under a protocol of protocols.py; two passes, a frame at a time."""
from collections.abc import Callable
from dataclasses import dataclass
import math

import cv2
import numpy as np

from ..images.resampling import resize_aligned
from . import metrics
from .affine import LeastSquares, least_absolute, nearest_valid
from .protocols import Protocol
from .sequences import ScoringError

SKY = 1e4  # m; FlashDepth's loader takes farther truth of Sintel for sky
DEPTHS = ('', '_per_frame', '_searching', '_per_frame_searching')  # DyFN's four alignments


@dataclass(frozen=True)
class ProtocolFrames:
    """A sequence that is scored: frame by frame, prediction and truth of any size.

    disparity: inverse depth (h, w) of a frame, NaN where there is none. truth (H, W) in metres: 0,
    negative and NaN have none, +inf is sky. cap in metres. first_frame: scale and shift are fitted
    to the first frame that has truth, as suits a model without foresight, instead of to all.
    """

    count: int
    disparity: Callable[[int], np.ndarray]
    truth: Callable[[int], np.ndarray]
    cap: float
    first_frame: bool = False

    def read(self, index: int, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
        """Return a frame's inverse depth at the truth's size, and its truth."""
        truth = np.asarray(self.truth(index), dtype=np.float64)
        disparity: np.ndarray = np.asarray(self.disparity(index), dtype=np.float32)
        if protocol.counts_all:  # FlashDepth's network is clipped before it is resized
            disparity = np.maximum(disparity, 0)
        if disparity.shape != truth.shape:
            disparity = (resize_aligned(disparity, *truth.shape) if protocol.resize == 'corners'
                         else cv2.resize(disparity, truth.shape[::-1],
                                         interpolation=cv2.INTER_LINEAR))
        return disparity, truth


def protocol_scores(protocol: Protocol, frames: ProtocolFrames) -> dict[str, float]:
    """Return the numbers of a sequence: abs_rel, delta1, rmse and those of the protocol alone.

    NaN where one could not be computed. Raises ScoringError where nothing can be compared.
    """
    if protocol.counts_all:
        return _pooled(protocol, frames)
    return _in_depth(protocol, frames) if protocol.fit == 'depth' else _in_inverse_depth(
        protocol, frames)


class FrameMeans:
    """AbsRel, delta 1 and RMSE as means over the frames that have valid truth."""

    def __init__(self):
        self._rows: list[tuple[float, float, float]] = []

    def add(self, depth: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> None:
        if mask.any():
            self._rows.append((
                metrics.abs_rel(depth, truth, mask), metrics.delta(depth, truth, mask),
                float(np.sqrt(np.mean((depth[mask] - truth[mask]) ** 2)))))

    def numbers(self, suffix: str = '') -> dict[str, float]:
        means = np.mean(self._rows, axis=0) if self._rows else [math.nan] * 3
        return {f'{name}{suffix}': float(mean)
                for name, mean in zip(('abs_rel', 'delta1', 'rmse'), means, strict=True)}


def _solved(fit: LeastSquares, cap: float) -> tuple[float, float]:
    if not fit.count:
        raise ScoringError(f'no pixel has both a prediction and a truth between 0 and {cap:g} m')
    return fit.solve()


def _in_inverse_depth(protocol: Protocol, frames: ProtocolFrames) -> dict[str, float]:
    """Fitted in inverse depth and compared as depth: DepthCrafter's and VDA's."""
    fit, valid, predicted = LeastSquares(), 0, 0
    for index in range(frames.count):
        disparity, truth = frames.read(index, protocol)
        mask = metrics.truth_mask(truth, max_depth=frames.cap)
        valid += int(np.count_nonzero(mask))
        mask &= np.isfinite(disparity)
        predicted += int(np.count_nonzero(mask))
        if not (frames.first_frame and fit.count):
            fit.add(np.maximum(disparity[mask], metrics.MIN_DISPARITY), 1 / (truth[mask] + 1e-8))
    scale, shift = _solved(fit, frames.cap)
    means = FrameMeans()
    for index in range(frames.count):
        disparity, truth = frames.read(index, protocol)
        mask = metrics.truth_mask(truth, max_depth=frames.cap) & np.isfinite(disparity)
        means.add(metrics.aligned_depth(disparity, scale, shift, frames.cap), truth, mask)
    return {**means.numbers(), 'coverage': predicted / valid, 'scale': scale, 'shift': shift}


def _pooled(protocol: Protocol, frames: ProtocolFrames) -> dict[str, float]:
    """FlashDepth's: sky and far truth count at the cap, all pixels of the sequence together.

    Its boundary F1 has no mask: pixels without truth stand at the cap. boundary_f1_masked leaves
    them out.
    """
    cap = frames.cap

    def read(index: int) -> tuple[np.ndarray, np.ndarray]:
        disparity, truth = frames.read(index, protocol)
        inverse = np.full(truth.shape, -1.0)
        known = truth > 1e-5  # False for NaN
        inverse[known] = np.where(truth[known] > SKY, 0, 1 / truth[known])
        return disparity, inverse

    fit = LeastSquares()
    for index in range(frames.count):
        disparity, inverse = read(index)
        mask = (inverse >= 1 / cap) & np.isfinite(disparity)
        if not (frames.first_frame and fit.count):
            fit.add(disparity[mask], inverse[mask])
    scale, shift = _solved(fit, cap)
    errors, close, squares, count, known, f1, masked = 0.0, 0, 0.0, 0, 0, [], []
    for index in range(frames.count):
        disparity, inverse = read(index)
        with np.errstate(invalid='ignore'):
            depth = np.clip(1 / np.maximum(scale * disparity.astype(np.float64) + shift, 1e-3),
                            1e-3, cap)
            truth = np.clip(1 / np.maximum(inverse, 1e-3), 1e-3, cap)
        seen = inverse >= 0
        mask = seen & np.isfinite(depth)
        known += int(np.count_nonzero(seen))
        count += int(np.count_nonzero(mask))
        errors += float(np.sum(np.abs(depth[mask] - truth[mask]) / truth[mask]))
        squares += float(np.sum((depth[mask] - truth[mask]) ** 2))
        ratio = depth[mask] / truth[mask]
        close += int(np.count_nonzero(np.maximum(ratio, 1 / ratio) < 1.25))
        f1.append(metrics.boundary_f1(depth, truth))
        masked.append(metrics.boundary_f1(depth, truth, mask))
    return {'abs_rel': errors / count, 'delta1': close / count, 'rmse': math.sqrt(squares / count),
            'boundary_f1': metrics.mean(f1), 'boundary_f1_masked': metrics.mean(masked),
            'coverage': count / known, 'scale': scale, 'shift': shift}


def _in_depth(protocol: Protocol, frames: ProtocolFrames) -> dict[str, float]:
    """DyFN's: fitted in depth, four ways; pixels without a prediction have depth 0 and count."""
    def read(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        disparity, truth = frames.read(index, protocol)
        with np.errstate(divide='ignore', invalid='ignore'):
            depth = np.where(disparity > 0, 1 / disparity.astype(np.float64), 0)
        depth[~np.isfinite(depth)] = 0
        truth = np.nan_to_num(truth, nan=0.0, posinf=0.0, neginf=0.0)
        return depth, truth, metrics.truth_mask(truth, max_depth=frames.cap)

    fit, samples, valid, predicted = LeastSquares(), [], 0, 0
    for index in range(frames.count):
        depth, truth, mask = read(index)
        valid += int(np.count_nonzero(mask))
        predicted += int(np.count_nonzero(mask & (depth > 0)))
        if not (frames.first_frame and fit.count):
            fit.add(depth[mask], truth[mask])
        chosen = nearest_valid(mask)
        samples.append((depth[chosen], truth[chosen]))
    fitted = _solved(fit, frames.cap)
    if frames.first_frame:
        x, y = next((x, y) for x, y in samples if x.size)
    else:
        x, y = (np.concatenate(each)[::frames.count] for each in zip(*samples, strict=True))
    searched = least_absolute(x, y, 1 / y)
    means = {suffix: FrameMeans() for suffix in DEPTHS}
    for index in range(frames.count):
        depth, truth, mask = read(index)
        if not mask.any():
            continue
        alone = LeastSquares()
        alone.add(depth[mask], truth[mask])
        x, y = samples[index]
        for suffix, (scale, shift) in zip(DEPTHS, (
                fitted, alone.solve(), searched, least_absolute(x, y, 1 / y)), strict=True):
            means[suffix].add(np.clip(scale * depth + shift, 1e-3, frames.cap), truth, mask)
    numbers = {key: value for suffix, each in means.items()
               for key, value in each.numbers(suffix).items()}
    return {**numbers, 'coverage': predicted / valid, 'scale': fitted[0], 'shift': fitted[1]}


def alignment_error(
    frames: ProtocolFrames, protocol: Protocol, scale: float, shift: float,
    intrinsics: np.ndarray, poses: np.ndarray, nothing: float = math.nan,
) -> float:
    """Temporal alignment error in percent of depth aligned by scale and shift, as VDA defines it.

    intrinsics (T, 3, 3) in pixels of the truth, poses (T, 4, 4). nothing: the error of frames that
    see no point in common: NaN leaves them out, and 0 is what VDA's code counts.
    """
    errors, before = [], None
    for index in range(frames.count):
        now = metrics.aligned_depth(frames.read(index, protocol)[0], scale, shift, frames.cap)
        if before is not None and np.isfinite(poses[index - 1:index + 1]).all():
            errors.append(metrics.pair_alignment_error(
                before, now, intrinsics[index - 1], poses[index - 1], poses[index],
                nothing=nothing))
        before = now
    return 100 * metrics.mean(errors)
