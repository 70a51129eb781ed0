"""Where evaluate takes its sequences from: simulated scenes, bags, running nodes, and files."""
import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from ..datasets.pairing import match_frames
from ..datasets.sequence import listed
from ..engines import Engine, EngineError, open_engine
from ..files.depth_folder import DepthFolder, inverse_depth, inverse_of_metres
from ..models import model_spec
from ..scoring.sequences import Cameras, FrameStore, Predictions, ScoringError, Truth
from ..scoring.truth_folder import TruthFolder, read_cameras
from ..streams.depth_stream import DepthStream
from ..weights.choice import resolve_weights
from .process_video import open_window_model, process, window_depth

if TYPE_CHECKING:
    from ..simulation import Renderer  # needs MuJoCo

SIMULATED_FRAMES, LIVE_FRAMES = 30, 100  # without --max-frames


@dataclass(frozen=True)
class ComparedSequence:
    """One sequence to be scored."""

    name: str
    predictions: Predictions
    truth: Truth
    cameras: Cameras | None = None


class Chosen:
    """Some frames of predictions or of truth, in another order."""

    def __init__(self, frames: Any, indices: list[int]):
        self._frames, self._indices = frames, indices
        self.about = getattr(frames, 'about', None)

    def __len__(self) -> int:
        return len(self._indices)

    def disparity(self, index: int) -> np.ndarray:
        return self._frames.disparity(self._indices[index])

    def depth(self, index: int) -> np.ndarray:
        return self._frames.depth(self._indices[index])


class StreamingModel:
    """The model that the options name; it is opened for the size of the first frame."""

    def __init__(self, options: argparse.Namespace):
        if options.window:
            raise EngineError('--window works on videos and images alone: leave it')
        self._options, self._spec = options, model_spec(options.model)
        self.stateless = options.stateless
        self.file = resolve_weights(self._spec, options.weights)
        self._engine: Engine | None = None
        self._stream: DepthStream | None = None

    def _open(self, height: int, width: int) -> DepthStream:
        options = self._options
        height, width = self._spec.frame.network_size(height, width, options.short_side)
        self._engine = open_engine(self._spec, str(self.file), options.backend, options.device,
                                   height=height, width=width)
        return DepthStream(self._engine, options.short_side)

    def restart(self) -> None:
        """Begin another sequence."""
        if self._stream is not None:
            self._stream.reset()

    def step(self, rgb: np.ndarray) -> tuple[DepthStream, torch.Tensor, tuple[int, int]]:
        """Return the stream, the network's output and the frame's size of an RGB frame (h, w, 3).

        The state is carried on from the frame before or, with --stateless, forgotten.
        """
        height, width = rgb.shape[:2]
        if self._stream is None:
            self._stream = self._open(height, width)
        if self.stateless:
            self._stream.forget_network()
        return self._stream, self._stream.step(self._stream.prepare(rgb)), (height, width)

    def outputs(
        self, frames: Iterable[np.ndarray],
    ) -> Iterator[tuple[DepthStream, torch.Tensor, tuple[int, int]]]:
        """Yield what `step` returns of a sequence of frames."""
        self.restart()
        for rgb in tqdm(frames, unit='frame', disable=None, total=self._options.max_frames):
            yield self.step(rgb)

    def disparity(
        self, stream: DepthStream, output: torch.Tensor, size: tuple[int, int],
    ) -> np.ndarray:
        """Return the inverse depth (height, width) of an output."""
        return inverse_depth(
            stream.resample(stream.read(output, size), *size), self._spec.unit)

    def predict(self, frames: Iterable[np.ndarray], store: FrameStore) -> None:
        """Put the inverse depth of a sequence of RGB frames into a store, at their size."""
        for stream, output, size in self.outputs(frames):
            store.add(self.disparity(stream, output, size))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


class WindowedModel:
    """A vda model of the options in its window mode: it sees frames ahead."""

    def __init__(self, options: argparse.Namespace):
        if not options.model.startswith('vda-'):
            raise EngineError(f'{options.model} has no window mode, only the vda models have')
        self._options = options
        self.file = resolve_weights(model_spec(options.model), options.weights)
        self._network, self._device = open_window_model(options.model, self.file, options.device)

    def predict(self, frames: Iterable[np.ndarray], store: FrameStore) -> None:
        """Put the inverse depth of a sequence of RGB frames (h, w, 3) into a store."""
        frames = iter(frames)
        first = next(frames)
        for output in tqdm(window_depth(
                chain([first], frames), self._network, self._device, first.shape[:2],
                self._options.short_side), unit='frame', disable=None):
            store.add(inverse_depth(output.numpy(), self._network.spec.unit))

    def close(self) -> None:
        pass


