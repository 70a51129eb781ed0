"""Scores of whole depth sequences against the truth, their table and their plot. No ROS here."""
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
import math
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from . import metrics
from .markdown import markdown_table


class ScoringError(ValueError):
    """Predictions and truth cannot be compared; the message says why."""


class Predictions(Protocol):
    """Inverse depth of frames, in 1/m where that is known."""

    def __len__(self) -> int: ...
    def disparity(self, index: int) -> np.ndarray: ...


class Truth(Protocol):
    """Depth of frames in metres."""

    def __len__(self) -> int: ...
    def depth(self, index: int) -> np.ndarray: ...


class FrameStore:
    """Arrays of one sequence, kept in files of a folder, so that a sequence may have any length.

    Serves as Predictions (of inverse depth) and as Truth (of depth in metres).
    """

    def __init__(self, folder: Path):
        self._folder, self._count = folder, 0
        folder.mkdir(parents=True)

    def add(self, array: np.ndarray) -> None:
        np.save(self._folder / f'{self._count}.npy', array)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def disparity(self, index: int) -> np.ndarray:
        return np.load(self._folder / f'{index}.npy', allow_pickle=False)

    depth = disparity


@dataclass(frozen=True)
class Cameras:
    """Intrinsics (frames, 3, 3) in pixels of the truth; poses (frames, 4, 4), camera to world."""

    intrinsics: np.ndarray
    poses: np.ndarray


@dataclass(frozen=True)
class Scores:
    """What is reported; NaN where it could not be computed."""

    frames: int
    coverage: float         # share of the pixels with truth that have a prediction
    scale: float
    shift: float
    abs_rel: float
    delta1: float
    boundary_f1: float
    change_error: float
    tae_percent: float
    # the values of every frame, or pair of frames, of which the above are the means
    rows: dict[str, list[float]] = field(repr=False, compare=False, default_factory=dict)

    def numbers(self) -> dict[str, float | None]:
        """Return all but the rows, with None for NaN, as JSON wants it."""
        values = {key: value for key, value in asdict(self).items() if key != 'rows'}
        return {key: None if math.isnan(value) else value for key, value in values.items()}


