"""Furniture, people and clutter as parts: boxes, cylinders, ellipsoids and capsules.

An item stands on the floor at its own origin, x along its length and y to its front (its back is
at -depth / 2), z up, in metres. Sizes of parts are MuJoCo's half sizes.
"""
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .textures import hsv

Shape = Literal['box', 'cylinder', 'ellipsoid', 'sphere', 'capsule']


@dataclass(frozen=True)
class Part:
    """A shape at `position`, turned by `tilt` (radians about its x), in a tone and a material."""

    shape: Shape
    position: tuple[float, float, float]
    size: tuple[float, ...]
    tint: tuple[float, float, float]
    material: int  # any number: the scene takes it modulo its materials
    tilt: float = 0.0


@dataclass
class Item:
    """A thing with a footprint of length x depth."""

    length: float
    depth: float
    parts: list[Part] = field(default_factory=list)


class Maker:
    """Adds parts to an item with tints and materials that were drawn for it."""

    def __init__(self, rng: np.random.Generator, length: float, depth: float):
        self.item = Item(length, depth)
        hue, strong = rng.uniform(), rng.random() < 0.35
        self._tints = [
            tuple(hsv((hue + rng.normal(0, 0.05)) % 1,
                      rng.uniform(0.3, 0.85) if strong else rng.uniform(0, 0.35),
                      rng.uniform(0.25, 1.0))) for _ in range(4)]
        self._materials = rng.integers(0, 1000, 4)

    def add(self, shape: Shape, position: tuple, size: tuple, look: int = 0,
            tilt: float = 0.0) -> None:
        self.item.parts.append(Part(
            shape, position, size, self._tints[look], int(self._materials[look]), tilt))


def table(rng: np.random.Generator) -> Item:
    length, depth, height = rng.uniform(0.7, 2.0), rng.uniform(0.5, 1.0), rng.uniform(0.45, 0.95)
    make = Maker(rng, length, depth)
    top = rng.uniform(0.012, 0.03)
    leg = rng.uniform(0.018, 0.04)
    make.add('box', (0, 0, height - top), (length / 2, depth / 2, top))
    if rng.random() < 0.25:
        make.add('cylinder', (0, 0, (height - 2 * top) / 2), (2 * leg, (height - 2 * top) / 2), 1)
        make.add('cylinder', (0, 0, 0.015), (depth / 3, 0.015), 1)
    else:
        for x in (-1, 1):
            for y in (-1, 1):
                make.add('box', (x * (length / 2 - leg), y * (depth / 2 - leg), height / 2 - top),
                         (leg, leg, height / 2 - top), 1)
    for _ in range(rng.integers(0, 5)):  # things on it
        size = rng.uniform(0.03, 0.18, 3)
        x, y = rng.uniform(-0.4, 0.4, 2) * (length, depth)
        shape = rng.choice(['box', 'cylinder', 'box'])
        make.add(shape, (x, y, height + size[2]),
                 tuple(size) if shape == 'box' else (size[0] / 2, size[2]), rng.integers(2, 4))
    return make.item


def chair(rng: np.random.Generator) -> Item:
    width, seat, back = rng.uniform(0.4, 0.55), rng.uniform(0.4, 0.5), rng.uniform(0.3, 0.55)
    make = Maker(rng, width, width)
    half, leg = width / 2, rng.uniform(0.012, 0.025)
    make.add('box', (0, 0, seat), (half, half, 0.025))
    make.add('box', (0, -half + 0.02, seat + back / 2 + 0.05), (half, 0.018, back / 2))
    if rng.random() < 0.3:  # an office chair
        make.add('cylinder', (0, 0, seat / 2), (0.03, seat / 2 - 0.03), 1)
        make.add('box', (0, 0, 0.05), (half, 0.03, 0.025), 1)
        make.add('box', (0, 0, 0.05), (0.03, half, 0.025), 1)
    else:
        for x in (-1, 1):
            for y in (-1, 1):
                make.add('box', (x * (half - leg), y * (half - leg), seat / 2),
                         (leg, leg, seat / 2), 1)
    return make.item


def cupboard(rng: np.random.Generator) -> Item:
    length, depth, height = rng.uniform(0.5, 1.8), rng.uniform(0.35, 0.65), rng.uniform(0.7, 2.2)
    make = Maker(rng, length, depth)
    make.add('box', (0, 0, height / 2), (length / 2, depth / 2 - 0.012, height / 2))
    doors = max(1, round(length / 0.5))
    for i in range(doors):
        x = (i + 0.5) * length / doors - length / 2
        make.add('box', (x, depth / 2 - 0.012, height / 2),
                 (length / doors / 2 - 0.008, 0.012, height / 2 - 0.03), 1)
        make.add('box', (x + length / doors / 3, depth / 2 + 0.01, height / 2),
                 (0.01, 0.015, 0.06), 2)
    return make.item


