"""Batches that are a function of the seed, the step and the process alone, so that runs resume."""
import cv2
import numpy as np
import torch
from torch import Tensor

from .effects import Strength, apply_effects, normalise
from .shards import Shards


def resize_clip(
    rgb: np.ndarray, depth: np.ndarray, height: int, width: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Shrink frames (T, H, W, 3) by area and depth (T, H, W) by the nearest pixel."""
    if rgb.shape[1:3] == (height, width):
        return rgb, depth.astype(np.float32)
    size = (width, height)
    return (
        np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in rgb]),
        np.stack([cv2.resize(frame.astype(np.float32), size,
                             interpolation=cv2.INTER_NEAREST_EXACT) for frame in depth]))


def make_batch(
    shards: Shards, clips: int, frames: int, size: tuple[int, int], strength: Strength,
    seed: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """Draw clips -> normalised frames (clips, frames, 3, H, W) and depth in metres (clips, ...).

    Clips are drawn with replacement, start anywhere, may be mirrored or (where that makes sense,
    from two frames on) run backwards. More frames than a stored clip has run there and back.
    """
    rng = np.random.default_rng(seed)
    available = shards.clip_shape[0]
    images, depths = [], []
    for index in rng.integers(len(shards), size=clips):
        if frames <= available:
            start = int(rng.integers(available - frames + 1))
            rgb, depth = shards.frames(int(index), start, start + frames)
        else:
            period = max(2 * available - 2, 1)  # one frame is a camera that stands still
            way = np.abs((rng.integers(period) + np.arange(frames)) % period - (available - 1))
            rgb, depth = (part[way] for part in shards.frames(int(index), 0, available))
        rgb, depth = resize_clip(rgb, depth, *size)
        if rng.random() < 0.5:
            rgb, depth = rgb[:, :, ::-1], depth[:, :, ::-1]
        if frames > 1 and rng.random() < 0.5:
            rgb, depth = rgb[::-1], depth[::-1]
        image = torch.from_numpy(rgb.copy()).permute(0, 3, 1, 2).float() / 255
        images.append(apply_effects(image, rng, strength))
        depths.append(torch.from_numpy(np.ascontiguousarray(depth)))
    return normalise(torch.stack(images)), torch.stack(depths)
