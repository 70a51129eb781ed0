"""How well a confidence tells the errors of depth: sparsification, ranks, calibration. No ROS here.

Sparsification: the pixels of the lowest confidence are left out, more and more, and the error of
the others should fall; that of an oracle, which knows the errors, falls fastest (Ilg et al. 2018,
arXiv 1802.07095).
"""
from collections.abc import Sequence
from dataclasses import dataclass, field
import math
from pathlib import Path

import numpy as np

from . import metrics
from .markdown import markdown_table
from .sequences import Predictions, ScoringError, Truth

PARTS = 20       # of the pixels, which are left out one after the other
CLASSES = 8      # of expected errors, as many pixels in each
BAD = 0.15       # relative error from which a pixel is bad
WORST = 0.2      # share that is left out
KEPT = 100_000   # pixels of a sequence that the calibration takes


@dataclass(frozen=True)
class ConfidenceScores:
    """Of one sequence. Areas are between the curve and the oracle's, over the mean error.

    curve, oracle: (PARTS,) mean relative error of what is left over that of all.
    """

    frames: int
    area: float             # of the relative error
    random_area: float      # the same of a random order
    rmse_area: float
    random_rmse_area: float
    auroc: float            # of bad pixels within a frame, mean; 0.5 is random
    abs_rel: float
    delta1: float
    delta1_kept: float      # without the worst WORST
    curve: np.ndarray = field(repr=False)
    oracle: np.ndarray = field(repr=False)
    expected: np.ndarray = field(repr=False)  # relative errors of some pixels
    actual: np.ndarray = field(repr=False)


def score_confidence(
    predictions: Predictions, truth: Truth, confidences: Truth,
    alignment: metrics.Alignment = 'median', max_depth: float = 80.0, expected_at_0: float = 0.5,
    every: int = 4, first: int = 4,
) -> ConfidenceScores:
    """Score a sequence; every n-th frame from `first` on, since before nothing is known.

    confidences: (H, W) of each frame, of the truth's size. expected_at_0: the relative error that
    confidence 0 stands for. ScoringError where nothing can be compared.
    """
    fit = metrics.DisparityFit()
    for index in range(len(truth)):
        depth = truth.depth(index)
        fit.add(predictions.disparity(index), depth, metrics.truth_mask(depth, max_depth=max_depth))
    if fit.empty:
        raise ScoringError('no pixel has both a prediction and a truth')
    scale, shift = fit.solve(alignment)
    errors, squares, close, trusts, ranks = [], [], [], [], []
    for index in range(first, len(truth), every):
        depth, trust = truth.depth(index), confidences.depth(index)
        aligned = metrics.aligned_depth(predictions.disparity(index), scale, shift, max_depth)
        mask = metrics.truth_mask(depth, max_depth=max_depth) & np.isfinite(aligned)
        depth, aligned, trust = depth[mask], aligned[mask], trust[mask]
        error = np.abs(aligned - depth) / depth
        errors.append(error)
        squares.append((aligned - depth) ** 2)
        close.append(np.maximum(aligned / depth, depth / aligned) < 1.25)
        trusts.append(trust)
        ranks.append(auroc(error > BAD, -trust))
    if not errors or not sum(map(len, errors)):
        raise ScoringError(f'there are {len(truth)} frames; confidence is scored from frame '
                           f'{first + 1} on')
    error, square, near, trust = map(np.concatenate, (errors, squares, close, trusts))
    order = np.argsort(trust, kind='stable')
    curve, oracle = _left(error[order]), _left(np.sort(error)[::-1])
    rmse, rmse_oracle = (np.sqrt(_left(each)) for each in (square[order], np.sort(square)[::-1]))
    some = slice(None, None, 1 + error.size // KEPT)
    return ConfidenceScores(
        frames=len(errors), area=float((curve - oracle).mean()),
        random_area=float((1 - oracle).mean()), rmse_area=float((rmse - rmse_oracle).mean()),
        random_rmse_area=float((1 - rmse_oracle).mean()), auroc=metrics.mean(ranks),
        abs_rel=float(error.mean()), delta1=float(near.mean()),
        delta1_kept=float(near[order][int(WORST * near.size):].mean()), curve=curve, oracle=oracle,
        expected=expected_at_0 * (1 - trust[some]), actual=error[some])


def auroc(bad: np.ndarray, score: np.ndarray) -> float:
    """Return the chance that a bad value has a higher score than a good one; NaN without either.

    bad: (N,) bool. score: (N,); equal ones count half.
    """
    count = int(np.count_nonzero(bad))
    if count in (0, bad.size):
        return math.nan
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[bad].sum() - count * (count + 1) / 2) / (count * (bad.size - count)))