def score(
    predictions: Predictions, truth: Truth, alignment: metrics.Alignment = 'scale-shift',
    first_frame: bool = False, max_depth: float = 80.0, cameras: Cameras | None = None,
    max_frames: int | None = None,
) -> Scores:
    """Compare frame by frame; two passes over the frames, so that a sequence may have any length.

    first_frame: align on the first frame that has truth instead of on all. Raises ScoringError.
    """
    frames = min(len(predictions), max_frames or len(predictions))
    if not frames or frames != min(len(truth), max_frames or len(truth)):
        raise ScoringError(
            f'there are {len(predictions)} predicted and {len(truth)} true frames: they must '
            f'belong together one by one (--max-frames N compares the first N)')

    def read(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a frame's inverse depth, its truth in metres, and where to compare them."""
        depth = truth.depth(index)
        disparity = predictions.disparity(index)
        if disparity.shape != depth.shape:  # as VDA's benchmark does
            disparity = cv2.resize(disparity, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return disparity, depth, metrics.truth_mask(depth, max_depth=max_depth)

    fit = metrics.DisparityFit()
    known = predicted = 0
    largest = 0.0
    for index in range(frames):
        disparity, depth, mask = read(index)
        if fit.empty or not first_frame:
            fit.add(disparity, depth, mask)
        known += int(np.count_nonzero(mask))
        predicted += int(np.count_nonzero(mask & np.isfinite(disparity)))
        if mask.any():
            largest = max(largest, float(1 / depth[mask].min()))
    if fit.empty:
        raise ScoringError(
            f'no pixel has both a prediction and a truth between 0 and {max_depth:g} m')
    scale, shift = fit.solve(alignment)

    rows: dict[str, list[float]] = {
        name: [] for name in ('abs_rel', 'delta1', 'boundary_f1', 'change_error', 'tae_percent')}
    before = None
    for index in range(frames):
        disparity, depth, mask = read(index)
        aligned = metrics.aligned_depth(disparity, scale, shift, max_depth)
        rows['abs_rel'].append(metrics.abs_rel(aligned, depth, mask))
        rows['delta1'].append(metrics.delta(aligned, depth, mask))
        seen = (depth > 0) & np.isfinite(aligned)  # infinite truth too: the edges of the sky
        rows['boundary_f1'].append(metrics.boundary_f1(
            aligned, np.minimum(depth, max_depth), seen) if seen.any() else math.nan)
        with np.errstate(divide='ignore', invalid='ignore'):
            now = aligned, 1 / aligned / largest, 1 / depth / largest, mask
        if before is not None:
            rows['change_error'].append(metrics.change_error(
                before[1], now[1], before[2], now[2], before[3] & now[3]))
            if cameras is not None:
                rows['tae_percent'].append(100 * metrics.pair_alignment_error(
                    before[0], now[0], cameras.intrinsics[index - 1], cameras.poses[index - 1],
                    cameras.poses[index]))
        before = now
    means = {name: metrics.mean(values) for name, values in rows.items()}
    return Scores(frames=frames, coverage=float(predicted / known), scale=float(scale),
                  shift=float(shift), abs_rel=means['abs_rel'], delta1=means['delta1'],
                  boundary_f1=means['boundary_f1'], change_error=means['change_error'],
                  tae_percent=means['tae_percent'], rows=rows)


def mean_scores(all_scores: Sequence[Scores]) -> Scores:
    """Return the mean over sequences of every number, and the sum of their frames."""
    values: dict[str, Any] = {
        each.name: metrics.mean([getattr(scores, each.name) for scores in all_scores])
        for each in fields(Scores) if each.name not in ('frames', 'rows')}
    return Scores(frames=sum(scores.frames for scores in all_scores), **values)


def table(names: Sequence[str], alignment: str, all_scores: Sequence[Scores]) -> str:
    """Return scores as a Markdown table, a row each; the means below if there are several."""
    rows = list(zip(names, all_scores, strict=True))
    if len(rows) > 1:
        rows.append(('mean', mean_scores(all_scores)))
    lines: list[list[str]] = []
    for name, scores in rows:
        columns = {
            'model': name, 'alignment': alignment, 'frames': str(scores.frames),
            'AbsRel ↓': f'{scores.abs_rel:.4f}', 'δ1 ↑': f'{scores.delta1:.4f}',
            'boundary F1 ↑': f'{scores.boundary_f1:.4f}',
            'change error ↓': f'{scores.change_error:.5f}', 'TAE % ↓': f'{scores.tae_percent:.3f}',
            'coverage': f'{scores.coverage:.4f}'}
        if not lines:
            lines.append(list(columns))
        lines.append(['-' if cell == 'nan' else cell for cell in columns.values()])
    return markdown_table(lines)


def plot(names: Sequence[str], all_scores: Sequence[Scores], path: Path, title: str) -> None:
    """Draw how the scores go through time, a line a sequence. ScoringError without matplotlib."""
    try:
        from matplotlib.figure import Figure  # draws to files alone, without a screen
    except ImportError as error:
        raise ScoringError(
            f'a plot needs matplotlib ({error}): pip install matplotlib') from error
    panels = {'abs_rel': 'AbsRel', 'delta1': 'δ1', 'boundary_f1': 'boundary F1',
              'change_error': 'change error'}
    figure = Figure(figsize=(10, 6.5), layout='constrained')
    for axes, (key, text) in zip(figure.subplots(2, 2, sharex=True).flat, panels.items(),
                                 strict=True):
        for name, scores in zip(names, all_scores, strict=True):
            first = scores.frames - len(scores.rows[key])  # pairs begin with the second frame
            axes.plot(range(first, scores.frames), scores.rows[key], label=name, linewidth=1.2)
        axes.set_title(f'{text}: mean {metrics.mean([getattr(s, key) for s in all_scores]):.4f}')
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.set_xlabel('frame')
    if len(names) <= 12:
        figure.axes[0].legend(fontsize='small')
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
