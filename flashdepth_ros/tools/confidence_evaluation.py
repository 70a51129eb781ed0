"""evaluate --confidence and --filter, on simulated scenes."""
import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..images.confidence import UNCERTAIN
from ..images.resampling import resize_aligned
from ..scoring import metrics
from ..scoring.confidence import (
    calibration,
    confidence_table,
    plot_sparsification,
    score_confidence,
)
from ..scoring.moved import moved_error
from ..scoring.sequences import Cameras, FrameStore, mean_scores, score, table
from .evaluation_sources import StreamingModel, simulated_pictures


@dataclass(frozen=True)
class _Sequence:
    name: str
    truth: FrameStore
    cameras: Cameras
    raw: FrameStore         # inverse depth
    filtered: FrameStore    # the same, empty without --filter
    confidence: FrameStore  # empty without --confidence


def confidence_report(options: argparse.Namespace, folder: Path) -> tuple[str, dict]:
    """Return the tables of --confidence and their numbers; draw the curve with --plot."""
    names, scores = [], []
    for each in _sequences(options, folder):
        names.append(each.name)
        scores.append(score_confidence(
            each.raw, each.truth, each.confidence, options.align, options.max_depth, UNCERTAIN))
    if options.plot is not None:
        plot_sparsification(scores, options.plot, f'{options.model}, {len(scores)} scenes')
    keys = ('area', 'random_area', 'rmse_area', 'random_rmse_area', 'auroc', 'abs_rel', 'delta1',
            'delta1_kept')
    return confidence_table(names, scores), {
        'model': options.model, 'calibration': calibration(scores),
        'sequences': [{'name': name, **{key: getattr(each, key) for key in keys}}
                      for name, each in zip(names, scores, strict=True)]}


def filter_report(options: argparse.Namespace, folder: Path) -> tuple[str, dict]:
    """Return the table of --filter, means over the scenes, and its numbers."""
    every: dict[str, list] = {'no filter': [], 'filtered': []}
    every_moved: dict[str, list[float]] = {name: [] for name in every}
    for each in _sequences(options, folder):
        for name, predictions in (('no filter', each.raw), ('filtered', each.filtered)):
            scores = score(predictions, each.truth, options.align, False, options.max_depth,
                           each.cameras)
            every[name].append(scores)
            every_moved[name].append(
                moved_error(predictions, each.truth, scores, options.max_depth))
    moved = {name: metrics.mean(errors) for name, errors in every_moved.items()}
    means = {name: mean_scores(scores) for name, scores in every.items()}
    before, after = means.values()
    alpha, delta = options.smoothing
    changes = (f'with alpha {alpha:g} and delta {delta:g}: change error '
               f'{after.change_error / before.change_error - 1:+.0%}, '
               f'TAE {after.tae_percent / before.tae_percent - 1:+.0%}, '
               f'δ1 {after.delta1 - before.delta1:+.4f}, '
               f'where it moved {moved["filtered"] - moved["no filter"]:+.4f}')
    rows = table(list(means), options.align, list(means.values())).splitlines()
    cells = ['moved ↓', '---', *(f'{error:.4f}' for error in moved.values())]
    return '\n'.join([*(f'{row} {cell} |' for row, cell in zip(rows[:4], cells, strict=True)), '',
                      changes]), {
        'model': options.model,
        **{name: {**each.numbers(), 'moved': moved[name]} for name, each in means.items()}}


def _sequences(options: argparse.Namespace, folder: Path) -> Iterator[_Sequence]:
    from ..simulation import Renderer
    model = StreamingModel(options)
    try:
        with Renderer(options.size[0], options.size[1], options.hfov) as renderer:
            for seed in options.seeds:
                truth, raw, filtered, confidence = (
                    FrameStore(folder / f'{name}{seed}')
                    for name in ('truth', 'raw', 'filtered', 'confidence'))
                poses: list[np.ndarray] = []
                frames = simulated_pictures(renderer, options, seed, truth, poses)
                for stream, output, size in model.outputs(frames):
                    if options.confidence:
                        trust = stream.confidence(output, not options.stateless)
                        confidence.add(np.nan_to_num(resize_aligned(trust, *size), nan=0.0))
                    raw.add(model.disparity(stream, output, size))
                    if options.smoothing:
                        filtered.add(model.disparity(
                            stream, stream.smoothed(output, *options.smoothing), size))
                matrices = np.broadcast_to(renderer.intrinsics.matrix, (len(poses), 3, 3))
                yield _Sequence(f'{options.model}, seed {seed}', truth,
                                Cameras(matrices, np.array(poses)), raw, filtered, confidence)
    finally:
        model.close()
