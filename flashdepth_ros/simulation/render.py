"""Renders scenes to colour and depth with MuJoCo and EGL, without a screen.

One render gives both. It is made at twice the size and averaged: colours over the four samples
of a pixel; depth, as inverse depth, over those samples that lie on the surface of the second
nearest one. On a plane inverse depth is linear in the image, so that the mean is exact at the
pixel's centre; and at an edge no depth comes out that lies between the two surfaces, where there
is nothing (a mean over all four would put points into the air behind every edge).
"""
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from ..images.intrinsics import Intrinsics
from .egl import open_context
from .scene import Scene

SAMPLES = 2  # a pixel's samples along each side
SAME_SURFACE = 0.85  # smallest ratio of inverse depths that are taken for one surface


@dataclass(frozen=True)
class Frame:
    """What a camera sees at a time in seconds.

    rgb: (height, width, 3) uint8. depth: (height, width) float32, metres along the optical axis,
    +Inf where there is nothing. pose: (4, 4), optical frame to world.
    """

    rgb: np.ndarray
    depth: np.ndarray
    pose: np.ndarray
    time: float


def average_depth(inverse: np.ndarray) -> np.ndarray:
    """Inverse depth of the samples (2 h, 2 w), 1/m -> depth (h, w) float32 in metres."""
    a, b, c, d = (inverse[i::2, j::2] for i in (0, 1) for j in (0, 1))
    # the second largest of four
    second = np.maximum(np.minimum(np.maximum(a, b), np.maximum(c, d)),
                        np.maximum(np.minimum(a, b), np.minimum(c, d)))
    total, count = np.zeros_like(second), np.zeros_like(second)
    for sample in (a, b, c, d):
        same = (sample >= SAME_SURFACE * second) & (sample * SAME_SURFACE <= second)
        total += np.where(same, sample, 0)
        count += same
    with np.errstate(divide='ignore'):
        return (count / total).astype(np.float32)


class Renderer:
    """A camera for scenes. Used by one thread; close it, or use it as a context.

    width, height: of the pictures; hfov: horizontal field of view in degrees. Attributes:
    intrinsics. Raises SimulationError where there is no EGL.
    """

    def __init__(self, width: int = 320, height: int = 240, hfov: float = 70.0):
        self.intrinsics = Intrinsics.from_field_of_view(hfov, width, height)
        self._context: Any = None
        self._scene: Scene | None = None
        self._gl: Any = None
        self._gl = open_context(SAMPLES * width, SAMPLES * height)
        self._rect = mujoco.MjrRect(0, 0, SAMPLES * width, SAMPLES * height)
        self._rgb = np.empty((SAMPLES * height, SAMPLES * width, 3), np.uint8)
        self._depth = np.empty((SAMPLES * height, SAMPLES * width), np.float32)
        self._option = mujoco.MjvOption()

    def _load(self, scene: Scene) -> None:
        """Bring a scene's textures into the graphics context."""
        if self._context:
            self._context.free()
        size = scene.model.vis.global_
        size.offwidth, size.offheight = self._rect.width, self._rect.height
        self._context = mujoco.MjrContext(scene.model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._view = mujoco.MjvScene(scene.model, maxgeom=scene.model.ngeom + 50)
        self._view.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = scene.model.vis.quality.shadowsize > 0
        self._view.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._view.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = False
        self._scene = scene

    def render(self, scene: Scene, time: float, pose: np.ndarray | None = None) -> Frame:
        """Return what is seen at a time in seconds, from the scene's own path or from a pose.

        pose: (4, 4), optical frame (x right, y down, z ahead) to world.
        """
        self._gl.make_current()
        if scene is not self._scene:
            self._load(scene)
        pose = scene.pose(time) if pose is None else pose
        scene.set_time(time)
        mujoco.mjv_updateScene(
            scene.model, scene.data, self._option, None, mujoco.MjvCamera(),
            mujoco.mjtCatBit.mjCAT_ALL.value, self._view)
        near, far = (np.float64(value) * scene.model.stat.extent
                     for value in (scene.model.vis.map.znear, scene.model.vis.map.zfar))
        camera = self.intrinsics
        for eye in self._view.camera:  # two, for stereo
            eye.pos, eye.forward, eye.up = pose[:3, 3], pose[:3, 2], -pose[:3, 1]
            eye.frustum_near, eye.frustum_far = near, far
            eye.frustum_center = 0.0
            eye.frustum_width = near * camera.width / camera.fx / 2  # half of it
            eye.frustum_top = near * camera.height / camera.fy / 2
            eye.frustum_bottom = -eye.frustum_top
        mujoco.mjr_render(self._rect, self._view, self._context)
        mujoco.mjr_readPixels(self._rgb, self._depth, self._rect, self._context)
        # OpenGL's rows go up. Reversed depth is 0 far away and 1 at `near`, linear in 1 / z.
        rgb, stored = self._rgb[::-1], self._depth[::-1].astype(np.float64)
        inverse = np.where(stored > 0, 1 / far + stored * (1 / near - 1 / far), 0)
        height, width = camera.height, camera.width
        mean = rgb.reshape(height, SAMPLES, width, SAMPLES, 3).astype(np.uint16).sum(axis=(1, 3))
        return Frame((mean // SAMPLES ** 2).astype(np.uint8), average_depth(inverse), pose, time)

    def close(self) -> None:
        """Free the graphics context."""
        if self._context:
            self._gl.make_current()
            self._context.free()
        if self._gl:
            self._gl.free()
        self._context = self._scene = self._gl = None

    def __enter__(self) -> 'Renderer':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