def shelf(rng: np.random.Generator) -> Item:
    length, depth, height = rng.uniform(0.6, 2.0), rng.uniform(0.25, 0.5), rng.uniform(0.8, 2.1)
    make = Maker(rng, length, depth)
    boards = rng.integers(3, 6)
    for x in (-1, 1):
        make.add('box', (x * (length / 2 - 0.01), 0, height / 2), (0.012, depth / 2, height / 2))
    if rng.random() < 0.6:
        make.add('box', (0, -depth / 2 + 0.005, height / 2), (length / 2, 0.005, height / 2), 1)
    for i in range(boards):
        z = 0.05 + i * (height - 0.07) / (boards - 1)
        make.add('box', (0, 0, z), (length / 2 - 0.01, depth / 2, 0.012))
        x, space = -length / 2 + 0.05, (height - 0.07) / (boards - 1) - 0.05
        while i < boards - 1 and x < length / 2 - 0.25:  # books and boxes
            wide, tall = rng.uniform(0.04, 0.2), rng.uniform(0.4, 0.95) * space
            if rng.random() < 0.7:
                make.add('box', (x + wide, 0, z + 0.012 + tall / 2),
                         (wide * 0.95, depth * rng.uniform(0.25, 0.45), tall / 2),
                         rng.integers(1, 4))
            x += 2 * wide
    return make.item


def sofa(rng: np.random.Generator) -> Item:
    length, depth = rng.uniform(0.8, 2.3), rng.uniform(0.75, 0.95)
    seat, back, arm = rng.uniform(0.36, 0.46), rng.uniform(0.3, 0.45), rng.uniform(0.1, 0.2)
    make = Maker(rng, length, depth)
    make.add('box', (0, 0, seat / 2), (length / 2, depth / 2, seat / 2))
    make.add('box', (0, -depth / 2 + 0.1, seat + back / 2), (length / 2, 0.1, back / 2))
    for x in (-1, 1):
        make.add('box', (x * (length - arm) / 2, 0.02, seat + 0.08), (arm / 2, depth / 2, 0.1), 1)
    if rng.random() < 0.7:
        make.add('ellipsoid', (rng.uniform(-0.3, 0.3) * length, -depth / 2 + 0.26, seat + 0.18),
                 (0.2, 0.09, 0.18), 2)
    return make.item


def bed(rng: np.random.Generator) -> Item:
    length, depth, height = rng.uniform(0.9, 1.8), 2.0, rng.uniform(0.35, 0.55)
    make = Maker(rng, length, depth)
    make.add('box', (0, 0, height / 4), (length / 2, depth / 2, height / 4))
    make.add('box', (0, 0.02, height * 0.75), (length / 2 - 0.02, depth / 2 - 0.02, height / 4), 1)
    make.add('box', (0, -depth / 2 + 0.03, height), (length / 2, 0.03, height * 0.7))
    make.add('ellipsoid', (0, -depth / 2 + 0.35, height + 0.05), (0.33, 0.22, 0.09), 2)
    return make.item


def boxes(rng: np.random.Generator) -> Item:
    """A stack of boxes or a single crate."""
    side = rng.uniform(0.2, 0.7)
    make = Maker(rng, side, side)
    z = 0.0
    for i in range(rng.integers(1, 4)):
        size = side / 2 * rng.uniform(0.5, 1.0, 3)
        make.add('box', (0, 0, z + size[2]), tuple(size), i)
        z += 2 * size[2]
    return make.item


def barrel(rng: np.random.Generator) -> Item:
    """A bin, a barrel, a bollard."""
    radius, height = rng.uniform(0.1, 0.4), rng.uniform(0.25, 1.2)
    make = Maker(rng, 2 * radius, 2 * radius)
    make.add('cylinder', (0, 0, height / 2), (radius, height / 2))
    if rng.random() < 0.5:
        make.add('cylinder', (0, 0, height * 0.7), (radius * 1.02, height * 0.08), 1)
    return make.item


def plant(rng: np.random.Generator) -> Item:
    pot, height = rng.uniform(0.12, 0.25), rng.uniform(0.3, 1.2)
    make = Maker(rng, 3.4 * pot, 3.4 * pot)
    make.add('cylinder', (0, 0, pot), (pot, pot))
    make.add('cylinder', (0, 0, 2 * pot + height / 2), (0.02, height / 2), 1)
    for _ in range(rng.integers(4, 12)):
        x, y = rng.uniform(-1.2 * pot, 1.2 * pot, 2)
        green = tuple(hsv(rng.uniform(0.22, 0.42), rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.7)))
        make.item.parts.append(Part(
            'ellipsoid', (x, y, 2 * pot + height * rng.uniform(0.4, 1.1)),
            tuple(rng.uniform(0.05, 0.2, 3)), green, int(rng.integers(1000))))
    return make.item