def _left(errors: np.ndarray) -> np.ndarray:
    """Return the mean of what is left of errors (N,) without the first part of them, over all's."""
    firsts = np.arange(PARTS) * errors.size // PARTS
    sums = np.cumsum(errors[::-1], dtype=np.float64)[::-1][firsts]
    return sums / (errors.size - firsts) / (sums[0] / errors.size)


def calibration(scores: Sequence[ConfidenceScores]) -> list[tuple[float, float]]:
    """Return the mean expected and actual relative error of eighths of the pixels of sequences."""
    expected = np.concatenate([each.expected for each in scores])
    actual = np.concatenate([each.actual for each in scores])
    order = np.argsort(expected, kind='stable')
    return [(float(expected[part].mean()), float(actual[part].mean()))
            for part in np.array_split(order, CLASSES)]


def confidence_table(names: Sequence[str], scores: Sequence[ConfidenceScores]) -> str:
    """Return two Markdown tables: a row a sequence with the means below, and the calibration."""
    head = ['sequence', 'frames', 'AUSE AbsRel ↓', 'of random', 'AUSE RMSE ↓', 'of random',
            'AUROC ↑', 'AbsRel', 'δ1', f'δ1 without the worst {WORST:.0%}']

    def cells(name: str, frames: int, of: Sequence[ConfidenceScores]) -> list[str]:
        def mean(key: str) -> float:
            return metrics.mean([getattr(each, key) for each in of])
        return [name, str(frames), f'{mean("area"):.3f}',
                f'{metrics.mean([each.area / each.random_area for each in of]):.3f}',
                f'{mean("rmse_area"):.3f}',
                f'{metrics.mean([each.rmse_area / each.random_rmse_area for each in of]):.3f}',
                f'{mean("auroc"):.3f}', f'{mean("abs_rel"):.3f}', f'{mean("delta1"):.3f}',
                f'{mean("delta1_kept"):.3f}']

    rows = [head, *(cells(name, each.frames, [each])
                    for name, each in zip(names, scores, strict=True))]
    if len(scores) > 1:
        rows.append(cells('mean', sum(each.frames for each in scores), scores))
    pairs = calibration(scores)
    rows_below = [['relative error', *(f'eighth {i + 1}' for i in range(CLASSES))],
                  ['expected', *(f'{expected:.3f}' for expected, _ in pairs)],
                  ['actual', *(f'{actual:.3f}' for _, actual in pairs)]]
    return f'{markdown_table(rows)}\n\n{markdown_table(rows_below)}'


def plot_sparsification(scores: Sequence[ConfidenceScores], path: Path, title: str) -> None:
    """Draw the mean sparsification curve of sequences. ScoringError without matplotlib."""
    try:
        from matplotlib.figure import Figure  # draws to files alone, without a screen
    except ImportError as error:
        raise ScoringError(
            f'a plot needs matplotlib ({error}): pip install matplotlib') from error
    figure = Figure(figsize=(6, 4), layout='constrained')
    axes = figure.subplots()
    left_out = 100 * np.arange(PARTS) / PARTS
    axes.plot(left_out, np.ones(PARTS), '--', color='gray', label='random order')
    axes.plot(left_out, np.mean([each.curve for each in scores], 0), label='confidence')
    axes.plot(left_out, np.mean([each.oracle for each in scores], 0), color='green',
              label='oracle, which knows the errors')
    axes.set_xlabel('% of the pixels left out, the least certain first')
    axes.set_ylabel('relative error of the others, over that of all')
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set_title(title)
    figure.savefig(path, dpi=100)
