"""What cameras add to pictures and what makes depth networks flicker. Pure NumPy, seeded.

The depth of the scene stays the truth: these are disturbances of the picture alone.
"""
from dataclasses import dataclass
import math

import cv2
import numpy as np


@dataclass(frozen=True)
class Effects:
    """Strength of each effect; 0 is none, 1 is strong."""

    noise: float = 0.4      # of the sensor, of every frame anew
    exposure: float = 0.5   # swings and jumps of brightness and of white balance
    specks: float = 0.3     # dust and hot pixels that come and go
    occluders: float = 0.3  # blurred things that pass just in front of the lens
    blur: float = 0.3       # of motion, of some frames
    lens: float = 0.4       # fixed: vignetting and a tone curve


USUAL, NONE = Effects(), Effects(0, 0, 0, 0, 0, 0)


def disturb(rgb: np.ndarray, seed: int, index: int, effects: Effects = USUAL,
            rate: float = 10.0) -> np.ndarray:
    """Return frame `index` of a sequence with effects: (h, w, 3) uint8, not the array given.

    The same arguments give the same picture. Slow effects go on from one index to the next, at
    `rate` frames per second; sequences of other seeds differ.
    """
    height, width = rgb.shape[:2]
    fixed = np.random.default_rng([seed, 0])
    fresh = np.random.default_rng([seed, 1, index])
    time = index / rate
    picture = rgb.astype(np.float32) / 255
    if effects.blur and fresh.random() < 0.3:
        picture = _motion_blur(picture, fresh, effects.blur)
    if effects.occluders:
        picture = _occluder(picture, fixed, time, effects.occluders)
    if effects.lens:
        picture = _lens(picture, fixed, effects.lens)
    if effects.exposure:
        picture = picture * _exposure(fixed, fresh, time, effects.exposure)
    if effects.noise:
        sigma = effects.noise * fixed.uniform(0.01, 0.08)
        noise = fresh.standard_normal((height, width, 3), dtype=np.float32)
        if fixed.random() < 0.5:  # grey rather than coloured
            noise[:] = noise[..., :1]
        picture = picture + noise * sigma * (0.5 + np.sqrt(np.clip(picture, 0, 1)))
    if effects.specks:
        picture = _specks(picture, fresh, effects.specks)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _exposure(fixed: np.random.Generator, fresh: np.random.Generator, time: float,
              strength: float) -> np.ndarray:
    """Return the gain of each channel (3,) float32."""
    periods, phases = fixed.uniform(0.7, 8, 3), fixed.uniform(0, 2 * math.pi, 3)
    swing = np.sin(2 * math.pi * time / periods + phases).mean()
    jump = fresh.normal() if fresh.random() < 0.1 else 0.15 * fresh.normal()
    stops = strength * (fixed.normal(0, 0.4) + 0.9 * swing + 0.5 * jump)
    cast = strength * (fixed.normal(0, 0.12, 3) + 0.03 * fresh.normal(size=3))
    return np.exp2(stops + cast).astype(np.float32)


def _lens(picture: np.ndarray, fixed: np.random.Generator, strength: float) -> np.ndarray:
    height, width = picture.shape[:2]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    shade = 1 - strength * fixed.uniform(0, 0.5) * (x ** 2 + y ** 2) / 2
    gamma = 2.0 ** (strength * fixed.normal(-0.5, 0.4))  # cameras brighten what is dark
    return picture ** np.float32(gamma) * shade[..., None].astype(np.float32)


def _motion_blur(picture: np.ndarray, fresh: np.random.Generator, strength: float) -> np.ndarray:
    width = picture.shape[1]
    length = max(1, round(strength * fresh.uniform(0, 0.06) * width))
    if fresh.random() < 0.7:
        return cv2.blur(picture, (length, 1))
    return cv2.blur(picture, (1, length))


def _occluder(picture: np.ndarray, fixed: np.random.Generator, time: float,
              strength: float) -> np.ndarray:
    """Let a soft dark or bright blob pass over the picture from time to time."""
    height, width = picture.shape[:2]
    every, lasts = fixed.uniform(2, 8), fixed.uniform(0.3, 1.2)
    passed = (time + fixed.uniform(0, every)) % every
    size, at = fixed.uniform(0.05, 0.3) * strength * 2, fixed.uniform(0, 1)
    tone = fixed.uniform(0, 0.9) ** 2 * fixed.uniform(0.6, 1, 3)
    upright = fixed.random() < 0.5
    if passed > lasts:
        return picture
    along = -size + (1 + 2 * size) * passed / lasts
    cx, cy = (along, at) if upright else (at, along)
    y = (np.arange(height)[:, None] + 0.5) / height - cy
    x = ((np.arange(width)[None] + 0.5) / width - cx) * width / height
    stretched = (1, 0.2) if upright else (0.2, 1)  # a bar, an arm, a pole
    distance = np.hypot(x * stretched[0], y * stretched[1]) / size
    cover = np.clip((1.1 - distance) * 6, 0, 1)[..., None].astype(np.float32)
    return picture * (1 - cover) + tone.astype(np.float32) * cover


def _specks(picture: np.ndarray, fresh: np.random.Generator, strength: float) -> np.ndarray:
    height, width = picture.shape[:2]
    count = fresh.poisson(strength * 40)
    picture = picture.copy()
    for x, y, tone in zip(fresh.integers(0, width, count), fresh.integers(0, height, count),
                          fresh.uniform(-0.3, 1.3, count), strict=True):
        reach = int(fresh.integers(0, max(2, round(0.006 * width))))
        picture[max(0, y - reach):y + reach + 1, max(0, x - reach):x + reach + 1] = tone
    return picture
