"""Materials and shapes of a scene, written into a MuJoCo specification."""
import math

import mujoco
import numpy as np

from .furniture import Item
from .textures import PATTERNS, hsv, make_texture

Geom = mujoco.mjtGeom
SHAPES = {'box': Geom.mjGEOM_BOX, 'cylinder': Geom.mjGEOM_CYLINDER, 'sphere': Geom.mjGEOM_SPHERE,
          'ellipsoid': Geom.mjGEOM_ELLIPSOID, 'capsule': Geom.mjGEOM_CAPSULE}


def quaternion(rotation: np.ndarray) -> np.ndarray:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    return quaternion


class Builder:
    """Fills a MuJoCo specification.

    bold: materials of bright and dark patterns, which the others seldom have.
    """

    def __init__(self, rng: np.random.Generator, shadows: bool, bold: bool = False):
        self.rng, self.shadows, self.bold = rng, shadows, bold
        self.spec = spec = mujoco.MjSpec()
        spec.stat.extent, spec.stat.center = 1.0, [0, 0, 0]  # znear and zfar are metres then
        spec.visual.map.znear, spec.visual.map.zfar = 0.03, 100.0
        spec.visual.quality.offsamples = 0  # supersampled instead: its depth can be read
        spec.visual.quality.shadowsize = 1024 if shadows else 0
        spec.visual.quality.numslices, spec.visual.quality.numstacks = 16, 8
        self._count = 0
        self.surfaces = [self._cube() for _ in range(10)]
        self.plain = self.material(
            make_texture(rng, 'plain', np.ones(3), np.ones(3), 32), cube=True)

    # ---- materials ----

    def material(self, picture: np.ndarray, cube: bool, per_metre: float = 1.0,
                 emission: float = 0.0) -> str:
        self._count += 1
        name = f'm{self._count}'
        size = len(picture)
        kind = mujoco.mjtTexture.mjTEXTURE_CUBE if cube else mujoco.mjtTexture.mjTEXTURE_2D
        texture = self.spec.add_texture(
            name=name, type=kind, width=size, height=size * (6 if cube else 1), nchannel=3)
        texture.data = np.tile(picture, (6 if cube else 1, 1, 1)).tobytes()
        shiny = self.rng.random() < 0.3
        material = self.spec.add_material(
            name=name, texuniform=not cube, texrepeat=[per_metre, per_metre], emission=emission,
            specular=self.rng.uniform(0.2, 0.7) if shiny else 0.05,
            shininess=self.rng.uniform(0.2, 0.9) if shiny else 0.1)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        return name

    def _cube(self) -> str:
        """Make a bright material for things; their tints colour it."""
        rng = self.rng
        if self.bold:
            return self.material(self._bold_texture(64), cube=True)
        first = hsv(rng.uniform(), rng.uniform(0, 0.15), rng.uniform(0.8, 1.0))
        second = hsv(rng.uniform(), rng.uniform(0, 0.6), rng.uniform(0.25, 1.0))
        pattern = rng.choice(list(PATTERNS), p=_odds(plain=5, cloudy=4, wood=4))
        return self.material(make_texture(rng, pattern, first, second, 64), cube=True)

    def covering(self, bright: tuple[float, float], **likely: float) -> str:
        """Make the material of a floor, wall or ceiling, with values in the range `bright`."""
        rng = self.rng
        if self.bold:
            return self.material(self._bold_texture(128), cube=False,
                                 per_metre=1 / rng.uniform(0.6, 2.5))
        hue = rng.uniform(0.02, 0.16) if rng.random() < 0.6 else rng.uniform()
        saturation = rng.beta(1.2, 4)
        first = hsv(hue, saturation, rng.uniform(*bright))
        second = (hsv(rng.uniform(), rng.beta(1.2, 3), rng.uniform(0.1, 1)) if rng.random() < 0.3
                  else first * rng.uniform(0.5, 0.95))
        pattern = rng.choice(list(PATTERNS), p=_odds(**likely))
        return self.material(make_texture(rng, pattern, first, second), cube=False,
                             per_metre=1 / rng.uniform(0.6, 2.5))

    def _bold_texture(self, size: int) -> np.ndarray:
        rng = self.rng
        first = hsv(rng.uniform(), rng.uniform(0, 0.8), rng.uniform(0.7, 1.0))
        second = hsv(rng.uniform(), rng.uniform(0, 0.8), rng.uniform(0.02, 0.2))
        pattern = rng.choice(['motif', 'stripes', 'checks', 'tiles'])
        return make_texture(rng, pattern, first, second, size)

    # ---- shapes ----

    def plane(self, center: np.ndarray, normal: np.ndarray, upward: np.ndarray,
              size: tuple[float, float], material: str) -> None:
        """Add a rectangle that is seen from where its normal points to."""
        axes = np.column_stack([np.cross(upward, normal), upward, normal])
        self.spec.worldbody.add_geom(
            type=Geom.mjGEOM_PLANE, pos=center, quat=quaternion(axes), material=material,
            size=[size[0] / 2, size[1] / 2, 0.6], rgba=[1, 1, 1, 1])

    def box(self, low: tuple, high: tuple, tint: np.ndarray, material: str) -> None:
        a, b = np.array(low), np.array(high)
        self.spec.worldbody.add_geom(
            type=Geom.mjGEOM_BOX, pos=(a + b) / 2, size=np.abs(b - a) / 2,
            rgba=[*tint, 1], material=material)

    def item(self, item: Item, place: np.ndarray, heading: float, moving: bool = False) -> None:
        """Add a piece of furniture; a moving one is a mocap body."""
        body = self.spec.worldbody.add_body(
            pos=[*place, 0], quat=[math.cos(heading / 2), 0, 0, math.sin(heading / 2)],
            mocap=moving)
        for part in item.parts:
            size = [*part.size, 0, 0][:3]
            body.add_geom(
                type=SHAPES[part.shape], pos=part.position, size=size,
                quat=[math.cos(part.tilt / 2), math.sin(part.tilt / 2), 0, 0],
                rgba=[*part.tint, 1],
                material=self.surfaces[part.material % len(self.surfaces)]
                if part.material else self.plain)


def _odds(**likely: float) -> np.ndarray:
    weights = np.array([likely.get(name, 1.0) for name in PATTERNS])
    return weights / weights.sum()