def of_simulation(options: argparse.Namespace, folder: Path) -> Iterator[ComparedSequence]:
    """Yield a model's depth of simulated sequences, one for each seed."""
    from ..simulation import Renderer
    width, height = options.size
    model = StreamingModel(options)
    try:
        with Renderer(width, height, options.hfov) as renderer:
            for seed in options.seeds:
                truth = FrameStore(folder / f'truth{seed}')
                poses: list[np.ndarray] = []
                predictions = FrameStore(folder / f'predictions{seed}')
                model.predict(
                    simulated_pictures(renderer, options, seed, truth, poses), predictions)
                matrices = np.broadcast_to(renderer.intrinsics.matrix, (len(poses), 3, 3))
                yield ComparedSequence(f'{options.model}, seed {seed}', predictions, truth,
                                       Cameras(matrices, np.array(poses)))
    finally:
        model.close()


def simulated_pictures(
    renderer: 'Renderer', options: argparse.Namespace, seed: int, truth: FrameStore,
    poses: list[np.ndarray],
) -> Iterator[np.ndarray]:
    """Yield the pictures of a simulated scene; keep their true depths and poses."""
    from ..simulation.effects import NONE, USUAL
    from ..simulation.sequences import drive_through
    for frame in drive_through(
            renderer, seed, options.max_frames or SIMULATED_FRAMES, kind=options.kind,
            effects=USUAL if options.effects else NONE, materials=options.materials):
        truth.add(frame.depth)
        poses.append(frame.pose)
        yield frame.rgb


def of_bag(options: argparse.Namespace, folder: Path) -> Iterator[ComparedSequence]:
    """Yield the sequence of a bag: a model's depth of its images, or the depth that it holds."""
    from ..files.bag_pairs import PairedImages
    predictions, truth = FrameStore(folder / 'predictions'), FrameStore(folder / 'truth')
    path = Path(options.bag)
    topics = {'truth': options.truth_topic}
    topics |= {'depth': options.depth_topic} if options.model is None else {
        'rgb': options.image_topic}
    pairs = PairedImages(path, topics, options.tolerance)
    frames = islice(pairs, options.max_frames)
    if options.model is None:
        for frame in frames:
            truth.add(frame['truth'])
            predictions.add(inverse_of_metres(frame['depth']))
    else:
        def pictures() -> Iterator[np.ndarray]:
            for frame in frames:
                truth.add(frame['truth'])
                yield frame['rgb']
        model = StreamingModel(options)
        try:
            model.predict(pictures(), predictions)
        finally:
            model.close()
    if not len(truth):
        raise ScoringError(f'{path} holds no images on {" and ".join(topics.values())} whose '
                           f'stamps are within {options.tolerance} s: see --tolerance')
    for text in (pairs.about(), *pairs.losses):
        print(f'evaluate: {text}', file=sys.stderr)
    name = path.name if options.model is None else f'{options.model}, {path.name}'
    yield ComparedSequence(name, predictions, truth)


def of_running_nodes(options: argparse.Namespace, folder: Path) -> Iterator[ComparedSequence]:
    """Yield what running nodes publish."""
    from ..scoring.live import collect
    predictions, truth, engine = collect(
        folder, options.max_frames or LIVE_FRAMES, options.namespace, options.depth_topic,
        options.truth_topic, options.wait)
    yield ComparedSequence(engine or 'live', predictions, truth)


def of_files(options: argparse.Namespace, folder: Path) -> Iterator[ComparedSequence]:
    """Yield a folder of depth, or a model's depth of a video or of images, beside its truth."""
    truth = TruthFolder(options.truth, options.truth_scale)
    predictions = Path(options.predictions)
    if options.model is not None:
        if options.stateless:
            raise EngineError('--stateless works with --seeds and --bag: leave it')
        process(options.predictions, folder / 'depth', options.model, options.weights,
                options.backend, options.device, options.short_side, options.max_frames,
                options.window, file_format='npz', preview=False)
        predictions = folder / 'depth'
    depth = DepthFolder(predictions)
    pairs, unpaired = match_frames(
        depth.names, len(depth), truth.names, options.allow_unpaired / 100, options.max_frames)
    if unpaired:
        print(f'evaluate: left out, without a partner: {listed(unpaired)}', file=sys.stderr)
    true = [j for _, j in pairs]
    cameras = None
    if options.cameras is not None:
        cameras = read_cameras(options.cameras, max(true) + 1)
        cameras = Cameras(cameras.intrinsics[true], cameras.poses[true])
    yield ComparedSequence(depth.about.get('model', '?'), Chosen(depth, [i for i, _ in pairs]),
                           Chosen(truth, true), cameras)
