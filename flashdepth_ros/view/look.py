"""What the page does to the camera's picture by its depth. No ROS here."""
from dataclasses import dataclass

import cv2
import numpy as np

from ..images.intrinsics import Intrinsics
from ..images.points import unproject
from ..images.preview import slice_mask

GREEN = (40, 220, 80)
BACKGROUNDS = ('camera', 'blurred', 'black', 'white', 'grid')
AMBIENT, LAMP = 0.25, 1.6  # brightness without the lamp, and what it adds one reach away
SOFTENING = 1.5  # pixels over which depth is smoothed before normals are taken


@dataclass(frozen=True)
class Look:
    """How a picture is shown.

    slice: from and to in metres, in green; None is not shown. background: what stands behind
    `behind` metres. light: where the lamp is, in metres in the optical frame; None is no lamp.
    """

    slice: tuple[float, float] | None = None
    background: str = BACKGROUNDS[0]
    behind: float = 4.0
    light: tuple[float, float, float] | None = None


def _step(points: np.ndarray, axis: int) -> np.ndarray:
    """Return the way to the next point along an axis, or from the last: the one that is flatter.

    At the edge of an object that is the one on its own surface.
    """
    steps = np.diff(points, axis=axis)
    last = np.take(steps, [-1], axis)
    before, after = (np.concatenate(each, axis) for each in (
        (np.take(steps, [0], axis), steps), (steps, last)))
    rise, fall = (np.nan_to_num(np.abs(each[..., 2:]), nan=np.inf) for each in (before, after))
    return np.where(rise <= fall, before, after)


def normals(points: np.ndarray) -> np.ndarray:
    """Points (H, W, 3) in the optical frame: their surface's unit normals, (H, W, 3) float32.

    They look at the camera. Zero where a point or its neighbours are not known.
    """
    across, down = _step(points, 1), _step(points, 0)
    normal = np.cross(down, across)
    length = np.linalg.norm(normal, axis=2, keepdims=True)
    with np.errstate(invalid='ignore', divide='ignore'):
        normal /= length
    normal[~np.isfinite(normal).all(2)] = 0
    return normal


def relight(
    rgb: np.ndarray, depth: np.ndarray, camera: Intrinsics, light: tuple[float, float, float],
) -> np.ndarray:
    """Light a picture (H, W, 3) uint8 by a lamp at a place in the optical frame, in metres.

    Lambert's law with the square of the distance, over what the picture has. The reach is the
    median depth, so that it does not depend on the scale.
    """
    known = np.isfinite(depth)
    if not known.any():
        return rgb
    reach = float(np.median(depth[known]))
    # steps of single pixels would show as facets; edges stay
    smooth = cv2.bilateralFilter(
        np.where(known, depth, reach).astype(np.float32), -1, 0.02 * reach, SOFTENING)
    smooth[~known] = np.nan
    points = unproject(smooth, camera)
    way = np.asarray(light, np.float32) - points
    square = np.sum(way * way, axis=2)
    with np.errstate(invalid='ignore', divide='ignore'):
        facing = np.sum(normals(points) * way, axis=2) / np.sqrt(square)
        bright = AMBIENT + LAMP * np.clip(facing, 0, 1) * reach ** 2 / (reach ** 2 + square)
    bright[~np.isfinite(bright)] = AMBIENT
    return np.clip(rgb * bright[..., None], 0, 255).astype(np.uint8)


def background(rgb: np.ndarray, name: str) -> np.ndarray:
    """Return what a picture (H, W, 3) has behind it by a name of BACKGROUNDS."""
    height, width = rgb.shape[:2]
    if name == 'blurred':
        return cv2.GaussianBlur(rgb, (0, 0), max(1.0, width / 40))
    if name == 'grid':
        rows, columns = np.mgrid[:height, :width] // max(4, width // 20)
        return np.repeat(np.where((rows + columns) % 2, 70, 45).astype(np.uint8)[..., None], 3, 2)
    return np.full_like(rgb, 255 if name == 'white' else 0)


def show(
    rgb: np.ndarray, depth: np.ndarray, camera: Intrinsics | None, look: Look,
) -> np.ndarray:
    """Picture (H, W, 3) uint8 and its depth (H, W) in metres -> the picture as it is wanted.

    camera: of the picture, None while it is not known; there is no lamp then.
    """
    if look.light is not None and camera is not None:
        rgb = relight(rgb, depth, camera, look.light)
    if look.background != BACKGROUNDS[0]:
        with np.errstate(invalid='ignore'):
            # what has no value is taken for far: the sky
            front = (depth <= look.behind)[..., None]
        rgb = np.where(front, rgb, background(rgb, look.background))
    if look.slice is not None:
        inside = slice_mask(depth, *look.slice) > 0
        rgb = rgb.copy()
        rgb[inside] = rgb[inside] // 2 + np.array(GREEN, np.uint8) // 2
    return rgb