def lamp(rng: np.random.Generator) -> Item:
    height = rng.uniform(1.2, 1.8)
    make = Maker(rng, 0.4, 0.4)
    make.add('cylinder', (0, 0, 0.015), (0.16, 0.015))
    make.add('cylinder', (0, 0, height / 2), (0.015, height / 2))
    make.add('cylinder', (0, 0, height), (rng.uniform(0.1, 0.2), rng.uniform(0.1, 0.18)), 1)
    return make.item


def column(rng: np.random.Generator) -> Item:
    """A pillar, up to any ceiling."""
    side = rng.uniform(0.25, 0.6)
    make = Maker(rng, side, side)
    if rng.random() < 0.5:
        make.add('box', (0, 0, 3), (side / 2, side / 2, 3))
    else:
        make.add('cylinder', (0, 0, 3), (side / 2, 3))
    return make.item


def ball(rng: np.random.Generator) -> Item:
    radius = rng.uniform(0.1, 0.35)
    make = Maker(rng, 2 * radius, 2 * radius)
    make.add('sphere', (0, 0, radius), (radius,))
    return make.item


def cart(rng: np.random.Generator) -> Item:
    """A trolley, or another robot."""
    length, depth = rng.uniform(0.4, 0.9), rng.uniform(0.35, 0.6)
    make = Maker(rng, length, depth)
    make.add('box', (0, 0, 0.17), (length / 2, depth / 2, 0.09))
    make.add('box', (0, 0, 0.17 + rng.uniform(0.2, 0.6)), (length / 2.3, depth / 2.3, 0.02), 1)
    make.add('box', (-length / 2 + 0.03, 0, 0.5), (0.02, depth / 2.5, 0.4), 2)
    for x in (-1, 1):
        for y in (-1, 1):
            make.add('sphere', (x * length / 2.5, y * depth / 2.5, 0.05), (0.05,), 3)
    return make.item


def person(rng: np.random.Generator) -> Item:
    """A standing or striding figure, 1.1 to 1.95 m tall, walking along x."""
    tall = rng.uniform(1.5, 1.95) if rng.random() < 0.85 else rng.uniform(1.1, 1.5)
    scale = tall / 1.75
    make = Maker(rng, 0.55 * scale, 0.75 * scale)
    skin = tuple(hsv(rng.uniform(0.04, 0.09), rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.95)))
    hair = tuple(hsv(rng.uniform(0.02, 0.12), rng.uniform(0.2, 0.7), rng.uniform(0.05, 0.6)))
    stout, stride = rng.uniform(0.85, 1.3), rng.uniform(-0.16, 0.16)

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        return x * scale, y * scale, z * scale

    for side in (-1, 1):
        make.add('capsule', at(side * stride, side * 0.1, 0.45),
                 (0.075 * scale * stout, 0.34 * scale), 1)
        make.add('ellipsoid', at(side * stride + 0.05, side * 0.1, 0.05),
                 (0.13 * scale, 0.05 * scale, 0.05 * scale), 2)
        make.add('capsule', at(-side * stride * 0.8, side * 0.235 * stout, 1.12),
                 (0.05 * scale, 0.25 * scale), 0, side * 0.08)
        make.item.parts.append(Part(
            'sphere', at(-side * stride * 0.8, side * 0.26 * stout, 0.83), (0.05 * scale,), skin,
            0))
    make.add('ellipsoid', at(0, 0, 1.17), (0.14 * scale * stout, 0.21 * scale * stout,
                                           0.33 * scale))
    make.item.parts += [
        Part('capsule', at(0, 0, 1.47), (0.05 * scale, 0.05 * scale), skin, 0),
        Part('ellipsoid', at(0, 0, 1.63), (0.095 * scale, 0.08 * scale, 0.12 * scale), skin, 0),
        Part('ellipsoid', at(-0.02, 0, 1.67), (0.095 * scale, 0.085 * scale, 0.1 * scale), hair,
             0)]
    return make.item


Recipe = Callable[[np.random.Generator], Item]
AGAINST_WALLS: tuple[Recipe, ...] = (cupboard, shelf, sofa, table, bed, plant, lamp, boxes, chair)
FREE_STANDING: tuple[Recipe, ...] = (
    table, chair, chair, boxes, boxes, barrel, plant, sofa, person, ball, cart, column, lamp)
MOVING: tuple[Recipe, ...] = (person, person, person, cart, ball, boxes)
