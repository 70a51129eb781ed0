"""Clips of the simulated indoor scenes, as they are stored in shards."""
import functools

import numpy as np

from ..simulation import Renderer, make_scene
from .shards import Clip

HFOV = 70.0   # degrees
APART = 0.0   # interval that asks for frames from all over the scene


@functools.lru_cache(maxsize=1)
def _renderer(width: int, height: int) -> Renderer:
    return Renderer(width, height, HFOV)


def render_clip(
    seed: int, frames: int, height: int, width: int, interval: float = APART,
) -> Clip:
    """Render the clip of a seed.

    interval: seconds from frame to frame, from a random moment on. APART: the frames come from
    anywhere on the camera's way instead, which shows most of a scene when frames are used alone.
    """
    scene = make_scene(seed)
    rng = np.random.default_rng(seed)
    if interval == APART:
        times = (rng.random() + np.arange(frames)) / frames % 1.0 * scene.period
    else:
        times = rng.random() * scene.period + interval * np.arange(frames)
    renderer = _renderer(width, height)
    pictures = [renderer.render(scene, float(time)) for time in times]
    depth = np.stack([picture.depth for picture in pictures])
    return Clip(
        rgb=np.stack([picture.rgb for picture in pictures]),
        depth=np.where(np.isfinite(depth), depth, 0), seeds=seed, interval=interval,
        intrinsics=renderer.intrinsics.matrix,
        poses=np.stack([picture.pose for picture in pictures]))
