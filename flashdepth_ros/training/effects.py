"""What happens to images between the scene and the network: changes of colour, flicker, occlusion.

Colours change for a whole clip, as do the effects of the simulated camera, which come in any
strength. Flicker and occlusion hit single frames, so that a network that remembers the
frames before has something to win. All draw from one NumPy generator.
"""
from dataclasses import astuple, dataclass

import numpy as np
import torch
from torch import Tensor
import torch.nn.functional as F

from ..models.preprocess import MEAN, STD


@dataclass(frozen=True)
class Strength:
    """How often the effects come: in what share of clips (colours, camera) or of frames."""

    colours: float = 0.8
    camera: float = 0.5
    flicker: float = 0.15
    occlusion: float = 0.1

    def scaled(self, factor: float) -> 'Strength':
        return Strength(*(factor * share for share in astuple(self)))


SINGLE = Strength()
SEQUENCE = Strength(flicker=0.4, occlusion=0.3)


def change_colours(rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Gain, offset, gamma, tint, saturation and mixed-up channels of one clip (T, 3, H, W)."""
    grey = rgb.mean(dim=1, keepdim=True)
    rgb = grey + (rgb - grey) * float(rng.uniform(0.2, 1.6))
    if rng.random() < 0.3:
        rgb = rgb[:, torch.from_numpy(rng.permutation(3))]
    tint = torch.from_numpy(rng.uniform(0.85, 1.15, 3).astype(np.float32))[:, None, None]
    rgb = (rgb * tint).clamp(0, 1) ** float(np.exp(rng.normal(0, 0.25)))
    middle = float(rgb.mean())
    contrast, gain = float(rng.uniform(0.6, 1.3)), float(np.exp(rng.normal(0, 0.2)))
    return (middle + (rgb - middle) * contrast) * gain


def simulated_camera(rgb: Tensor, rng: np.random.Generator, rate: float = 10.0) -> Tensor:
    """One clip (T, 3, H, W) in 0..1 through the simulated camera, from a moment of a long drive."""
    from ..simulation.effects import USUAL, Effects, disturb  # needs MuJoCo
    strengths = Effects(*(float(rng.uniform(0, 2)) * usual for usual in astuple(USUAL)))
    seed, begin = int(rng.integers(2 ** 31)), int(rng.integers(1000))
    frames = (rgb.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy()
    frames = np.stack([disturb(frame, seed, begin + index, strengths, rate)
                       for index, frame in enumerate(frames)])
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def flicker(frame: Tensor, rng: np.random.Generator) -> Tensor:
    """Exposure, noise, blur or specks of one frame (3, H, W)."""
    kinds = rng.random(4)
    _, height, width = frame.shape
    if kinds[0] < 0.6:
        frame = frame * float(np.exp(rng.normal(0, 0.5)))
        frame = frame + float(rng.normal(0, 0.08))
    if kinds[1] < 0.4:
        frame = frame + float(rng.uniform(0.02, 0.2)) * _noise((3, height, width), rng)
    if kinds[2] < 0.25:
        factor = int(rng.integers(2, 6))
        small = F.interpolate(frame[None], (max(height // factor, 2), max(width // factor, 2)),
                              mode='area')
        frame = F.interpolate(small, (height, width), mode='bilinear', align_corners=False)[0]
    if kinds[3] < 0.25:
        specks = torch.from_numpy(rng.random((height, width)) < rng.uniform(0.005, 0.05))
        frame = torch.where(specks, float(rng.random()), frame)
    return frame


def occlude(frame: Tensor, rng: np.random.Generator) -> Tensor:
    """Cover up to half of a frame (3, H, W) by a bar, a rectangle or an ellipse of one colour."""
    _, height, width = frame.shape
    y = torch.linspace(0, 1, height)[:, None]
    x = torch.linspace(0, 1, width)[None]
    centre_y, centre_x = rng.random(2)
    size_y, size_x = rng.uniform(0.08, 0.45, 2)
    kind = rng.integers(4)
    dy, dx = (y - centre_y) / size_y, (x - centre_x) / size_x
    if kind == 0:
        covered = (dx.abs() < 0.6).expand(height, width)
    elif kind == 1:
        covered = (dy.abs() < 0.6).expand(height, width)
    elif kind == 2:
        covered = (dy.abs() < 1) & (dx.abs() < 1)
    else:
        covered = dy.square() + dx.square() < 1
    colour = torch.from_numpy(rng.random(3, dtype=np.float32))[:, None, None]
    cover = colour + float(rng.uniform(0, 0.15)) * _noise((3, height, width), rng)
    return torch.where(covered, cover, frame)


def apply_effects(rgb: Tensor, rng: np.random.Generator, strength: Strength) -> Tensor:
    """One clip (T, 3, H, W) in 0..1 -> the same with effects. The depth behind them stays."""
    if rng.random() < strength.colours:
        rgb = change_colours(rgb, rng)
    if rng.random() < strength.camera:
        rgb = simulated_camera(rgb, rng)
    frames = []
    for frame in rgb:
        if rng.random() < strength.flicker:
            frame = flicker(frame, rng)
        if rng.random() < strength.occlusion:
            frame = occlude(frame, rng)
        frames.append(frame + 0.01 * _noise(tuple(frame.shape), rng))
    return torch.stack(frames).clamp(0, 1)


def normalise(rgb: Tensor) -> Tensor:
    """RGB (..., 3, H, W) in 0..1 -> what the network takes."""
    mean, std = torch.from_numpy(MEAN)[:, None, None], torch.from_numpy(STD)[:, None, None]
    return (rgb - mean) / std
