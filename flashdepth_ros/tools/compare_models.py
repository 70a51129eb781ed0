"""Runs several models and engines on the same frames, in turns: evaluate --compare."""
import argparse
from collections.abc import Iterable, Iterator
import json
from pathlib import Path
import sys
import tempfile
import time

import numpy as np
from tqdm import tqdm

from ..datasets.catalogue import open_dataset
from ..datasets.pairing import match_frames
from ..datasets.sequence import DatasetSequence, listed
from ..files.sources import open_source
from ..models import MODELS
from ..scoring.benchmark_results import BenchmarkResults
from ..scoring.comparison import Clip, Outcome, outcome, table
from ..scoring.comparison_report import check_report_name, write_report
from ..scoring.markdown import markdown_table
from ..scoring.protocols import PROTOCOLS
from ..scoring.sequences import FrameStore, ScoringError
from ..scoring.truth_folder import TruthFolder
from ..weights.choice import choose_model
from .evaluate_dataset import chosen_sequences, selected_frames, usual_protocol
from .evaluation_sources import SIMULATED_FRAMES, StreamingModel


def compare(options: argparse.Namespace) -> str:
    """Score the models of options.compare; return a Markdown table.

    Writes options.report and options.json.
    """
    if options.report is not None:
        check_report_name(options.report)
    if twice := {text for text in options.compare if options.compare.count(text) > 1}:
        raise ScoringError(f'{", ".join(sorted(twice))} is named twice')
    compared: list[tuple[Clip, list[Outcome]]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models: dict[str, StreamingModel] = {}
        try:
            for text in options.compare:
                models[text] = _open(text, options)
            clips = (_simulated(options, folder) if options.seeds else
                     _of_dataset(options) if options.dataset else _of_files(options, folder))
            for number, clip in enumerate(clips):
                compared.append((clip, _in_turns(models, clip, folder / f'clip{number}')))
            if not compared:
                raise ScoringError('there is no sequence to compare the models on')
            if options.report is not None:
                names = ', '.join(options.compare)
                write_report(compared, f'{names} on the same frames', options.report)
        finally:
            for model in models.values():
                model.close()
    if options.json is not None:
        options.json.write_text(json.dumps({'sequences': [
            {'name': clip.name, 'models': [each.numbers() for each in outcomes]}
            for clip, outcomes in compared]}, indent=1, ensure_ascii=False) + '\n')
    return markdown_table(table(compared))


def _in_turns(models: dict[str, StreamingModel], clip: Clip, folder: Path) -> list[Outcome]:
    """Give every frame to every model before the next one, so that all meet the same machine.

    Each begins as often as the others. Times are of a model's own work: preparing a picture, the
    network's step, and depth at the picture's size.
    """
    stores = {text: FrameStore(folder / str(at)) for at, text in enumerate(models)}
    seconds: dict[str, list[float]] = {text: [] for text in models}
    for model in models.values():
        model.restart()
    for k in tqdm(range(clip.count), desc=clip.name, unit='frame', disable=None):
        for rgb in clip.before(k):
            for model in models.values():
                model.step(rgb)
        rgb = clip.rgb(k)
        order = list(models)[k % len(models):] + list(models)[:k % len(models)]
        for text in order:
            began = time.perf_counter()
            disparity = models[text].disparity(*models[text].step(rgb))
            seconds[text].append(time.perf_counter() - began)
            stores[text].add(disparity)
    # the first frame opens an engine
    return [outcome(text, clip, stores[text], 1e3 * float(np.median(seconds[text][1:] or
                                                                    seconds[text])))
            for text in models]


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
            yield Clip(f'seed {seed}', len(truth), pictures.disparity, truth.depth,
                       options.max_depth)


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


def _of_files(options: argparse.Namespace, folder: Path) -> Iterator[Clip]:
    """Yield a video or a folder of pictures, beside a folder of truth."""
    truth = TruthFolder(options.truth, options.truth_scale)
    pictures, names = FrameStore(folder / 'pictures'), []
    with open_source(options.predictions) as source:
        for frame in source:
            pictures.add(frame.rgb)
            names.append(frame.name)
    known = None if None in names else [name for name in names if name is not None]
    pairs, unpaired = match_frames(known, len(pictures), truth.names,
                                   options.allow_unpaired / 100, options.max_frames)
    if unpaired:
        print(f'evaluate: left out, without a partner: {listed(unpaired)}', file=sys.stderr)
    seen, true = [i for i, _ in pairs], [j for _, j in pairs]

    def before(k: int) -> Iterable[np.ndarray]:
        return (pictures.disparity(i) for i in range(seen[k - 1] + 1 if k else 0, seen[k]))
    yield Clip(Path(options.predictions).name, len(pairs), lambda k: pictures.disparity(seen[k]),
               lambda k: truth.depth(true[k]), options.max_depth, before)
