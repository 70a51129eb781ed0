"""A frame as a page shows it: camera and depth as JPEG, a grid of metres for the pointer, a cloud.

viser's images tell nothing of the pointer, so the two are HTML: pictures.html, once, and for each
frame an element that hands it over when it is loaded. No ROS here.
"""
import base64
from dataclasses import dataclass
import html
import json
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from ..images.intrinsics import Intrinsics
from ..images.points import unproject
from ..images.preview import colour_depth
from .look import Look, show

FRAME_HTML = Path(__file__).with_name('pictures.html').read_text()
GRID = 160  # columns of the grid of metres
QUALITY = 80  # of JPEG
FAR = 65535  # level of the grid: farther than the range; 0 is no value
# onload, since a browser runs no script of HTML that comes later; the picture is one pixel
_HAND_OVER = ('<img alt="" hidden src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABA'
              'AEAAAICTAEAOw==" data-frame="{frame}" onload="window.flashdepth &amp;&amp; '
              'flashdepth.show(JSON.parse(this.dataset.frame))">')


@dataclass(frozen=True)
class Shown:
    """What a page gets of a frame.

    html: hands the pictures over. points: (N, 3) float32 in the optical frame, colours: (N, 3)
    uint8; none of both while the camera is not known. reach: the median depth in metres, 0 where
    nothing has one.
    """

    html: str
    points: np.ndarray
    colours: np.ndarray
    reach: float


@dataclass(frozen=True)
class Colours:
    """How depth is coloured: from near to far in metres by a map of images.preview."""

    near: float = 0.5
    far: float = 20.0
    colormap: str = 'turbo'


def sample(length: int, count: int) -> np.ndarray:
    """Return which of `length` pixels a row of `count` cells shows, those at their centres."""
    return ((np.arange(count) + 0.5) * length / count).astype(int)


def picked(depth: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Depth (H, W) -> (rows, columns), each the value of one pixel: a mean of two is none.

    Also of a picture (H, W, 3).
    """
    height, width = depth.shape[:2]
    return depth[np.ix_(sample(height, rows), sample(width, columns))]


def metres_grid(depth: np.ndarray) -> tuple[np.ndarray, float]:
    """Depth (h, w) -> levels (h, w) uint16 and the metres of one level."""
    finite = np.isfinite(depth) & (depth > 0)
    unit = float(depth[finite].max(initial=1e-3)) / (FAR - 1)
    levels = np.zeros(depth.shape, np.uint16)
    levels[finite] = np.maximum(1, np.round(depth[finite] / unit))
    levels[depth == np.inf] = FAR
    return levels, unit


def prepare(
    depth: np.ndarray, rgb: np.ndarray | None, camera: Intrinsics | None,
    confidence: np.ndarray | None, look: Look, colours: Colours, width: int, points: int,
    stamp: int, caption: str,
) -> Shown:
    """Make of a frame what a page shows.

    depth: (H, W) float32 in metres. rgb: (h, w, 3) uint8 of the same view, None for grey. camera:
    of the depth. confidence: (H, W), 0 to 1: what is not sure is shown darker; None where it is
    not wanted. width: of each picture in pixels at most. points: of the cloud at most. caption: a
    line of text below the pictures.
    """
    columns = min(width, depth.shape[1])
    rows = max(1, round(depth.shape[0] * columns / depth.shape[1]))
    small = picked(depth, rows, columns)
    view = camera and camera.resized(columns, rows)
    if rgb is None:
        picture = np.full((rows, columns, 3), 96, np.uint8)
    else:
        picture = cv2.resize(rgb, (columns, rows), interpolation=cv2.INTER_AREA)
    picture = show(picture, small, view, look)
    coloured = cv2.cvtColor(
        colour_depth(small, colours.near, colours.far, colours.colormap), cv2.COLOR_BGR2RGB)
    if confidence is not None and confidence.shape == depth.shape:
        coloured = (coloured * np.nan_to_num(
            picked(confidence, rows, columns)).clip(0, 1)[..., None]).astype(np.uint8)
    grid, unit = metres_grid(small if columns <= GRID else picked(
        depth, max(1, round(rows * GRID / columns)), GRID))
    frame = json.dumps({
        'camera': _text(jpeg(picture)), 'depth': _text(jpeg(coloured)),
        'grid': _text(grid.astype('<u2').tobytes()), 'rows': grid.shape[0],
        'columns': grid.shape[1], 'unit': unit, 'width': depth.shape[1], 'height': depth.shape[0],
        'stamp': str(stamp), 'caption': caption})
    known = small[np.isfinite(small)]
    cloud = _cloud(small, picture, view, points)
    return Shown(_HAND_OVER.format(frame=html.escape(frame)), *cloud,
                 float(np.median(known)) if known.size else 0.0)


def jpeg(rgb: np.ndarray) -> bytes:
    """Picture (H, W, 3) uint8 -> JPEG."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), QUALITY, colorsubsampling='420')


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _cloud(
    depth: np.ndarray, rgb: np.ndarray, camera: Intrinsics | None, most: int,
) -> tuple[np.ndarray, np.ndarray]:
    if camera is None:
        return np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8)
    scale = min(1.0, np.sqrt(most / depth.size))
    rows, columns = (max(1, int(side * scale)) for side in depth.shape)
    points = unproject(picked(depth, rows, columns), camera.resized(columns, rows))
    known = np.isfinite(points[..., 2])
    return points[known], picked(rgb, rows, columns)[known]
