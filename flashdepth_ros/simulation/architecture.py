"""Walls with openings, floors, ceilings, doors, windows and pictures."""
from dataclasses import dataclass

import numpy as np

from .builder import Builder
from .textures import hsv

WALL = 0.12  # metres between two rooms


@dataclass(frozen=True)
class Wall:
    """An inner face of a wall: origin, unit vectors along it and into the room, its length."""

    origin: np.ndarray
    along: np.ndarray
    inward: np.ndarray
    length: float

    def at(self, a: float, inward: float = 0.0) -> np.ndarray:
        return self.origin + a * self.along + inward * self.inward


def room_walls(x0: float, y0: float, x1: float, y1: float) -> list[Wall]:
    x, y = np.array([1.0, 0]), np.array([0, 1.0])
    return [Wall(np.array([x0, y0]), x, y, x1 - x0), Wall(np.array([x1, y0]), y, -x, y1 - y0),
            Wall(np.array([x1, y1]), -x, -y, x1 - x0), Wall(np.array([x0, y1]), -y, x, y1 - y0)]


Opening = tuple[float, float, float]  # from, to along the wall, height


class Architect:
    """Walls, floors, ceilings, doors and windows."""

    def __init__(self, builder: Builder, height: float):
        self.build, self.rng, self.height = builder, builder.rng, height
        rng = self.rng
        self.frame = hsv(rng.uniform(), rng.beta(1, 4), rng.uniform(0.2, 1))
        self.skirting = rng.uniform(0.05, 0.15) if rng.random() < 0.6 else 0.0
        # few, and shared by the rooms: making textures and uploading them takes longest
        self._floors = [builder.covering((0.3, 0.9), wood=6, tiles=4, cloudy=4, speckles=2)
                        for _ in range(2)]
        self._walls = [builder.covering((0.55, 1.0), plain=8, cloudy=5, tiles=2)
                       for _ in range(3)]
        self._ceilings = [builder.covering((0.75, 1.0), plain=10, tiles=3, cloudy=2)]
        self._daylight = ''

    def coverings(self) -> tuple[str, str, str]:
        """Return materials of floor, walls and ceiling."""
        floor, wall, ceiling = (pool[self.rng.integers(len(pool))]
                                for pool in (self._floors, self._walls, self._ceilings))
        return floor, wall, ceiling

    def level(self, x0: float, y0: float, x1: float, y1: float, z: float, material: str) -> None:
        """Add a floor (z = 0) or a ceiling."""
        self.build.plane(np.array([(x0 + x1) / 2, (y0 + y1) / 2, z]),
                         np.array([0, 0, 1.0 if z == 0 else -1.0]), np.array([0, 1.0, 0]),
                         (x1 - x0, y1 - y0), material)

    def _panel(self, wall: Wall, a: float, b: float, low: float, high: float,
               material: str) -> None:
        if b - a > 1e-3 and high - low > 1e-3:
            self.build.plane(np.array([*wall.at((a + b) / 2), (low + high) / 2]),
                             np.array([*wall.inward, 0]), np.array([0, 0, 1.0]),
                             (b - a, high - low), material)
            if low == 0 and self.skirting:
                self._block(wall, a, b, 0, self.skirting, 0, 0.012, self.frame)

    def _block(self, wall: Wall, a: float, b: float, low: float, high: float, outer: float,
               inner: float, tint: np.ndarray, material: str = '') -> None:
        """Add a box on a wall; outer and inner are how far it reaches into the room."""
        first, last = wall.at(a, outer), wall.at(b, inner)
        self.build.box((*np.minimum(first, last), low), (*np.maximum(first, last), high), tint,
                       material or self.build.plain)

    def wall(self, wall: Wall, openings: list[Opening], material: str) -> None:
        """Add a wall's face around openings, which do not overlap."""
        a = 0.0
        for first, last, top in sorted(openings):
            self._panel(wall, a, first, 0, self.height, material)
            self._panel(wall, first, last, top, self.height, material)
            a = last
        self._panel(wall, a, wall.length, 0, self.height, material)

    def doorway(self, wall: Wall, opening: Opening) -> None:
        """Add the frame of an opening, through the thickness of the wall."""
        first, last, top = opening
        for a, b, low, high in ((first - 0.06, first, 0, top + 0.06),
                                (last, last + 0.06, 0, top + 0.06), (first, last, top, top + 0.06)):
            self._block(wall, a, b, low, high, -WALL - 0.02, 0.02, self.frame)
        self._block(wall, first, last, -0.02, 0.003, -WALL, 0, self.frame * 0.7)

    def on_wall(self, wall: Wall, taken: list[Opening]) -> None:
        """Hang closed doors, windows, pictures and boards on a wall."""
        rng = self.rng
        for _ in range(int(wall.length / 1.5)):
            width = rng.uniform(0.4, 1.6)
            if width > wall.length - 0.4:
                continue
            a = rng.uniform(0.2, wall.length - width - 0.2)
            if any(a < last + 0.15 and a + width > first - 0.15 for first, last, _ in taken):
                continue
            what = rng.choice(['door', 'window', 'picture', 'nothing'], p=[0.2, 0.25, 0.3, 0.25])
            tint = hsv(rng.uniform(), rng.beta(1.2, 2), rng.uniform(0.2, 1))
            material = self.build.surfaces[rng.integers(len(self.build.surfaces))]
            if what == 'door':
                b = min(a + 0.9, a + width)
                self._block(wall, a - 0.06, b + 0.06, 0, 2.1, 0, 0.02, self.frame)
                self._block(wall, a, b, 0, 2.04, 0, 0.03, tint, material)
                self._block(wall, b - 0.12, b - 0.06, 1.0, 1.03, 0.03, 0.08, np.full(3, 0.6))
            elif what == 'window':
                low, high = rng.uniform(0.4, 1.1), min(self.height - 0.15, rng.uniform(1.8, 2.4))
                self._block(wall, a - 0.05, a + width + 0.05, low - 0.05, high + 0.05, 0, 0.03,
                            self.frame)
                self._block(wall, a, a + width, low, high, 0, 0.035, np.ones(3), self.daylight())
                self._block(wall, a + width / 2 - 0.02, a + width / 2 + 0.02, low, high, 0, 0.05,
                            self.frame)
            elif what == 'picture':
                low = rng.uniform(0.9, 1.4)
                high = min(self.height - 0.1, low + rng.uniform(0.3, 0.9))
                self._block(wall, a, a + width, low, high, 0, 0.03, tint, material)
            taken = [*taken, (a, a + width, 2.1)]

    def daylight(self) -> str:
        """Make the shining material of a window."""
        if not self._daylight:
            rng = self.rng
            y = np.linspace(0, 1, 64)[:, None, None]
            sky, ground = hsv(0.58, rng.uniform(0, 0.5), 1.0), hsv(rng.uniform(), 0.3, 0.6)
            mix = np.clip((y - rng.uniform(0.4, 0.8)) * 8, 0, 1)
            picture = (sky * (1 - mix) + ground * mix) * np.ones((64, 64, 1))
            self._daylight = self.build.material(
                (picture * 255).astype(np.uint8), cube=True, emission=0.9)
        return self._daylight


def divide(rng: np.random.Generator, wall: Wall, height: float,
           likely: float) -> list[tuple[float, float, Opening]]:
    """Divide a wall into parts of rooms behind it: (from, to, opening), not all with one."""
    parts, a = [], 0.0
    while wall.length - a > 1.6:
        b = min(wall.length, a + rng.uniform(2.2, 5.0))
        if wall.length - b < 1.6:
            b = wall.length
        width = min(rng.choice([0.85, 0.95, 1.2, 1.8]), b - a - 0.5)
        first = rng.uniform(a + 0.2, b - 0.2 - width)
        if rng.random() < likely:
            parts.append((a, b - WALL, (first, min(first + width, b - WALL - 0.1),
                                        min(rng.uniform(1.95, 2.3), height - 0.12))))
        a = b
    return parts
