"""Batches from recordings: a function of the seed, the step and the clip's number alone.

So runs resume exactly, and clips are the same however they are shared by processes.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..images.cloud_filters import flying_pixels
from .effects import Strength, apply_effects, normalise
from .recordings import DataError, Recording

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Truth:
    """Which true depth counts.

    nearest, farthest: the reference sensor's range in metres. flying: keep pixels that hang between
    a foreground and what lies behind it, where a reference sensor mixes both.
    """

    nearest: float = 0.1
    farthest: float = 80.0
    flying: bool = False

    def mask(self, depth: np.ndarray) -> np.ndarray:
        """Return where the depth (T, H, W) in metres counts, 0 being none."""
        mask = (depth >= self.nearest) & (depth <= self.farthest)
        if not self.flying:
            frames = np.where(mask, depth, np.nan).astype(np.float32)
            mask &= ~np.stack([flying_pixels(frame, radius=1) for frame in frames])
        return mask


@dataclass(frozen=True)
class Batch:
    """Clips for a network: frames (N, T, 3, H, W) normalised, depth (N, T, H, W) in metres.

    mask: where the depth counts. forget: (N, T, slots) of a ring, bool, or None.
    """

    frames: Tensor
    depth: Tensor
    mask: Tensor
    forget: Tensor | None = None

    def to(self, device: torch.device) -> 'Batch':
        return Batch(*(None if each is None else each.to(device) for each in (
            self.frames, self.depth, self.mask, self.forget)))


def split(
    recordings: Sequence[Recording], share: float, seed: int,
) -> tuple[list[Recording], list[Recording]]:
    """Hold a share of the recordings out, at least one: whole ones, for frames are neighbours.

    Raises DataError for a single recording.
    """
    if len(recordings) < 2:
        raise DataError(
            'there is one recording only, and frames of one drive are too alike to be held out of '
            'training: give a second drive with --held-out, or record the drive in two parts')
    order = np.random.default_rng(seed).permutation(len(recordings))
    count = min(max(round(share * len(recordings)), 1), len(recordings) - 1)
    out = {int(index) for index in order[:count]}
    return ([each for i, each in enumerate(recordings) if i not in out],
            [each for i, each in enumerate(recordings) if i in out])


def crop_box(size: Size, target: Size, smallest: float, rng: np.random.Generator) -> tuple[
        int, int, int, int]:
    """Draw a box (top, left, height, width) of the target's shape in a frame.

    smallest: how much of the largest such box it has at least, along a side.
    """
    height, width = size
    share = min(height / target[0], width / target[1]) * float(rng.uniform(smallest, 1))
    h, w = (max(round(share * side), 1) for side in target)
    return (int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w)


class Mixture:
    """Clips drawn from weighted sources.

    sources: (weight, recordings); a source's recordings are drawn by how long they are. size: of
    the clips. crop: the smallest share of a side that a crop keeps, 1 for none. slots, forget: of a
    ring, and the share of them that is forgotten at a frame.
    """

    def __init__(
        self, sources: Sequence[tuple[float, Sequence[Recording]]], size: Size, strength: Strength,
        truth: Truth, seed: int, crop: float = 1.0, slots: int = 0, forget: float = 0.0,
    ):
        weights = [weight * np.array([len(each) for each in recordings], dtype=float)
                   / sum(len(each) for each in recordings) for weight, recordings in sources]
        self.recordings = [each for _, recordings in sources for each in recordings]
        odds = np.concatenate(weights)
        self._odds = np.cumsum(odds / odds.sum())
        self._size, self._strength, self._truth, self._seed = size, strength, truth, seed
        self._crop, self._slots, self._forget = crop, slots, forget

    def check(self, frames: int) -> None:
        """Raise DataError where clips of several frames are asked for that do not follow."""
        apart = [each.name for each in self.recordings if not each.rate]
        if frames > 1 and apart:
            raise DataError(
                f'clips of {frames} frames are asked for, and the frames of {apart[0]} do not '
                f'follow each other: ask for one, or render others with make_scenes --interval')

    def batch(self, step: int, first: int, count: int, frames: int) -> Batch:
        """Return clips `first` to `first + count` of a step, of so many frames each."""
        clips = [self._clip(np.random.default_rng((self._seed, step, number)), frames)
                 for number in range(first, first + count)]
        rgb, depth, mask, forget = zip(*clips, strict=True)
        return Batch(normalise(torch.stack(rgb)), torch.stack(depth), torch.stack(mask),
                     torch.stack(forget) if self._forget and self._slots else None)

    def _clip(self, rng: np.random.Generator, frames: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        recording = self.recordings[int(np.searchsorted(self._odds, rng.random(), side='right'))]
        rgb, depth = self._frames(recording, rng, frames)
        mask = self._truth.mask(depth)
        top, left, height, width = crop_box(recording.size, self._size, self._crop, rng)
        box = slice(None), slice(top, top + height), slice(left, left + width)
        rgb, depth, mask = rgb[box], depth[box], mask[box]
        if (height, width) != self._size:
            rgb, depth, mask = (
                _resize(rgb, self._size, cv2.INTER_LINEAR),
                *(_resize(each, self._size, cv2.INTER_NEAREST_EXACT)
                  for each in (depth, mask.astype(np.uint8))))
        if rng.random() < 0.5:
            rgb, depth, mask = rgb[:, :, ::-1], depth[:, :, ::-1], mask[:, :, ::-1]
        if frames > 1 and rng.random() < 0.5:
            rgb, depth, mask = rgb[::-1], depth[::-1], mask[::-1]
        image = torch.from_numpy(rgb.copy()).permute(0, 3, 1, 2).float() / 255
        image = apply_effects(image, rng, self._strength)
        forget = torch.from_numpy(rng.random((frames, self._slots)) < self._forget)
        return (image, torch.from_numpy(depth.copy()), torch.from_numpy(mask.astype(bool).copy()),
                forget)

    @staticmethod
    def _frames(
        recording: Recording, rng: np.random.Generator, frames: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take frames from anywhere; more than there are run there and back."""
        available = len(recording)
        if frames <= available:
            start = int(rng.integers(available - frames + 1))
            which: slice | np.ndarray = slice(start, start + frames)
        else:
            period = max(2 * available - 2, 1)  # one frame is a camera that stands still
            which = np.abs((rng.integers(period) + np.arange(frames)) % period - (available - 1))
        return np.asarray(recording.rgb[which]), recording.depth[which].astype(np.float32)


def _resize(frames: np.ndarray, size: Size, how: int) -> np.ndarray:
    return np.stack([cv2.resize(frame, size[::-1], interpolation=how) for frame in frames])
