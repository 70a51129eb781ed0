"""Compare depth sequences with the truth: a table of accuracy, steadiness and sharpness.

docs/evaluation.md has the metrics and the file formats.
"""
import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
import json
from pathlib import Path
import sys
import tempfile

import numpy as np
from tqdm import tqdm

from ..engines import Engine, EngineError, open_engine
from ..files.depth_folder import METRES, SIDECAR, DepthFolder, DepthFolderError, inverse, read_array
from ..files.sources import natural_key
from ..models import CheckpointError, model_spec
from ..scoring import metrics
from ..scoring.sequences import (
    Cameras,
    FrameStore,
    Predictions,
    ScoringError,
    Truth,
    mean_scores,
    plot,
    score,
    table,
)
from ..weights.choice import resolve_weights
from .process_video import add_model_arguments, process, stream_depth, to_size
from .record_simulation import add_simulation_arguments

SIMULATED_FRAMES, LIVE_FRAMES = 30, 100  # without --max-frames


class TruthFolder:
    """A folder of depth images: 16-bit PNG, or .npy and .npz in metres; NaN and 0 have no truth."""

    def __init__(self, folder: Path, png_scale: float = 1000.0):
        self._paths = sorted(
            (path for path in folder.glob('*') if path.suffix in ('.png', '.npy', '.npz')),
            key=lambda path: natural_key(path.name))
        if not self._paths:
            raise DepthFolderError(f'{folder} holds no truth: no .png, .npy or .npz file')
        self._png_scale = png_scale

    def __len__(self) -> int:
        return len(self._paths)

    def depth(self, index: int) -> np.ndarray:
        """Return a frame's depth, (height, width), in metres, float64."""
        path = self._paths[index]
        values = read_array(path).astype(np.float64)
        return values / self._png_scale if path.suffix == '.png' else values


