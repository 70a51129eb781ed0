"""Compare a depth sequence with the truth: a table of accuracy, steadiness and sharpness.

docs/evaluation.md has the metrics and the file formats.
"""
import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
import math
from pathlib import Path
import sys
import tempfile

import cv2
import numpy as np

from .. import metrics
from ..depth_files import SIDECAR, DepthFolder, DepthFolderError, read_array
from ..engines import EngineError
from ..frames import natural_key
from ..models import CheckpointError
from .process_video import add_model_arguments, process


class Truth:
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
        """Return a frame's depth in metres, float64 (height, width)."""
        path = self._paths[index]
        values = read_array(path).astype(np.float64)
        return values / self._png_scale if path.suffix == '.png' else values


def read_cameras(path: Path, frames: int) -> tuple[np.ndarray, np.ndarray]:
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
    return intrinsics, poses


@dataclass(frozen=True)
class Scores:
    """What is reported; NaN where it could not be computed."""

    frames: int
    coverage: float         # share of the pixels with truth that have a prediction
    scale: float
    shift: float
    abs_rel: float
    delta1: float
    boundary_f1: float
    change_error: float
    tae_percent: float


def evaluate(
    predictions: DepthFolder, truth: Truth, alignment: metrics.Alignment = 'scale-shift',
    first_frame: bool = False, max_depth: float = 80.0,
    cameras: Path | None = None, max_frames: int | None = None,
) -> Scores:
    """Compare frame by frame; two passes over the files, so that a sequence may have any length.

    first_frame: align on the first frame that has truth instead of on all. Raises DepthFolderError.
    """
    frames = min(len(predictions), max_frames or len(predictions))
    if not frames or frames != min(len(truth), max_frames or len(truth)):
        raise DepthFolderError(
            f'there are {len(predictions)} predicted and {len(truth)} true frames: they must '
            f'belong together one by one (--max-frames N compares the first N)')
    intrinsics, poses = (None, None) if cameras is None else read_cameras(cameras, frames)

    def read(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a frame's inverse depth, its truth in metres, and where to compare them."""
        depth = truth.depth(index)
        disparity = predictions.disparity(index)
        if disparity.shape != depth.shape:  # as VDA's benchmark does
            disparity = cv2.resize(disparity, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return disparity, depth, metrics.truth_mask(depth, max_depth=max_depth)

    fit = metrics.DisparityFit()
    known = predicted = 0
    largest = 0.0
    for index in range(frames):
        disparity, depth, mask = read(index)
        if fit.empty or not first_frame:
            fit.add(disparity, depth, mask)
        known += int(np.count_nonzero(mask))
        predicted += int(np.count_nonzero(mask & np.isfinite(disparity)))
        if mask.any():
            largest = max(largest, float(1 / depth[mask].min()))
    if fit.empty:
        raise DepthFolderError(
            f'no pixel has both a prediction and a truth between 0 and {max_depth:g} m')
    scale, shift = fit.solve(alignment)

    rows: dict[str, list[float]] = {
        name: [] for name in ('abs_rel', 'delta1', 'boundary_f1', 'change_error', 'tae')}
    before = None
    for index in range(frames):
        disparity, depth, mask = read(index)
        aligned = metrics.aligned_depth(disparity, scale, shift, max_depth)
        rows['abs_rel'].append(metrics.abs_rel(aligned, depth, mask))
        rows['delta1'].append(metrics.delta(aligned, depth, mask))
        seen = (depth > 0) & np.isfinite(depth) & np.isfinite(aligned)
        rows['boundary_f1'].append(metrics.boundary_f1(
            aligned, np.minimum(depth, max_depth), seen) if seen.any() else math.nan)
        with np.errstate(divide='ignore', invalid='ignore'):
            now = aligned, 1 / aligned / largest, 1 / depth / largest, mask
        if before is not None:
            rows['change_error'].append(metrics.change_error(
                before[1], now[1], before[2], now[2], before[3] & now[3]))
            if intrinsics is not None and poses is not None:
                rows['tae'].append(100 * metrics.pair_alignment_error(
                    before[0], now[0], intrinsics[index - 1], poses[index - 1], poses[index]))
        before = now
    means = {name: metrics.mean(values) for name, values in rows.items()}
    tae = means.pop('tae')
    return Scores(frames=frames, coverage=predicted / known, scale=scale, shift=shift, **means,
                  tae_percent=tae)


def table(name: str, alignment: str, scores: Scores) -> str:
    """Return the scores as a Markdown table of one row."""
    columns = {
        'model': name, 'alignment': alignment, 'frames': str(scores.frames),
        'AbsRel ↓': f'{scores.abs_rel:.4f}', 'δ1 ↑': f'{scores.delta1:.4f}',
        'boundary F1 ↑': f'{scores.boundary_f1:.4f}',
        'change error ↓': f'{scores.change_error:.5f}', 'TAE % ↓': f'{scores.tae_percent:.3f}',
        'coverage': f'{scores.coverage:.4f}'}
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in (
        columns, ['---'] * len(columns),
        ['-' if cell == 'nan' else cell for cell in columns.values()]))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='evaluate', description='Compare a depth sequence with the truth.')
    parser.add_argument('predictions',
                        help='a folder that process_video wrote; with --model, a video or images')
    parser.add_argument('truth', type=Path, help='a folder of true depth, a file a frame')
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
    add_model_arguments(parser, required=False)
    options = parser.parse_args(argv)
    try:
        truth = Truth(options.truth, options.truth_scale)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(options.predictions)
            if options.model is not None:
                source, folder = options.predictions, Path(temporary)
                process(source, folder, options.model, options.weights, options.backend,
                        options.device, options.short_side, options.max_frames, options.window,
                        file_format='npz', preview=False)
            predictions = DepthFolder(folder)
            scores = evaluate(predictions, truth, options.align, options.first_frame,
                              options.max_depth, options.cameras, options.max_frames)
        align = options.align + (
            ' on the first frame' if options.first_frame and options.align != 'none' else '')
        print(table(predictions.about.get('model', '?'), align, scores))
        if options.json is not None:
            numbers = {key: None if math.isnan(value) else value
                       for key, value in asdict(scores).items()}
            options.json.write_text(json.dumps({
                'align': align, 'max_depth': options.max_depth, **numbers,
                SIDECAR: predictions.about}, indent=1) + '\n')
    # SourceError, DepthFolderError and FrameTooSmallError are ValueErrors
    except (CheckpointError, EngineError, ValueError, OSError) as error:
        print(f'evaluate: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
