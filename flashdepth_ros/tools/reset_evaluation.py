"""evaluate --camera-health --model: what the state is worth after a cover and after a cut."""
import argparse
from collections.abc import Iterable, Sequence

import numpy as np
from tqdm import tqdm

from ..engines import open_engine
from ..files.depth_folder import inverse_depth
from ..models import model_spec
from ..scoring import metrics
from ..scoring.markdown import markdown_table
from ..streams.depth_stream import DepthStream
from ..weights.choice import resolve_weights

START, COVER, AFTER = 12, 10, 15  # frames before a cover, of it, and after it
SHOWN = (0, 1, 2, 4, 7, 14)       # frames after it, of which each is in the table


class _Depths:
    """Steps a stream, and compares its inverse depth with truth in metres."""

    def __init__(self, options: argparse.Namespace):
        spec, (width, height) = model_spec(options.model), options.size
        size = spec.frame.network_size(height, width, options.short_side)
        self._engine = open_engine(
            spec, str(resolve_weights(spec, options.weights)), options.backend, options.device,
            height=size[0], width=size[1])
        self.stream = DepthStream(self._engine, options.short_side)

    def of(self, rgb: np.ndarray) -> np.ndarray:
        """Return the inverse depth (H, W) of the next frame."""
        stream = self.stream
        output = stream.read(stream.step(stream.prepare(rgb)), rgb.shape[:2])
        return inverse_depth(stream.resample(output, *rgb.shape[:2]), self._engine.spec.unit)

    def close(self) -> None:
        self._engine.close()


def _scale(depths: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> float:
    """Return the one scale of a sequence: the median of inverse depth times depth."""
    products = [(d * z)[metrics.truth_mask(z)][::7] for d, z in zip(depths, truths, strict=True)]
    return float(np.median(np.concatenate(products)))


def _abs_rel(
    depths: Sequence[np.ndarray], truths: Sequence[np.ndarray], scale: float,
) -> np.ndarray:
    with np.errstate(divide='ignore'):
        return np.array([metrics.abs_rel(scale / d, z, metrics.truth_mask(z))
                         for d, z in zip(depths, truths, strict=True)])


def reset_tables(options: argparse.Namespace) -> str:
    """Return two tables in Markdown: AbsRel after a black cover, and after a cut."""
    from ..simulation import Renderer
    from ..simulation.effects import NONE, USUAL
    from ..simulation.sequences import drive_through
    rows: dict[str, list[np.ndarray]] = {}
    model, before = _Depths(options), None
    try:
        with Renderer(options.size[0], options.size[1], options.hfov) as renderer:
            for seed in tqdm(options.seeds, unit='scene', disable=None):
                frames = list(drive_through(
                    renderer, seed, START + COVER + AFTER, kind=options.kind,
                    effects=USUAL if options.effects else NONE, materials=options.materials))
                drive = [frame.rgb for frame in frames], [frame.depth for frame in frames]
                for name, row in _after_cover(model, *drive):
                    rows.setdefault(name, []).append(row)
                if before is not None:
                    for name, row in _after_cut(model, before, *drive):
                        rows.setdefault(name, []).append(row)
                before = drive[0]
    finally:
        model.close()
    head = ['AbsRel in frame', *map(str, SHOWN), f'mean of {AFTER}', 'mean of the first 10']
    lines = [head]
    for name, errors in rows.items():
        mean = np.mean(errors, axis=0)
        lines.append([name, *(f'{mean[i]:.3f}' for i in SHOWN), f'{mean.mean():.3f}',
                      f'{mean[:10].mean():.3f}'])
    return markdown_table(lines)


def _after_cover(
    model: _Depths, pictures: Sequence[np.ndarray], truths: Sequence[np.ndarray],
) -> Iterable[tuple[str, np.ndarray]]:
    """Yield what was done with a cover, and the error of each frame after it."""
    end, scale = START + COVER, 0.0
    for name in ('never covered', 'cover: fed to the network', 'cover: left out, state held',
                 'cover: left out, reset after it'):
        model.stream.reset()
        depths = []
        for index, rgb in enumerate(pictures):
            covered = START <= index < end and name != 'never covered'
            if covered and 'left out' in name:
                continue
            if index == end and 'reset' in name:
                model.stream.reset()
            depths.append(model.of(np.zeros_like(rgb) if covered else rgb))
        if name == 'never covered':
            scale = _scale(depths, truths)
        yield name, _abs_rel(depths[-AFTER:], truths[end:], scale)


def _after_cut(
    model: _Depths, before: Sequence[np.ndarray], pictures: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
) -> Iterable[tuple[str, np.ndarray]]:
    """Yield what was done at a cut from one drive into another, and the error of each frame."""
    scale = 0.0
    for name in 'cut: reset', 'cut: state carried':
        model.stream.reset()
        if 'carried' in name:
            for rgb in before[:START]:
                model.of(rgb)
        depths = [model.of(rgb) for rgb in pictures[:START + AFTER]]
        scale = scale or _scale(depths, truths[:START + AFTER])
        yield name, _abs_rel(depths[:AFTER], truths[:AFTER], scale)
