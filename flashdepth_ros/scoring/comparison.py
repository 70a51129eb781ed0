"""Several models on the same frames: numbers, pictures, and one HTML file that holds them."""
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import html
import io
from typing import Any

import cv2
import numpy as np

from . import metrics
from .protocol_scores import ProtocolFrames, protocol_scores
from .protocols import PROTOCOLS
from .sequences import FrameStore, Scores, ScoringError, score

LENGTHS = (10, 20, 30, 50, 80, 110, 150, 200, 250, 300, 350, 400, 450, 500)  # frames
HEIGHT = 160  # of a slice, in pixels
NEAR_AND_FAR = (2, 98)  # percentiles of the truth's inverse depth that get the ends of the colours


@dataclass(frozen=True)
class Clip:
    """Frames that all models see: pictures (h, w, 3) uint8, truth (H, W) in metres, its cap."""

    name: str
    count: int
    rgb: Callable[[int], np.ndarray]
    depth: Callable[[int], np.ndarray]
    cap: float

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Outcome:
    """What one model made of a clip. lengths: AbsRel of its first frames, fitted to those alone."""

    model: str
    milliseconds: float  # a frame, in the middle
    scores: Scores
    lengths: dict[int, float]
    slice: np.ndarray  # (HEIGHT, frames) aligned inverse depth in 1/m


def outcome(model: str, clip: Clip, predictions: FrameStore, milliseconds: float) -> Outcome:
    """Score a model's inverse depth of a clip."""
    scores = score(predictions, clip, 'scale-shift', max_depth=clip.cap)
    lengths = {}
    for length in (*(each for each in LENGTHS if each < clip.count), clip.count):
        frames = ProtocolFrames(length, predictions.disparity, clip.depth, clip.cap)
        lengths[length] = protocol_scores(PROTOCOLS['vda'], frames)['abs_rel']
    middle = [scores.scale * column(predictions.disparity(i)) + scores.shift
              for i in range(clip.count)]
    return Outcome(model, milliseconds, scores, lengths, np.stack(middle, axis=1))


def column(image: np.ndarray) -> np.ndarray:
    """Return the middle column of an image (h, w[, 3]), resized to HEIGHT."""
    middle = np.ascontiguousarray(image[:, image.shape[1] // 2][:, None])
    return cv2.resize(middle, (1, HEIGHT), interpolation=cv2.INTER_NEAREST)[:, 0]


def slices(clip: Clip, outcomes: Sequence[Outcome]) -> Any:
    """Draw how the middle column goes through time: pictures, truth, models. A Figure."""
    with np.errstate(divide='ignore', invalid='ignore'):
        truth = np.stack([column(1 / clip.depth(i)) for i in range(clip.count)], axis=1)
    known = truth[np.isfinite(truth) & (truth > 0)]
    low, high = np.percentile(known, NEAR_AND_FAR) if known.size else (0.0, 1.0)
    figure = _figure(10, 1.5 * (len(outcomes) + 2))
    axes = figure.subplots(len(outcomes) + 2, 1, sharex=True, squeeze=False)[:, 0]
    axes[0].imshow(np.stack([column(clip.rgb(i)) for i in range(clip.count)], axis=1),
                   aspect='auto', interpolation='nearest')
    axes[0].set_title(f'{clip.name}: the middle column of every frame', fontsize='small')
    for each, name, values in zip(
            axes[1:], ['truth', *(each.model for each in outcomes)],
            [np.where(truth > 0, truth, np.nan), *(each.slice for each in outcomes)], strict=True):
        each.imshow(values, aspect='auto', cmap='inferno', vmin=low, vmax=high,
                    interpolation='nearest')
        each.set_title(name, fontsize='small')
    for each in axes:
        each.set_yticks([])
    axes[-1].set_xlabel('frame')
    return figure


def against_length(clips: Sequence[tuple[Clip, Sequence[Outcome]]]) -> Any:
    """Draw AbsRel of the first frames, fitted to those alone, against their number. A Figure."""
    figure = _figure(7, 4)
    axes = figure.subplots()
    for model in dict.fromkeys(each.model for _, outcomes in clips for each in outcomes):
        of_model = [each.lengths for _, outcomes in clips for each in outcomes
                    if each.model == model]
        lengths = sorted(set.intersection(*(set(each) for each in of_model)))
        axes.plot(lengths, [np.mean([each[length] for each in of_model]) for length in lengths],
                  marker='o', label=model)
    axes.set(xlabel='frames', ylabel='AbsRel', title='accuracy against length', ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def flicker(clip: Clip, outcomes: Sequence[Outcome]) -> Any:
    """Draw the change error from frame to frame. A Figure."""
    figure = _figure(10, 3)
    axes = figure.subplots()
    for each in outcomes:
        errors = each.scores.rows['change_error']
        axes.plot(range(1, len(errors) + 1), errors, label=each.model, linewidth=1.2)
    axes.set(xlabel='frame', ylabel='change error', title=f'{clip.name}: flicker', ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def table(clips: Sequence[tuple[Clip, Sequence[Outcome]]]) -> list[list[str]]:
    """Return a row for every model, of means over the clips, below the columns' names."""
    rows = [['model', 'frames', 'AbsRel ↓', 'δ1 ↑', 'boundary F1 ↑', 'change error ↓',
             'ms a frame']]
    for model in dict.fromkeys(each.model for _, outcomes in clips for each in outcomes):
        found = [each for _, outcomes in clips for each in outcomes if each.model == model]

        def mean(name: str, of: list[Outcome] = found) -> float:
            return metrics.mean([getattr(each.scores, name) for each in of])
        rows.append([
            model, str(sum(each.scores.frames for each in found)), f'{mean("abs_rel"):.4f}',
            f'{mean("delta1"):.4f}', f'{mean("boundary_f1"):.4f}', f'{mean("change_error"):.5f}',
            f'{np.median([each.milliseconds for each in found]):.1f}'])
    return rows


def report(clips: Sequence[tuple[Clip, Sequence[Outcome]]], title: str) -> str:
    """Return one HTML page with the table and all pictures in it. ScoringError: no matplotlib."""
    rows = table(clips)
    cells = [f'<tr>{"".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)}</tr>'
             for tag, row in zip(['th', *['td'] * (len(rows) - 1)], rows, strict=True)]
    pictures = [_picture(against_length(clips))]
    for clip, outcomes in clips:
        pictures += [_picture(slices(clip, outcomes)), _picture(flicker(clip, outcomes))]
    return (f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}'
            f'</title><style>body{{font-family:sans-serif;max-width:70em;margin:2em auto}}'
            f'td,th{{padding:.3em .8em;text-align:right}}img{{max-width:100%}}</style>'
            f'<h1>{html.escape(title)}</h1><table>{"".join(cells)}</table>'
            f'<p>Inverse depth is aligned to the truth by one scale and shift a sequence; '
            f'against length, by one for the frames counted.</p>{"".join(pictures)}</html>\n')


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure  # draws to files alone, without a screen
    except ImportError as error:
        raise ScoringError(
            f'a report needs matplotlib ({error}): pip install matplotlib') from error
    return Figure(figsize=(width, height), layout='constrained')


def _picture(figure: Any) -> str:
    data = io.BytesIO()
    figure.savefig(data, dpi=100, format='png')
    return f'<p><img src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"></p>'
