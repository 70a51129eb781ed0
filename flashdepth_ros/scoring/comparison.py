"""Several models on the same frames: their numbers, and the pictures of a report."""
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from . import metrics
from .protocol_scores import ProtocolFrames, protocol_scores
from .protocols import PROTOCOLS
from .sequences import FrameStore, Scores, ScoringError, score

LENGTHS = (10, 20, 30, 50, 80, 110, 150, 192, 250, 300, 350, 400, 450, 500)  # frames
HEIGHT = 160  # of a slice, in pixels
WIDTH = 320   # of a sample, in pixels
SAMPLES = 3   # frames of a clip that are shown whole
NEAR_AND_FAR = (2, 98)  # percentiles of the truth's inverse depth that get the ends of the colours


def nothing_before(index: int) -> Iterable[np.ndarray]:
    """Return no pictures: a frame follows the one before."""
    return ()


@dataclass(frozen=True)
class Clip:
    """Frames that all models see: pictures (h, w, 3) uint8, truth (H, W) in metres, its cap.

    before: pictures without a truth that come between a frame and the one before, which models see.
    """

    name: str
    count: int
    rgb: Callable[[int], np.ndarray]
    depth: Callable[[int], np.ndarray]
    cap: float
    before: Callable[[int], Iterable[np.ndarray]] = nothing_before

    def __len__(self) -> int:
        return self.count

    @property
    def samples(self) -> list[int]:
        """The frames that are shown whole: first, middle, last."""
        return sorted({round(share * (self.count - 1)) for share in np.linspace(0, 1, SAMPLES)})


@dataclass(frozen=True)
class Outcome:
    """What one model made of a clip.

    lengths: AbsRel and delta 1 of its first frames, fitted to those alone.
    """

    model: str
    milliseconds: float  # a frame, in the middle
    scores: Scores
    lengths: dict[int, tuple[float, float]]
    slice: np.ndarray  # (HEIGHT, frames) aligned inverse depth in 1/m
    samples: list[np.ndarray] = field(default_factory=list)  # aligned inverse depth in 1/m

    def numbers(self) -> dict[str, Any]:
        """Return what a JSON file keeps."""
        return {'model': self.model, 'milliseconds': self.milliseconds, **self.scores.numbers(),
                'lengths': [{'frames': length, 'abs_rel': rel, 'delta1': delta}
                            for length, (rel, delta) in self.lengths.items()]}


def outcome(model: str, clip: Clip, predictions: FrameStore, milliseconds: float) -> Outcome:
    """Score a model's inverse depth of a clip."""
    scores = score(predictions, clip, 'scale-shift', max_depth=clip.cap)
    lengths = {}
    for length in (*(each for each in LENGTHS if each < clip.count), clip.count):
        frames = ProtocolFrames(length, predictions.disparity, clip.depth, clip.cap)
        try:
            numbers = protocol_scores(PROTOCOLS['vda'], frames)
        except ScoringError:  # no truth yet
            continue
        lengths[length] = numbers['abs_rel'], numbers['delta1']

    def aligned(index: int) -> np.ndarray:
        return scores.scale * predictions.disparity(index) + scores.shift
    middle = [column(aligned(i)) for i in range(clip.count)]
    return Outcome(model, milliseconds, scores, lengths, np.stack(middle, axis=1),
                   [small(aligned(i)) for i in clip.samples])


