"""How good a network is on sequences that it was not trained on, beside what needs no network.

Every sequence is brought to the truth by one scale, the median of the ratios of all its pixels.
Numbers are those of scoring.py, as `evaluate --align median` gives them.
"""
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..scoring import metrics
from ..scoring import sequences as scoring
from ..scoring.sequences import Cameras, Scores, mean_scores
from ..simulation.effects import USUAL, disturb
from .batches import resize_clip
from .effects import normalise
from .shards import Clip, Shards

BENDS = (0.0, 0.15, 0.3, 0.4, 0.5)  # rows, as parts of the height
RAMP_SLOPES = np.concatenate([-np.linspace(0.1, 0.9, 9), [0], np.geomspace(0.1, 300, 60)])


@dataclass(frozen=True)
class Sequence:
    """One sequence at the network's size.

    rgb (T, 3, H, W) in 0..1; truth (T, H, W) in metres; intrinsics of that size; poses (T, 4, 4).
    """

    rgb: torch.Tensor
    truth: np.ndarray
    intrinsics: np.ndarray
    poses: np.ndarray


def read_sequence(clip: Clip, height: int, width: int, effects: bool = False) -> Sequence:
    """Shrink a stored clip to the network's size; effects: the simulated camera's usual ones."""
    rgb, truth = resize_clip(clip.rgb, clip.depth, height, width)
    if effects:
        rgb = np.stack([disturb(frame, int(clip.seeds), index, USUAL, 1 / float(clip.interval))
                        for index, frame in enumerate(rgb)])
    image = torch.from_numpy(rgb.copy()).permute(0, 3, 1, 2).float() / 255
    intrinsics = clip.intrinsics.astype(np.float64)
    for row, factor in ((0, width / clip.rgb.shape[2]), (1, height / clip.rgb.shape[1])):
        intrinsics[row, row] *= factor
        intrinsics[row, 2] = (intrinsics[row, 2] + 0.5) * factor - 0.5
    return Sequence(image, truth.astype(np.float64), intrinsics, clip.poses.astype(np.float64))


@torch.no_grad()
def predict(network: nn.Module, rgb: torch.Tensor, carried: bool = True) -> np.ndarray:
    """Run the network over (T, 3, H, W) in 0..1 -> 100/m (T, H, W); carried: keep the state."""
    height, width = rgb.shape[-2:]
    fresh = state = network.initial_state(1, height, width)
    outputs = []
    for frame in normalise(rgb):
        output, state = network.step(frame[None], state if carried else fresh)
        outputs.append(output[0].float().numpy())
    return np.stack(outputs)


class Frames:
    """Arrays (T, H, W) as the predictions (inverse depth) or the truth (depth) of scoring.py."""

    def __init__(self, values: np.ndarray):
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def disparity(self, index: int) -> np.ndarray:
        return self._values[index]

    depth = disparity


def score(disparity: np.ndarray, sequence: Sequence) -> Scores:
    """Compare inverse depth of any unit (T, H, W) with the truth, after one scale."""
    frames = len(disparity)
    return scoring.score(
        Frames(disparity / np.median(disparity)), Frames(sequence.truth), 'median',
        cameras=Cameras(np.broadcast_to(sequence.intrinsics, (frames, 3, 3)), sequence.poses))


def best_ramp(sequence: Sequence, starts: tuple[float, ...] = (0.0,)) -> np.ndarray:
    """Inverse depth that grows linearly down the image, the best for this sequence's delta 1.

    It is chosen with the truth: a network that does not beat it has seen little more than 'below
    is near'. starts: rows, as parts of the height, down to which it may be constant: a far wall
    above a floor, which is much harder to beat.
    """
    truth = sequence.truth
    mask = metrics.truth_mask(truth)
    height = truth.shape[1]
    y = np.linspace(0, 1, height)
    best, best_delta = None, -1.0
    for start in starts:
        for slope in RAMP_SLOPES:
            ramp = np.maximum(1 + slope * np.maximum(y - start, 0), 1e-3)[None, :, None]
            ratio = (truth * ramp)[mask]
            ratio = ratio / np.median(ratio)
            delta = np.mean(np.maximum(ratio, 1 / ratio) < 1.25)
            if delta > best_delta:
                best, best_delta = ramp, delta
    return np.broadcast_to(best, truth.shape)


def median_image(shards: Shards, height: int, width: int, clips: int = 500) -> np.ndarray:
    """Median inverse depth of each pixel over training clips, each at its own scale, (H, W)."""
    images = []
    for index in np.linspace(0, len(shards) - 1, min(clips, len(shards))).astype(int):
        rgb, depth = shards.frames(int(index), 0, 1)
        depth = resize_clip(rgb, depth, height, width)[1][0]
        disparity = np.where(depth > 0, 1 / np.maximum(depth, 1e-3), np.nan)
        images.append(disparity / np.nanmedian(disparity))
    return np.nanmedian(images, axis=0)


def evaluate_held_out(
    network: nn.Module, shards: Shards, height: int, width: int, effects: bool = False,
    sequences: int | None = None, frames: int | None = None, with_reset: bool = True,
) -> dict[str, Scores]:
    """Return the mean scores of 'carried' and, if asked, 'reset' (the state, at every frame)."""
    rows: dict[str, list[Scores]] = {'carried': []} | ({'reset': []} if with_reset else {})
    for index in range(min(sequences or len(shards), len(shards))):
        sequence = read_sequence(shards[index], height, width, effects)
        if frames:
            sequence = Sequence(sequence.rgb[:frames], sequence.truth[:frames],
                                sequence.intrinsics, sequence.poses[:frames])
        for name, scores in rows.items():
            scores.append(score(predict(network, sequence.rgb, name == 'carried'), sequence))
    return {name: mean_scores(scores) for name, scores in rows.items()}


def evaluate_baselines(
    shards: Shards, height: int, width: int, training: Shards | None = None,
) -> dict[str, Scores]:
    """Return the mean scores of 'ramp', 'bent ramp' and, with training clips, their 'median'."""
    rows: dict[str, list[Scores]] = {'ramp': [], 'bent ramp': []}
    if training is not None:
        image, rows['median'] = median_image(training, height, width), []
    for index in range(len(shards)):
        sequence = read_sequence(shards[index], height, width)
        rows['ramp'].append(score(best_ramp(sequence), sequence))
        rows['bent ramp'].append(score(best_ramp(sequence, BENDS), sequence))
        if training is not None:
            rows['median'].append(score(np.broadcast_to(image, sequence.truth.shape), sequence))
    return {name: mean_scores(scores) for name, scores in rows.items()}
