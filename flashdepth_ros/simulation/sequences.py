"""Sequences of simulated frames: what a camera records while it drives through a scene."""
from collections.abc import Iterator
from dataclasses import replace

from .effects import NONE, USUAL, Effects, disturb
from .render import Frame, Renderer
from .scene import Scene
from .scenes import make_scene


def drive_through(
    renderer: Renderer, seed: int, frames: int, rate: float = 10.0, kind: str | None = None,
    effects: Effects = USUAL, materials: str = 'usual',
) -> Iterator[Frame]:
    """Yield frames of the scene of a seed, `rate` a second, from the beginning of its path.

    The pictures have the effects; depths and poses are true. kind, materials: see make_scene.
    """
    scene = make_scene(seed, kind, materials=materials)
    yield from drive_scene(renderer, scene, frames, rate, effects)


def drive_scene(
    renderer: Renderer, scene: Scene, frames: int, rate: float = 10.0, effects: Effects = USUAL,
) -> Iterator[Frame]:
    """Yield frames of a scene likewise."""
    for index in range(frames):
        frame = renderer.render(scene, index / rate)
        yield frame if effects == NONE else replace(
            frame, rgb=disturb(frame.rgb, scene.seed, index, effects, rate))
