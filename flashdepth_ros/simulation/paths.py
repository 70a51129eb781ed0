"""Where a robot can drive in a room, and smooth closed paths through it. Pure NumPy.

The world is x, y on the floor and z up (REP 103), in metres.
"""
from dataclasses import dataclass
import math

import numpy as np

CELL = 0.05  # metres of a cell of the floor
FASTEST_TURN = 0.9  # radians per second
# metres to each side that the camera keeps free; less only in the one room of thousands that is so
# full that nothing else is left
CLEARANCES = (0.4, 0.3, 0.2, 0.1)


class Floor:
    """A rectangle of floor, x from 0 to `length` and y from 0 to `width`; some of it is taken."""

    def __init__(self, length: float, width: float):
        self.length, self.width = length, width
        self._taken = np.zeros((math.ceil(length / CELL), math.ceil(width / CELL)), bool)

    def _cells(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        return (slice(max(0, math.floor(x0 / CELL)), max(0, math.ceil(x1 / CELL))),
                slice(max(0, math.floor(y0 / CELL)), max(0, math.ceil(y1 / CELL))))

    def take(self, x: float, y: float, length: float, width: float) -> None:
        """Take the rectangle of this centre and size."""
        self._taken[self._cells(x - length / 2, y - width / 2,
                                x + length / 2, y + width / 2)] = True

    def free(self, x: float, y: float, length: float, width: float) -> bool:
        """Whether the rectangle of this centre and size lies inside and is not taken."""
        return (x - length / 2 >= 0 and y - width / 2 >= 0 and x + length / 2 <= self.length
                and y + width / 2 <= self.width
                and not self._taken[self._cells(x - length / 2, y - width / 2,
                                                x + length / 2, y + width / 2)].any())

    def room_for(self, points: np.ndarray, clearance: float) -> bool:
        """Whether a square body reaching `clearance` to each side is free at points (n, 2)."""
        return all(self.free(x, y, 2 * clearance, 2 * clearance) for x, y in points)

    def sight(self, positions: np.ndarray, headings: np.ndarray, far: float = 5.0) -> np.ndarray:
        """Return how far (n,) one sees from positions (n, 2) along headings, at most `far`."""
        steps = np.arange(CELL, far, 2 * CELL)
        ways = np.stack([np.cos(headings), np.sin(headings)], axis=-1)
        cells = np.floor((positions[:, None] + ways[:, None] * steps[:, None]) / CELL).astype(int)
        inside = (cells >= 0).all(-1) & (cells < self._taken.shape).all(-1)
        x, y = np.where(inside[..., None], cells, 0).transpose(2, 0, 1)
        stopped = ~inside | self._taken[x, y]
        return np.where(stopped.any(1), steps[stopped.argmax(1)], far)


@dataclass(frozen=True)
class Path:
    """A closed path: positions (n, 2) and headings (n,) in radians, at equal steps of time.

    `period` is the time of one round in seconds.
    """

    positions: np.ndarray
    headings: np.ndarray
    period: float

    def at(self, time: float) -> tuple[np.ndarray, float]:
        """Return position (2,) and heading at a time in seconds; times wrap around."""
        n = len(self.positions)
        place = time / self.period % 1.0 * n
        i, part = int(place) % n, place - int(place)
        j = (i + 1) % n
        turn = (self.headings[j] - self.headings[i] + math.pi) % (2 * math.pi) - math.pi
        return (self.positions[i] * (1 - part) + self.positions[j] * part,
                float(self.headings[i] + turn * part))


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Periodic Gaussian smoothing of (n, k) along the first axis; sigma in samples."""
    frequency = np.fft.rfftfreq(len(values))
    kernel = np.exp(-2 * (np.pi * frequency * sigma) ** 2)
    return np.fft.irfft(np.fft.rfft(values, axis=0) * kernel[:, None], len(values), axis=0)


def drive(rng: np.random.Generator, floor: Floor, tries: int = 60) -> Path:
    """Return a smooth closed path over free floor; panning on the spot where there is none.

    Of three paths the one is taken that looks least at near walls. Raises ValueError where the
    floor has no free place at all.
    """
    places = np.column_stack([rng.uniform(0, floor.length, 400), rng.uniform(0, floor.width, 400)])
    for clearance in CLEARANCES:
        spots = np.array([spot for spot in places if floor.room_for(spot[None], clearance)])
        if len(spots):
            break
    else:
        raise ValueError('no place on this floor is free')
    paths = []
    for _ in range(tries):
        path = _round_trip(rng, floor, spots, clearance)
        if path:
            paths.append(path)
        if len(paths) == 3:
            break
    if not paths:
        return _pan(rng, floor, spots)
    return max(paths, key=lambda path: np.quantile(
        floor.sight(path.positions[::8], path.headings[::8]), 0.2))


def _round_trip(
    rng: np.random.Generator, floor: Floor, spots: np.ndarray, clearance: float,
) -> Path | None:
    """Return a path around three to five of the spots, or None where it is not free."""
    corners = spots[rng.choice(len(spots), min(len(spots), int(rng.integers(3, 6))), replace=False)]
    around = corners - corners.mean(axis=0)
    corners = corners[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    ends = np.roll(corners, -1, axis=0)
    lengths = np.linalg.norm(ends - corners, axis=1)
    if lengths.sum() < 2.0:
        return None
    line = np.concatenate([
        a + (b - a) * np.arange(0, 1, CELL / max(length, CELL))[:, None]
        for a, b, length in zip(corners, ends, lengths, strict=True)])
    line = _smooth(line, 0.3 / CELL)
    if not floor.room_for(line[::4], clearance):
        return None
    steps = np.linalg.norm(np.roll(line, -1, axis=0) - line, axis=1)
    period = float(steps.sum() / rng.uniform(0.25, 1.2))  # metres a second
    # equal steps of time at a constant speed
    travelled = np.concatenate([[0], np.cumsum(steps)])
    n = max(64, int(period * 10))
    wanted = np.linspace(0, travelled[-1], n, endpoint=False)
    closed = np.concatenate([line, line[:1]])
    positions = np.column_stack([np.interp(wanted, travelled, closed[:, k]) for k in range(2)])
    ahead = np.roll(positions, -1, axis=0) - np.roll(positions, 1, axis=0)
    ahead = _smooth(ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9),
                    0.8 * n / period)
    headings = np.arctan2(ahead[:, 1], ahead[:, 0])
    turns = (np.roll(headings, -1) - headings + math.pi) % (2 * math.pi) - math.pi
    period *= max(1.0, np.abs(turns).max() * n / period / FASTEST_TURN)
    if rng.random() < 0.3:  # the camera looks elsewhere than ahead
        headings = headings + rng.uniform(-1.2, 1.2)
    return Path(positions, headings, float(period))


def _pan(rng: np.random.Generator, floor: Floor, spots: np.ndarray) -> Path:
    """Stand at one of the spots and look around its most open direction."""
    place = spots[rng.integers(len(spots))]
    ways = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    centre = ways[np.argmax(floor.sight(np.repeat(place[None], 24, axis=0), ways))]
    swing = np.sin(np.linspace(0, 2 * math.pi, 240, endpoint=False))
    return Path(np.repeat(place[None], 240, axis=0), centre + rng.uniform(0.3, 0.9) * swing,
                float(rng.uniform(8, 25)))
