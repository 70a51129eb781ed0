"""Pictures of how training goes: sheets of picture, truth and prediction, and the curves."""
from collections.abc import Sequence
import csv
from pathlib import Path

import cv2
import numpy as np

from ..images.preview import colour_depth
from ..models.network import Network
from ..models.spec import ModelSpec
from ..scoring.metrics import DisparityFit, aligned_depth
from .held_out import pictures, predict, true_depth
from .mixture import Truth
from .outputs import alignment
from .recordings import Recording

GAP = 4


def contact_sheet(
    network: Network, spec: ModelSpec, recordings: Sequence[Recording], truth: Truth,
    most: int = 12, frame: int = 4, columns: int = 2,
) -> np.ndarray:
    """Rows of picture | truth | prediction of recordings, RGB.

    Inverse depth, near is bright; each prediction is aligned with its truth as for the scores.
    """
    cells: list[np.ndarray] = []
    for recording in recordings[:most]:
        last = min(frame, len(recording) - 1)
        disparity = predict(network, spec, pictures(recording, last + 1))[last]
        depth = true_depth(recording, truth, last + 1)[last]
        known = depth > 0
        if not known.any():
            continue
        fit = DisparityFit()
        fit.add(disparity, depth, known)
        predicted = aligned_depth(disparity, *fit.solve(alignment(spec)))
        near, far = np.percentile(depth[known], (1, 99))
        row = [np.asarray(recording.rgb[last]), *(
            cv2.cvtColor(colour_depth(each, near, far, 'turbo'), cv2.COLOR_BGR2RGB)
            for each in (np.where(known, depth, np.nan), predicted))]
        cell = np.concatenate([
            cv2.copyMakeBorder(each, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255,) * 3)
            for each in row], axis=1)
        if cells and cell.shape != cells[0].shape:  # of another camera
            cell = cv2.resize(cell, cells[0].shape[1::-1], interpolation=cv2.INTER_AREA)
        cells.append(cell)
    while len(cells) % columns:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.concatenate(cells[i:i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows) if rows else np.full((GAP, GAP, 3), 255, np.uint8)


def save_picture(path: Path, rgb: np.ndarray) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def read_progress(path: Path) -> dict[str, np.ndarray]:
    """Read progress.csv as columns; what is missing in a row is NaN."""
    with open(path, newline='') as file:
        rows = list(csv.DictReader(file))
    names = rows[0] if rows else []
    return {name: np.array([float(row[name] or 'nan') for row in rows]) for name in names}


def learning_curve(progress: Path, target: Path) -> None:
    """Draw the loss's terms and the held-out scores over the steps."""
    from matplotlib.figure import Figure  # draws to files alone, without a screen
    columns = read_progress(progress)
    names = list(columns)
    terms = names[names.index('loss'):names.index('norm')]
    figure = Figure(figsize=(13, 3.6), layout='constrained')
    panels = (('training loss', terms), ('δ1', [n for n in names if n.startswith('delta1')]),
              ('held out', ['abs_rel', 'change_error']))
    for axes, (title, lines) in zip(figure.subplots(1, 3), panels, strict=True):
        for name in lines:
            known = ~np.isnan(columns[name])
            axes.plot(columns['step'][known], columns[name][known], '.-', label=name,
                      linewidth=1.2, markersize=3)
        axes.set_title(title)
        axes.set_xlabel('step')
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(target, dpi=100)
