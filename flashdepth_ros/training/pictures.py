"""Pictures of how training goes: sheets of image, truth and prediction, and the learning curve."""
from collections.abc import Sequence as Rows
import csv
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from ..images.preview import colour_depth
from .held_out import predict, read_sequence
from .shards import Shards

GAP = 4


def contact_sheet(
    network: nn.Module, shards: Shards, height: int, width: int, sequences: int = 20,
    frame: int = 0, effects: bool = False, columns: int = 2,
) -> np.ndarray:
    """Rows of image | truth | prediction of held-out sequences, RGB.

    Inverse depth, near is bright; each prediction is brought to its truth by one scale.
    """
    cells = []
    for index in range(min(sequences, len(shards))):
        sequence = read_sequence(shards[index], height, width, effects)
        output = predict(network, sequence.rgb[:frame + 1])[frame]
        truth = sequence.truth[frame]
        known = truth > 0
        output = np.maximum(output, 1e-3)
        predicted = np.median(truth[known] * output[known]) / output
        near, far = np.percentile(truth[known], (1, 99))
        rgb = (sequence.rgb[frame].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        row = [rgb, *(cv2.cvtColor(colour_depth(depth, near, far, 'turbo'), cv2.COLOR_BGR2RGB)
                      for depth in (np.where(known, truth, np.nan), predicted))]
        row = [cv2.copyMakeBorder(cell, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255,) * 3)
               for cell in row]
        cells.append(np.concatenate(row, axis=1))
    while len(cells) % columns:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.concatenate(cells[i:i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows)


def read_progress(path: Path) -> dict[str, np.ndarray]:
    """Read progress.csv as columns; what is missing in a row is NaN."""
    with open(path, newline='') as file:
        rows = list(csv.DictReader(file))
    names = rows[0] if rows else []
    return {name: np.array([float(row[name] or 'nan') for row in rows]) for name in names}


def learning_curve(paths: Rows[Path], target: Path, lines: dict[str, float]) -> None:
    """Draw loss, delta 1 and the error of change over frames seen.

    lines: horizontal lines in the picture of delta 1, by their names (the baselines).
    """
    from matplotlib.figure import Figure  # draws to files alone, without a screen
    figure = Figure(figsize=(13, 3.6), layout='constrained')
    left, middle, right = figure.subplots(1, 3)
    for path in paths:
        progress = read_progress(path)
        frames = progress['frames'] / 1000
        left.plot(frames, progress['scale'], label='after one scale per clip')
        left.plot(frames, progress['gradient'], label='gradient')
        known = ~np.isnan(progress['delta1'])
        middle.plot(frames[known], progress['delta1'][known], '.-', label='network')
        known = ~np.isnan(progress['change_carried'])
        right.plot(frames[known], progress['change_carried'][known], '.-', label='state carried')
        right.plot(frames[known], progress['change_reset'][known], '.-', label='reset each frame')
    for name, value in lines.items():
        middle.axhline(value, color='grey', linestyle=':')
        middle.text(0.99, value, name, fontsize=8, ha='right', va='bottom',
                    transform=middle.get_yaxis_transform())
    for axis, title in ((left, 'training loss'), (middle, 'held-out δ1'),
                        (right, 'held-out error of change, with effects')):
        axis.set_title(title)
        axis.set_xlabel('thousand frames')
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(target, dpi=100)
