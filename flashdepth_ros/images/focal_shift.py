"""The camera's focal length, and where depth begins, from a map of points up to scale. No ROS here.

Find the focal length f and the shift s along z for which f * (x, y) / (z + s) = (u, v), as MoGe
(Wang et al. 2025, arXiv 2410.19115, section 3.1). u and v are coordinates in the view, u right and
v down, in which half of the image's diagonal is 1; so f is the focal length over half the diagonal.
"""
import math

import numpy as np

from .intrinsics import Intrinsics

STEPS = 20        # of Gauss-Newton at most: 8 were enough for all maps that were tried
SETTLED = 1e-7    # a step that is smaller is the last
FEWEST = 2        # points without which nothing can be told


def relative_focal(camera: Intrinsics) -> float:
    """Return a camera's focal length over half the diagonal of its image."""
    return 2 * math.sqrt(camera.fx * camera.fy) / math.hypot(camera.width, camera.height)


def camera_of(focal: float, width: int, height: int) -> Intrinsics:
    """Return the ideal camera of such a focal length: square pixels, the axis in the middle."""
    pixels = focal * math.hypot(width, height) / 2
    return Intrinsics(pixels, pixels, (width - 1) / 2, (height - 1) / 2, width, height)


def view_coordinates(
    columns: np.ndarray, rows: np.ndarray, width: int, height: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return u of columns and v of rows of an image of width x height pixels."""
    diagonal = math.hypot(width, height)
    return (2 * columns + 1 - width) / diagonal, (2 * rows + 1 - height) / diagonal


def solve(
    xy: np.ndarray, z: np.ndarray, uv: np.ndarray, focal: float | None = None,
) -> tuple[float, float] | None:
    """Return focal length and shift of points, in the least squares of (u, v); None without any.

    xy: (2, N) and z: (N,), up to one scale. uv: (2, N) where they are seen. focal: is kept where it
    is given. The shift has the scale of z. Of fewer than two points the focal length is 1, or the
    given one, and the shift 0. Undamped Gauss-Newton from a shift of 0; None where it finds nothing
    that is a camera.
    """
    if z.size < FEWEST:
        return focal or 1.0, 0.0
    xy, z, uv = (np.asarray(a, np.float64) for a in (xy, z, uv))
    shift = 0.0
    with np.errstate(all='ignore'):  # where a step leads astray, the end is no number
        for _ in range(STEPS):
            f, slope, q, dq = _focal_and_slope(xy, z + shift, uv, focal)
            jacobian = slope * q + f * dq
            step = -float((jacobian * (f * q - uv)).sum() / (jacobian * jacobian).sum())
            shift += step
            if not abs(step) > SETTLED * max(1.0, abs(shift)):
                break
        f = _focal_and_slope(xy, z + shift, uv, focal)[0]
    if not (math.isfinite(shift) and math.isfinite(f) and f > 0):
        return None
    return f, shift


def _focal_and_slope(
    xy: np.ndarray, z: np.ndarray, uv: np.ndarray, focal: float | None,
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Return f, its derivative by the shift, q = (x, y) / z and q's derivative, both (2, N)."""
    q = xy / z
    dq = -q / z
    if focal is not None:
        return focal, 0.0, q, dq
    above, below = (q * uv).sum(), (q * q).sum()
    slope = ((dq * uv).sum() * below - above * 2 * (q * dq).sum()) / below ** 2
    return float(above / below), float(slope), q, dq
