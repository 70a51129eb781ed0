"""Evaluates a model or predictions on a dataset under a paper's protocol, sequence by sequence."""
import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
import sys
import tempfile
from typing import Any

import cv2
import numpy as np

from ..datasets.catalogue import open_dataset
from ..datasets.sequence import DatasetError, DatasetSequence, check_unpaired, listed
from ..files.predictions import PredictedFrames
from ..scoring.benchmark_results import BenchmarkResults
from ..scoring.protocol_scores import ProtocolFrames, alignment_error, protocol_scores
from ..scoring.protocols import PROTOCOLS, Cut, Protocol, as_released, whole
from ..scoring.sequences import FrameStore, ScoringError
from ..weights.record import sha256
from .evaluation_sources import StreamingModel, WindowedModel

USUAL = {'nyuv2': 'vda-500', 'waymo': 'flashdepth'}  # protocols; vda for the others
DECIDING = 5  # frames that show whether predictions are depth or inverse depth
MOST_OBLIQUE = 0.1  # how much the shape of a prediction may differ from its picture's


def usual_protocol(dataset: str) -> str:
    """Return the protocol that a dataset is scored under where none is named."""
    return USUAL.get(dataset.removesuffix('-final'), 'vda')


def evaluate_dataset(options: argparse.Namespace) -> BenchmarkResults:
    """Score every sequence of options.dataset, and return the results.

    Those in options.json that an interrupted run of the same settings left are kept. Raises
    DatasetError, ScoringError, DepthFolderError and what a model raises.
    """
    name, root = options.dataset
    protocol = PROTOCOLS[options.protocol or usual_protocol(name)]
    cut, known = protocol.cut(name)
    model = None
    if options.prediction_folder is None:
        model = WindowedModel(options) if options.window else StreamingModel(options)
    results = BenchmarkResults(options.json, protocol, {
        'dataset': name, 'root': str(Path(root).expanduser().resolve()), 'protocol': protocol.name,
        'model': options.model, 'weights_sha256': None if model is None or model.file == 'random'
        else sha256(model.file),
        'predictions': None if model else str(options.prediction_folder.resolve()),
        'short_side': options.short_side, 'window': options.window,
        'stateless': options.stateless, 'max_frames': options.max_frames,
        'first_frame': options.first_frame, 'quantity': options.quantity})
    if options.first_frame:
        results.note('fitted to the first frame of every sequence')
    if not known:
        results.note(f'{protocol.name} as its authors have it knows no {name}: all frames, no '
                     f'crop, truth up to {cut.cap:g} m')
    try:
        sequences = list(chosen_sequences(open_dataset(
            name, Path(root), options.allow_unpaired / 100), cut, results))
        for count, sequence in enumerate(sequences, 1):
            if not results.has(sequence.name):
                try:
                    results.add(_scores(sequence, options, protocol, cut, model))
                except ScoringError as error:
                    raise ScoringError(f'{sequence.name}: {error}') from error
            print(f'{count}/{len(sequences)} {sequence.name}: '
                  f'{results.told(sequence.name)}', file=sys.stderr, flush=True)
    finally:
        if model is not None:
            model.close()
    results.finish()
    return results


def chosen_sequences(
    sequences: Iterator[DatasetSequence], cut: Cut, results: BenchmarkResults,
) -> list[DatasetSequence]:
    """Return the sequences that a protocol takes; all, where none of its list is there."""
    found = list(sequences)
    if cut.names:
        listed_ones = [each for each in found if each.name in cut.names]
        if len(listed_ones) < len(cut.names):
            results.note(f"{len(listed_ones)} of the protocol's {len(cut.names)} sequences are "
                         f'here' + ('' if listed_ones else ': all that are here are taken'))
        found = listed_ones or found
    elif cut.most is not None and len(found) < cut.most:
        results.note(f"{len(found)} of the protocol's {cut.most} sequences are here")
    return found[:cut.most]


def selected_frames(
    sequence: DatasetSequence, cut: Cut, max_frames: int | None, notes: list[str],
) -> list[int]:
    """Return the indices of the frames that a network sees; all of a sequence that is too short."""
    taken = range(2 ** 31)[cut.frames]
    indices = (list(range(len(sequence.frames)))[:len(taken)] if sequence.extracted else
               [i for i, frame in enumerate(sequence.frames) if frame.position in taken])
    if not indices:
        notes.append(f"it ends before the protocol's frame {cut.frames.start}: all are taken")
        indices = list(range(len(sequence.frames)))
    return indices[:max_frames]