def column(image: np.ndarray) -> np.ndarray:
    """Return the middle column of an image (h, w[, 3]), resized to HEIGHT."""
    middle = np.ascontiguousarray(image[:, image.shape[1] // 2][:, None])
    return cv2.resize(middle, (1, HEIGHT), interpolation=cv2.INTER_NEAREST)[:, 0]


def small(image: np.ndarray) -> np.ndarray:
    """Return an image (h, w[, 3]), resized to WIDTH."""
    height = max(1, round(WIDTH * image.shape[0] / image.shape[1]))
    return cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_NEAREST)


def _inverse(depth: np.ndarray) -> np.ndarray:
    """Return inverse depth; NaN where there is no truth, 0 in the sky."""
    return np.divide(1, depth, out=np.full(depth.shape, np.nan), where=depth > 0)


def _colours(clip: Clip) -> dict[str, Any]:
    """Return the colours of inverse depth in 1/m, which are the same in all pictures of a clip."""
    truth = np.concatenate([_inverse(clip.depth(i))[::4, ::4].ravel() for i in clip.samples])
    known = truth[np.isfinite(truth) & (truth > 0)]
    low, high = np.percentile(known, NEAR_AND_FAR) if known.size else (0.0, 1.0)
    return {'cmap': 'inferno', 'vmin': low, 'vmax': max(high, low + 1e-6),
            'interpolation': 'nearest'}


def samples(clip: Clip, outcomes: Sequence[Outcome]) -> Any:
    """Draw whole frames: the picture, the truth and every model's depth. A Figure."""
    names = ['picture', 'truth', *(each.model for each in outcomes)]
    height, width = small(clip.rgb(0)).shape[:2]
    figure = new_figure(2.6 * len(names) + 1,
                        (2.6 * height / width + 0.1) * len(clip.samples) + 0.6)
    axes = figure.subplots(len(clip.samples), len(names), squeeze=False)
    colours = _colours(clip)
    shown = None
    for row, index in enumerate(clip.samples):
        axes[row, 0].imshow(clip.rgb(index))
        for at, values in enumerate([small(_inverse(clip.depth(index))),
                                     *(each.samples[row] for each in outcomes)], 1):
            shown = axes[row, at].imshow(values, **colours)
        axes[row, 0].set_ylabel(f'frame {index}', fontsize='small')
    for at, name in enumerate(names):
        axes[0, at].set_title(name, fontsize='small')
    for each in axes.ravel():
        each.set(xticks=[], yticks=[], facecolor='0.6')
    figure.colorbar(shown, ax=axes, label='inverse depth, 1/m', shrink=0.8, pad=0.01)
    figure.suptitle(f'{clip.name}: inverse depth, aligned to the truth (grey: none)',
                    fontsize='medium')
    return figure


def slices(clip: Clip, outcomes: Sequence[Outcome]) -> Any:
    """Draw how the middle column goes through time: pictures, truth, models. A Figure."""
    truth = np.stack([column(_inverse(clip.depth(i))) for i in range(clip.count)], axis=1)
    figure = new_figure(10, 1.5 * (len(outcomes) + 2))
    axes = figure.subplots(len(outcomes) + 2, 1, sharex=True, squeeze=False)[:, 0]
    axes[0].imshow(np.stack([column(clip.rgb(i)) for i in range(clip.count)], axis=1),
                   aspect='auto', interpolation='nearest')
    axes[0].set_title(f'{clip.name}: the middle column of every frame', fontsize='small')
    colours = _colours(clip)
    for each, name, values in zip(
            axes[1:], ['truth', *(each.model for each in outcomes)],
            [truth, *(each.slice for each in outcomes)], strict=True):
        each.imshow(values, aspect='auto', **colours)
        each.set_title(name, fontsize='small')
        each.set_facecolor('0.6')
    for each in axes:
        each.set_yticks([])
    axes[-1].set_xlabel('frame')
    return figure


def against_length(clips: Sequence[tuple[Clip, Sequence[Outcome]]]) -> Any:
    """Draw AbsRel and delta 1 of the first frames, fitted to those alone, by number. A Figure."""
    figure = new_figure(10, 4)
    axes = figure.subplots(1, 2)
    for model in dict.fromkeys(each.model for _, outcomes in clips for each in outcomes):
        of_model = [each.lengths for _, outcomes in clips for each in outcomes
                    if each.model == model]
        lengths = sorted(set.intersection(*(set(each) for each in of_model)))
        for at, each in enumerate(axes):
            each.plot(lengths, [np.mean([found[length][at] for found in of_model])
                                for length in lengths], marker='o', label=model)
    for each, name in zip(axes, ('AbsRel', 'δ1'), strict=True):
        each.set(xlabel='frames', ylabel=name, title=f'{name} against length')
        each.grid(alpha=0.3)
    axes[0].set_ylim(0, 1.1 * axes[0].dataLim.y1)
    axes[1].set_ylim(None, 1)
    axes[0].legend(fontsize='small')
    return figure


def flicker(clip: Clip, outcomes: Sequence[Outcome]) -> Any:
    """Draw the change error from frame to frame. A Figure."""
    figure = new_figure(10, 3)
    axes = figure.subplots()
    for each in outcomes:
        errors = each.scores.rows['change_error']
        axes.plot(range(1, len(errors) + 1), errors, label=each.model, linewidth=1.2)
    axes.set(xlabel='frame', ylabel='change error', title=f'{clip.name}: flicker', ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small')
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


def new_figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure  # draws to files alone, without a screen
    except ImportError as error:
        raise ScoringError(
            f'a report needs matplotlib ({error}): pip install matplotlib') from error
    return Figure(figsize=(width, height), layout='constrained')
