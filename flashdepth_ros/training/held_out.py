"""How good a network is on recordings that it was not trained on, beside what needs no network.

A recording of a model whose unit is metric is brought to the truth by one scale, the median of the
ratios of all its pixels; of another model by one scale and shift. Numbers are those of
scoring/sequences.py, as `evaluate --align` gives them.
"""
from collections.abc import Sequence as Rows

import numpy as np
import torch
from torch import Tensor

from ..models.network import Network
from ..models.spec import ModelSpec
from ..scoring import metrics
from ..scoring import sequences as scoring
from ..scoring.sequences import Cameras, Scores, mean_scores
from .effects import normalise
from .mixture import Truth
from .outputs import alignment, as_disparity
from .recordings import DataError, Recording

BENDS = (0.0, 0.15, 0.3, 0.4, 0.5)  # rows, as parts of the height
RAMP_SLOPES = np.concatenate([-np.linspace(0.1, 0.9, 9), [0], np.geomspace(0.1, 300, 60)])


def pictures(recording: Recording, frames: int | None = None) -> Tensor:
    """Return the first frames as a network takes them, (T, 3, H, W)."""
    rgb = torch.from_numpy(np.array(recording.rgb[:frames]))
    return normalise(rgb.permute(0, 3, 1, 2).float() / 255)


@torch.no_grad()
def predict(
    network: Network, spec: ModelSpec, frames: Tensor, carried: bool = True,
) -> np.ndarray:
    """Run the network over frames (T, 3, H, W) -> inverse depth; carried: keep the state."""
    device = next(network.parameters()).device
    fresh = state = network.initial_state(1, *frames.shape[-2:])
    outputs = []
    for frame in frames:
        output, state = network.step(frame[None].to(device), state if carried else fresh)
        outputs.append(output[0].float().cpu())
    return as_disparity(torch.stack(outputs), spec)


class Frames:
    """Arrays (T, H, W) as the predictions (inverse depth) or the truth (depth) of scoring."""

    def __init__(self, values: np.ndarray):
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def disparity(self, index: int) -> np.ndarray:
        return self._values[index]

    depth = disparity


def true_depth(recording: Recording, truth: Truth, frames: int | None = None) -> np.ndarray:
    """Return the depth of the first frames that counts, (T, H, W) float64, 0: none."""
    depth = np.array(recording.depth[:frames], dtype=np.float32)
    return np.where(truth.mask(depth), depth, 0).astype(np.float64)


def score(
    disparity: np.ndarray, recording: Recording, truth: Truth, align: str = 'median',
) -> Scores:
    """Compare inverse depth (T, H, W) of any unit with the first T true frames."""
    frames = len(disparity)
    cameras = None
    if recording.poses is not None and recording.intrinsics is not None:
        cameras = Cameras(np.broadcast_to(recording.intrinsics, (frames, 3, 3)),
                          recording.poses[:frames].astype(np.float64))
    middle = np.median(disparity)
    return scoring.score(
        Frames(disparity / (middle if middle > 0 else 1.0)),
        Frames(true_depth(recording, truth, frames)), align, cameras=cameras,
        max_depth=truth.farthest)


def evaluate_held_out(
    network: Network, spec: ModelSpec, recordings: Rows[Recording], truth: Truth,
    frames: int | None = None, carried: bool = True,
) -> Scores:
    """Return the mean scores over the first frames of recordings."""
    rows = []
    for recording in recordings:
        disparity = predict(network, spec, pictures(recording, frames), carried)
        try:
            rows.append(score(disparity, recording, truth, alignment(spec)))
        except scoring.ScoringError as error:
            raise DataError(f'{recording.name}: {error}') from error
    return mean_scores(rows)


def best_ramp(depth: np.ndarray, starts: tuple[float, ...] = (0.0,)) -> np.ndarray:
    """Inverse depth that grows linearly down the image, the best for this depth's delta 1.

    It is chosen with the truth (T, H, W): a network that does not beat it has seen little more than
    'below is near'. starts: rows, as parts of the height, down to which it may be constant: a far
    wall above a floor, which is much harder to beat.
    """
    mask = metrics.truth_mask(depth)
    height = depth.shape[1]
    y = np.linspace(0, 1, height)
    best, best_delta = None, -1.0
    for start in starts:
        for slope in RAMP_SLOPES:
            ramp = np.maximum(1 + slope * np.maximum(y - start, 0), 1e-3)[None, :, None]
            ratio = (depth * ramp)[mask]
            ratio = ratio / np.median(ratio)
            delta = np.mean(np.maximum(ratio, 1 / ratio) < 1.25)
            if delta > best_delta:
                best, best_delta = ramp, delta
    return np.broadcast_to(best, depth.shape)


def evaluate_ramps(
    recordings: Rows[Recording], truth: Truth, frames: int | None = None,
) -> Scores:
    """Return the mean scores of the best ramp of each recording, bent at some row."""
    return mean_scores([
        score(best_ramp(true_depth(each, truth, frames), BENDS), each, truth)
        for each in recordings])