def read_cameras(path: Path, frames: int) -> Cameras:
    """Read intrinsics (frames, 3, 3) and poses (frames, 4, 4) from an .npz or .json file.

    Both have the keys `intrinsics`, (3, 3) or one for each frame, in pixels of the truth, and
    `poses`, camera to world in metres. Raises DepthFolderError.
    """
    try:
        if path.suffix == '.npz':
            with np.load(path, allow_pickle=False) as arrays:
                content = {name: arrays[name] for name in ('intrinsics', 'poses')}
        else:
            content = json.loads(path.read_text())
        intrinsics = np.asarray(content['intrinsics'], dtype=np.float64)
        poses = np.asarray(content['poses'], dtype=np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DepthFolderError(
            f"{path} cannot be read as cameras: it needs 'intrinsics' and 'poses' ({error!r})"
        ) from error
    if intrinsics.shape == (3, 3):
        intrinsics = np.broadcast_to(intrinsics, (len(poses), 3, 3))
    if (poses.ndim != 3 or poses.shape[1:] != (4, 4) or len(poses) < frames
            or intrinsics.shape != (len(poses), 3, 3)):
        raise DepthFolderError(
            f'{path} has intrinsics {intrinsics.shape} and poses {poses.shape}; {frames} frames '
            f'need intrinsics (3, 3) or ({frames}, 3, 3) and poses ({frames}, 4, 4)')
    return Cameras(intrinsics, poses)


@dataclass(frozen=True)
class Compared:
    """One sequence to be scored."""

    name: str
    predictions: Predictions
    truth: Truth
    cameras: Cameras | None = None


class Network:
    """A model that is opened for the first size it sees, and used for all sequences of that."""

    def __init__(self, options: argparse.Namespace):
        if options.window:
            raise EngineError('--window works on videos and images alone: leave it')
        self._options, self._spec = options, model_spec(options.model)
        self._file = resolve_weights(self._spec, options.weights)
        self._engine = None

    def depth(self, frames: Iterable[np.ndarray], store: FrameStore) -> None:
        """Put the inverse depth of RGB frames (h, w, 3) into a store, at their size."""
        options = self._options

        def opened(frame: np.ndarray) -> Engine:
            height, width = self._spec.frame.network_size(*frame.shape[:2], options.short_side)
            if self._engine is None:
                return open_engine(self._spec, str(self._file), options.backend, options.device,
                                   height=height, width=width)
            return self._engine.resized(height, width)

        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            return
        self._engine = opened(first)
        outputs = stream_depth(chain([first], frames), self._engine, options.short_side,
                               options.stateless)
        for output in tqdm(outputs, unit='frame', disable=None, total=options.max_frames):
            store.add(inverse(to_size(output, first.shape[:2]), self._spec.unit.value))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()


def simulated(options: argparse.Namespace, folder: Path) -> Iterator[Compared]:
    """Yield a model's depth of simulated sequences, one for each seed."""
    from ..simulation import Renderer
    from ..simulation.effects import NONE, USUAL
    from ..simulation.sequences import drive_through
    width, height = options.size
    network = Network(options)
    try:
        with Renderer(width, height) as renderer:
            camera = renderer.intrinsics
            matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
            for seed in options.seeds:
                truth, poses = FrameStore(folder / f'truth{seed}'), []
                predictions = FrameStore(folder / f'predictions{seed}')

                def pictures(seed=seed, truth=truth, poses=poses) -> Iterator[np.ndarray]:
                    for frame in drive_through(
                            renderer, seed, options.max_frames or SIMULATED_FRAMES,
                            kind=options.kind, effects=USUAL if options.effects else NONE):
                        truth.add(frame.depth)
                        poses.append(frame.pose)
                        yield frame.rgb
                network.depth(pictures(), predictions)
                yield Compared(f'{options.model}, seed {seed}', predictions, truth, Cameras(
                    np.broadcast_to(matrix, (len(poses), 3, 3)), np.array(poses)))
    finally:
        network.close()


def bagged(options: argparse.Namespace, folder: Path) -> Iterator[Compared]:
    """Yield the sequence of a bag: a model's depth of its images, or the depth that it holds."""
    from ..files.bags import read_together
    predictions, truth = FrameStore(folder / 'predictions'), FrameStore(folder / 'truth')
    path = Path(options.bag)
    topics = {'truth': options.truth_topic}
    topics |= {'depth': options.depth_topic} if options.model is None else {
        'rgb': options.image_topic}
    frames = islice(read_together(path, topics), options.max_frames)
    if options.model is None:
        for frame in frames:
            truth.add(frame['truth'])
            predictions.add(inverse(frame['depth'], METRES))
    else:
        def pictures() -> Iterator[np.ndarray]:
            for frame in frames:
                truth.add(frame['truth'])
                yield frame['rgb']
        network = Network(options)
        try:
            network.depth(pictures(), predictions)
        finally:
            network.close()
    if not len(truth):
        raise ScoringError(f'{path} holds no images of one stamp on {", ".join(topics.values())}')
    name = path.name if options.model is None else f'{options.model}, {path.name}'
    yield Compared(name, predictions, truth)


def live(options: argparse.Namespace, folder: Path) -> Iterator[Compared]:
    """Yield what running nodes publish."""
    from ..scoring.live import collect
    predictions, truth, engine = collect(
        folder, options.max_frames or LIVE_FRAMES, options.namespace, options.depth_topic,
        options.truth_topic, options.wait)
    yield Compared(engine or 'live', predictions, truth)


def stored(options: argparse.Namespace, folder: Path) -> Iterator[Compared]:
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
    frames = min(len(depth), options.max_frames or len(depth))
    cameras = None if options.cameras is None else read_cameras(options.cameras, frames)
    yield Compared(depth.about.get('model', '?'), depth, truth, cameras)


def seeds(text: str) -> list[int]:
    """Parse '7', '0:5' (0 to 4, as a slice) or '1,4,9'; argparse reports what is none of them."""
    if ':' in text:
        first, last = text.split(':')
        found = list(range(int(first or 0), int(last)))
    else:
        found = [int(part) for part in text.split(',')]
    if not found or min(found) < 0:
        raise ValueError
    return found


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='evaluate', description='Compare depth sequences with the truth: of files, of '
        'simulated scenes (--seeds), of a bag (--bag) or of running nodes (--live).')
    parser.add_argument('predictions', nargs='?',
                        help='a folder that process_video wrote; with --model, a video or images')
    parser.add_argument('truth', type=Path, nargs='?',
                        help='a folder of true depth, a file a frame')
    source = parser.add_argument_group('other sources').add_mutually_exclusive_group()
    source.add_argument('--seeds', type=seeds, metavar='SEEDS',
                        help='simulated scenes: 7, 0:5 (0 to 4) or 1,4,9; with --model')
    source.add_argument('--bag', metavar='PATH',
                        help='a rosbag2 (SQLite or MCAP) or ROS 1 bag; with --model its images '
                             'are used, without it the depth that it holds')
    source.add_argument('--live', action='store_true', help='what running nodes publish')
    parser.add_argument('--image-topic', default='image', metavar='TOPIC',
                        help='of the bag (default: image)')
    parser.add_argument('--depth-topic', default='depth/image', metavar='TOPIC',
                        help='default: depth/image')
    parser.add_argument('--truth-topic', default='truth/depth/image', metavar='TOPIC',
                        help='default: truth/depth/image')
    parser.add_argument('--namespace', default='', help='of the running nodes')
    parser.add_argument('--wait', type=float, default=60.0, metavar='SECONDS',
                        help='for a frame of the running nodes (default: 60)')
    add_simulation_arguments(parser)
    parser.add_argument('--stateless', action='store_true',
                        help='forget the state before every frame: what is the memory worth?')
    parser.add_argument('--align', default='scale-shift', choices=metrics.ALIGNMENTS,
                        help='of inverse depth (default: scale-shift)')
    parser.add_argument('--first-frame', action='store_true',
                        help='align on the first frame instead of on the sequence')
    parser.add_argument('--max-depth', type=float, default=80.0, metavar='METRES',
                        help='ignore farther truth, clip farther predictions (default: 80)')
    parser.add_argument('--truth-scale', type=float, default=1000.0, metavar='STEPS',
                        help="the truth PNG's steps per metre (default: 1000; KITTI 256)")
    parser.add_argument('--cameras', type=Path, metavar='FILE',
                        help='intrinsics and poses (.npz or .json), for the TAE')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the numbers there')
    parser.add_argument('--plot', type=Path, metavar='FILE',
                        help='also draw them through time (.png, .svg or .pdf)')
    add_model_arguments(parser, required=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(argv)
    other = options.seeds or options.bag or options.live
    if bool(other) == bool(options.predictions) or (not other and options.truth is None):
        parser.error('give predictions and truth, or one of --seeds, --bag and --live')
    if options.seeds and options.model is None:
        parser.error('--seeds needs --model')
    if options.live and options.model is not None:
        parser.error('--live takes the model that runs: leave --model')
    source = (simulated if options.seeds else bagged if options.bag
              else live if options.live else stored)
    align = options.align + (
        ' on the first frame' if options.first_frame and options.align != 'none' else '')
    names, all_scores, about = [], [], None
    try:
        with tempfile.TemporaryDirectory() as temporary:
            for each in source(options, Path(temporary)):
                names.append(each.name)
                all_scores.append(score(
                    each.predictions, each.truth, options.align, options.first_frame,
                    options.max_depth, each.cameras, options.max_frames))
                about = getattr(each.predictions, 'about', None)
        print(table(names, align, all_scores))
        if options.json is not None:
            mean = all_scores[0] if len(all_scores) == 1 else mean_scores(all_scores)
            sequences = [{'name': name, **scores.numbers()}
                         for name, scores in zip(names, all_scores, strict=True)]
            options.json.write_text(json.dumps({
                'align': align, 'max_depth': options.max_depth, 'model': options.model,
                **mean.numbers(), 'sequences': sequences, SIDECAR: about}, indent=1) + '\n')
        if options.plot is not None:
            model = options.model or names[0]
            plot(names, all_scores, options.plot, f'{model}, alignment {align}')
    # SourceError, DepthFolderError, ScoringError, BagError and FrameTooSmallError are ValueErrors;
    # ImportError: the simulation is not installed
    except (CheckpointError, EngineError, ImportError, ValueError, OSError) as error:
        print(f'evaluate: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