def _scores(
    sequence: DatasetSequence, options: argparse.Namespace, protocol: Protocol, cut: Cut,
    model: Any,
) -> dict[str, Any]:
    """Predict and score one sequence; its numbers, and what was left out of it."""
    notes = list(sequence.notes)
    indices = selected_frames(sequence, cut, options.max_frames, notes)
    cropped = sequence.extracted and not protocol.tae  # whether the pictures are cropped already
    names = [sequence.frames[i].name for i in indices]
    with tempfile.TemporaryDirectory() as temporary:
        predictions: Any
        if model is not None:
            def pictures() -> Iterator[np.ndarray]:
                for i in indices:
                    rgb = sequence.rgb(i)
                    yield rgb if cropped else np.ascontiguousarray(rgb[cut.picture(*rgb.shape[:2])])
            predictions = FrameStore(Path(temporary) / 'predictions')
            model.predict(pictures(), predictions)
        else:
            predictions = _read_predictions(sequence, indices, options, notes)
        absent = set(() if model else predictions.missing)
        scored = [k for k in range(len(indices))[cut.scored] if names[k] not in absent]
        if not scored:
            notes.append(f'it ends before frame {cut.scored.start}: all are scored')
            scored = [k for k in range(len(indices)) if names[k] not in absent]
        picture, whole_truth = sequence.rgb(indices[0]).shape[:2], sequence.depth(indices[0]).shape

        def truth(k: int, by_position: bool = protocol.released and cut.by_position) -> np.ndarray:
            index = indices[scored[k]]
            depth = sequence.depth_by_position(index) if by_position else sequence.depth(index)
            if protocol.released and not sequence.extracted:
                depth = as_released(options.dataset[0], depth)
            return depth[cut.truth(*depth.shape)]

        def disparity(k: int, released: bool = False) -> np.ndarray:
            return _placed(predictions.disparity(scored[k]), picture, whole_truth, cut,
                           protocol.tae, cropped, released, names[scored[k]])

        cap = cut.caps.get(sequence.name, cut.cap)
        frames = ProtocolFrames(len(scored), disparity, truth, cap, options.first_frame)
        numbers = protocol_scores(protocol, frames)
        if cut.by_position and not protocol.released and any(
                sequence.frames[i].read_by_position for i in indices):
            other = protocol_scores(
                protocol, replace(frames, truth=partial(truth, by_position=True)))
            numbers |= {f'{key}_by_position': other[key] for key in ('abs_rel', 'delta1')}
        if protocol.tae:
            released = replace(frames, disparity=lambda k: disparity(k, released=True))
            numbers |= _steadiness(
                sequence, [indices[k] for k in scored], frames, released, protocol, cut, numbers)
    if sequence.unpaired:
        notes.append(f'without a partner: {listed(sequence.unpaired)}')
    return {'name': sequence.name, 'frames': len(scored), **numbers,
            'unpaired': list(sequence.unpaired), 'notes': notes}


def _read_predictions(
    sequence: DatasetSequence, indices: list[int], options: argparse.Namespace, notes: list[str],
) -> PredictedFrames:
    """Open a sequence's predictions; note what is missing and what they were taken for."""
    names = [sequence.frames[i].name for i in indices]
    folder = options.prediction_folder / sequence.name
    predictions = PredictedFrames(folder, names, options.quantity)
    there = [k for k, name in enumerate(names) if name not in predictions.missing]
    if predictions.missing:
        check_unpaired(f'predictions of {sequence.name}', len(there), predictions.missing,
                       options.allow_unpaired / 100)
        notes.append(f'without a prediction: {listed(predictions.missing)}')
    some = [there[k] for k in np.unique(np.linspace(0, len(there) - 1, DECIDING).astype(int))]
    predictions.decide((k, sequence.depth(indices[k])) for k in some)
    if predictions.quantity != options.quantity:
        notes.append(f'the predictions were taken for {predictions.quantity}')
    return predictions


def _placed(
    disparity: np.ndarray, picture: tuple[int, int], truth: tuple[int, ...], cut: Cut, tae: bool,
    cropped: bool, released: bool, name: str,
) -> np.ndarray:
    """Crop a prediction to what the cropped truth shows; DatasetError where it is of no such shape.

    picture, truth: their sizes (height, width) before the protocol's crops.
    """
    shape = disparity.shape
    if tae and released:  # the truth's pixels, cut off the prediction at the picture's size
        return disparity[cut.truth(*shape)]
    if shape == truth and not (cropped and shape == picture):
        return disparity[cut.truth(*shape)]
    network = picture if cropped else np.empty(picture)[cut.picture(*picture)].shape
    if not cropped and shape == picture and cut.picture is not whole:
        return disparity[cut.picture(*shape)]
    if abs(shape[1] / shape[0] * network[0] / network[1] - 1) > MOST_OBLIQUE:
        raise DatasetError(
            f'the prediction of frame {name} is {shape[1]}x{shape[0]}, which does not belong to a '
            f'picture of {network[1]}x{network[0]}')
    if tae:
        resized = cv2.resize(disparity, truth[::-1], interpolation=cv2.INTER_LINEAR)
        return resized[cut.truth(*truth)]
    return disparity


def _steadiness(
    sequence: DatasetSequence, indices: list[int], frames: ProtocolFrames,
    released: ProtocolFrames, protocol: Protocol, cut: Cut, numbers: dict[str, float],
) -> dict[str, float]:
    """Return the temporal alignment error: with the crop's own camera, and as the code has it.

    The released code keeps the whole picture's intrinsics for the crop, cuts the same pixels off
    picture and truth though their sizes differ, and counts 0 where nothing is seen in common.
    """
    chosen = [sequence.frames[i] for i in indices]
    if any(frame.intrinsics is None for frame in chosen):
        raise DatasetError(f'{sequence.name} has no cameras: the TAE needs intrinsics and poses')
    nowhere = np.full((4, 4), np.nan)
    poses = np.array([nowhere if frame.pose is None else frame.pose for frame in chosen])
    intrinsics = np.array([frame.intrinsics for frame in chosen])
    own = intrinsics.copy()
    rows, columns = cut.truth(*sequence.depth(indices[0]).shape)
    own[:, 0, 2] -= columns.start or 0
    own[:, 1, 2] -= rows.start or 0
    fitted = protocol_scores(protocol, released)
    return {
        'tae_percent': alignment_error(
            frames, protocol, numbers['scale'], numbers['shift'], own, poses),
        'tae_percent_released': alignment_error(
            released, protocol, fitted['scale'], fitted['shift'], intrinsics, poses, nothing=0.0)}
