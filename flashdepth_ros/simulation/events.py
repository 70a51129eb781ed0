"""What befalls a camera: covers, wrong exposure, blur, pictures that freeze. Pure OpenCV, seeded.

As in effects.py the depth of the scene stays the truth.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

COVERS = ('black', 'cap', 'finger', 'lit finger', 'fog', 'white')
EXPOSURES = {'x4': 4.0, 'x8': 8.0, '1/8': 1 / 8, '1/16': 1 / 16, '1/32': 1 / 32}
BLURS = {f'blur {percent:g} %': percent / 100 for percent in (0.6, 0.9, 1.2, 1.9, 2.8)}
FROZEN, CUT = 'frozen', 'cut'
KINDS = (*COVERS, *EXPOSURES, *BLURS, FROZEN, CUT)

LASTS, PAUSE = 2.0, 2.0  # seconds of an event, and before each


@dataclass(frozen=True)
class Event:
    """Something that lasts from frame `begin` to before frame `end`; a cut is one frame long."""

    kind: str
    begin: int
    end: int


def plan_events(kinds: Sequence[str], rate: float) -> list[Event]:
    """Put events (all of them where none is given) one after the other, with pauses.

    rate: frames per second. ValueError for a kind that does not exist.
    """
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f'{min(unknown)!r} is no event; the events are {", ".join(KINDS)}')
    events, begin = [], round(PAUSE * rate)
    for kind in kinds or KINDS:
        end = begin + (1 if kind == CUT else max(1, round(LASTS * rate)))
        events.append(Event(kind, begin, end))
        begin = end + round(PAUSE * rate)
    return events


def happen(kind: str, rgb: np.ndarray, seed: int, index: int) -> np.ndarray:
    """Return frame `index` (h, w, 3) uint8 of a camera to which one of these happens.

    Not of those that are made of other frames, frozen and cut. The same arguments give the same
    picture.
    """
    height, width = rgb.shape[:2]
    fixed = np.random.default_rng([seed, 2])
    fresh = np.random.default_rng([seed, 3, index])
    if kind == 'black':
        return np.zeros_like(rgb)
    if kind == 'white':
        return np.full_like(rgb, 255)
    if kind == 'cap':  # in the dark a camera raises its gain, and with it the noise
        return _bytes(fresh.normal(0, fixed.uniform(4, 16), rgb.shape))
    if kind in EXPOSURES:
        noise = fresh.normal(0, 1.5, rgb.shape)  # of reading the sensor, which no light takes away
        return _bytes(rgb * np.float32(EXPOSURES[kind]) + noise)
    if kind in BLURS:
        return cv2.GaussianBlur(rgb, (0, 0), BLURS[kind] * width)
    noise = fresh.normal(0, 2, rgb.shape)
    if kind == 'fog':  # or sticky tape: what is behind is a shade of it
        tone = fixed.uniform(100, 220)
        return _bytes(0.7 * tone + 0.3 * cv2.GaussianBlur(
            rgb.astype(np.float32), (0, 0), 0.08 * width) + noise)
    # a finger on the lens: skin, unevenly lit from one side
    skin = np.array([200, 90, 60]) if kind == 'lit finger' else np.array([70, 40, 35])
    angle = fixed.uniform(0, 2 * np.pi)
    x, y = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    light = 1 + 0.25 * (np.cos(angle) * x + np.sin(angle) * y)
    return _bytes(light[..., None] * skin * fixed.uniform(0.9, 1.2) + noise)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).round().astype(np.uint8)
