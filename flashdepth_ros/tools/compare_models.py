"""Runs several models and engines on the same frames: evaluate --compare."""
import argparse
from collections.abc import Iterator
from pathlib import Path
import sys
import tempfile
import time

import numpy as np

from ..datasets.catalogue import open_dataset
from ..datasets.sequence import DatasetSequence
from ..models import MODELS
from ..scoring.benchmark_results import BenchmarkResults
from ..scoring.comparison import Clip, Outcome, outcome, report, table
from ..scoring.protocols import PROTOCOLS
from ..scoring.sequences import FrameStore, ScoringError
from ..weights.choice import choose_model
from .evaluate_dataset import chosen_sequences, selected_frames, usual_protocol
from .evaluation_sources import SIMULATED_FRAMES, StreamingModel

SIMULATED_CAP = 80.0  # m


def compare(options: argparse.Namespace) -> str:
    """Score the models of options.compare; returns a Markdown table, and writes options.report."""
    compared: list[tuple[Clip, list[Outcome]]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models = [(text, _open(text, options)) for text in options.compare]
        try:
            clips = _simulated(options, folder) if options.seeds else _of_dataset(options)
            for number, clip in enumerate(clips):
                outcomes: list[Outcome] = []
                for text, model in models:
                    print(f'{clip.name}: {text}', file=sys.stderr, flush=True)
                    stamps: list[float] = []
                    predictions = FrameStore(folder / f'{number}-{len(outcomes)}')
                    model.predict(_timed(clip, stamps), predictions)
                    middle = float(np.median(np.diff(stamps))) * 1e3
                    outcomes.append(outcome(text, clip, predictions, middle))
                compared.append((clip, outcomes))
            if not compared:
                raise ScoringError('there is no sequence to compare the models on')
            if options.report is not None:
                names = ', '.join(options.compare)
                options.report.write_text(report(compared, f'{names} on the same frames'))
        finally:
            for _, model in models:
                model.close()
    rows = table(compared)
    return '\n'.join('| ' + ' | '.join(row) + ' |'
                     for row in [rows[0], ['---'] * len(rows[0]), *rows[1:]])


def _open(text: str, options: argparse.Namespace) -> StreamingModel:
    """Open 'MODEL' or 'MODEL@BACKEND'; ValueError."""
    name, _, backend = text.partition('@')
    if name != 'auto' and name not in MODELS:
        raise ScoringError(f"there is no model '{name}'; there are auto, {', '.join(MODELS)}")
    spec, file, warning = choose_model(name, options.weights)
    if warning:
        print(f'evaluate: {warning}', file=sys.stderr)
    return StreamingModel(argparse.Namespace(**{
        **vars(options), 'model': spec.name, 'weights': str(file),
        'backend': backend or options.backend}))


def _timed(clip: Clip, stamps: list[float]) -> Iterator[np.ndarray]:
    """Yield a clip's pictures; note when each is asked for, without the time that reading takes."""
    waited = 0.0
    for i in range(clip.count):
        began = time.perf_counter()
        rgb = clip.rgb(i)
        waited += time.perf_counter() - began
        stamps.append(time.perf_counter() - waited)
        yield rgb
    stamps.append(time.perf_counter() - waited)


def _simulated(options: argparse.Namespace, folder: Path) -> Iterator[Clip]:
    from ..simulation import Renderer
    from ..simulation.effects import NONE, USUAL
    from ..simulation.sequences import drive_through
    with Renderer(options.size[0], options.size[1], options.hfov) as renderer:
        for seed in options.seeds:
            truth, pictures = FrameStore(folder / f'truth{seed}'), FrameStore(folder / f'rgb{seed}')
            for frame in drive_through(
                    renderer, seed, options.max_frames or SIMULATED_FRAMES, kind=options.kind,
                    effects=USUAL if options.effects else NONE, materials=options.materials):
                truth.add(frame.depth)
                pictures.add(frame.rgb)
            yield Clip(f'seed {seed}', len(truth), pictures.disparity, truth.depth, SIMULATED_CAP)


def _of_dataset(options: argparse.Namespace) -> Iterator[Clip]:
    name, root = options.dataset
    protocol = PROTOCOLS[options.protocol or usual_protocol(name)]
    cut, _ = protocol.cut(name)
    notes = BenchmarkResults(None, protocol, {})
    for sequence in chosen_sequences(
            open_dataset(name, Path(root), options.allow_unpaired / 100), cut, notes):
        indices = selected_frames(sequence, cut, options.max_frames, [])

        def rgb(k: int, of: DatasetSequence = sequence, at: list[int] = indices) -> np.ndarray:
            picture = of.rgb(at[k])
            return picture if of.extracted else np.ascontiguousarray(
                picture[cut.picture(*picture.shape[:2])])

        def depth(k: int, of: DatasetSequence = sequence, at: list[int] = indices) -> np.ndarray:
            truth = of.depth(at[k])
            return truth[cut.truth(*truth.shape)]
        yield Clip(sequence.name, len(indices), rgb, depth, cut.caps.get(sequence.name, cut.cap))
