"""Sequences of simulated frames: what a camera records while it drives through a scene."""
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .effects import NONE, USUAL, Effects, disturb
from .events import CUT, FROZEN, Event, happen
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
    first: int = 0,
) -> Iterator[Frame]:
    """Yield frames of a scene likewise, from frame `first` on."""
    for index in range(first, first + frames):
        frame = renderer.render(scene, index / rate)
        yield frame if effects == NONE else replace(
            frame, rgb=disturb(frame.rgb, scene.seed, index, effects, rate))


def drive_with_events(
    renderer: Renderer, seed: int, frames: int, events: Sequence[Event], rate: float = 10.0,
    kind: str | None = None, effects: Effects = USUAL, materials: str = 'usual',
) -> Iterator[Frame]:
    """Yield frames likewise, of a camera to which something happens now and then.

    A cut goes on in the scene of the next seed. Depths and poses stay those of the scene.
    """
    scene, first = make_scene(seed, kind, materials=materials), 0
    last: Frame | None = None
    for index in range(frames):
        event = next((each.kind for each in events if each.begin <= index < each.end), None)
        if event == CUT:
            scene, first = make_scene(scene.seed + 1, kind, materials=materials), index
        frame, = drive_scene(renderer, scene, 1, rate, effects, index - first)
        if event == FROZEN and last is not None:
            frame = replace(frame, rgb=last.rgb)
        elif event not in (None, CUT, FROZEN):
            frame = replace(frame, rgb=happen(event, frame.rgb, seed, index))
        yield (last := replace(frame, time=index / rate))
