"""Pairs of the model's inverse depth and a reference's, for affine_fit.fit_affine. No ROS here."""
import numpy as np

from ..images.intrinsics import Intrinsics

LIMIT = 10_000    # samples that a fit gets at most: more cost time and tell nothing new

Samples = tuple[np.ndarray, np.ndarray]    # (N,) inverse depth of the model, (N,) 1/z in 1/m


def samples_from_depth_image(
    d: np.ndarray, reference: np.ndarray, limit: int = LIMIT,
) -> Samples:
    """Pair the model's inverse depth (h, w) with a reference depth (H, W) in metres along z.

    Both are images of the same view; sizes may differ, and each pixel of the reference takes the
    model's pixel at its centre. 0, negative, NaN and infinite reference is no value. Of more than
    `limit` samples a random choice is returned, always the same for the same count.
    """
    inside = (reference > 0) & (reference <= 1e30)
    index = np.flatnonzero(inside)
    if index.size > limit:
        index = index[np.random.default_rng(0).integers(index.size, size=limit)]
    v, u = np.divmod(index, reference.shape[1])
    # pixel centres: (u + 0.5) * w / W - 0.5, rounded to the nearest, in integers
    v = (2 * v + 1) * d.shape[0] // (2 * reference.shape[0])
    u = (2 * u + 1) * d.shape[1] // (2 * reference.shape[1])
    return _finite(d[v, u], 1 / reference.ravel()[index].astype(np.float64))


def samples_from_points(
    d: np.ndarray, intrinsics: Intrinsics, points: np.ndarray, min_depth: float = 0.05,
    max_depth: float = np.inf, cell: int = 4, limit: int = LIMIT,
) -> Samples:
    """Pair the model's inverse depth (h, w) with points (N, 3) in metres in its optical frame.

    intrinsics: the camera of an image of d's size; ValueError for another. Points behind the
    camera or outside of the image, the depth range or numbers are dropped. Of those that fall into
    one cell of cell x cell pixels the nearest stays: a lidar beside the camera also sees what
    hides behind an edge. Of more than `limit` samples a random choice is returned.
    """
    intrinsics.check_size(d, 'inverse depth')
    x, y, z = np.asarray(points, np.float32).reshape(-1, 3).T
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        u = np.rint(x / z * np.float32(intrinsics.fx) + np.float32(intrinsics.cx))
        v = np.rint(y / z * np.float32(intrinsics.fy) + np.float32(intrinsics.cy))
        keep = ((z > min_depth) & (z <= min(max_depth, 1e30))    # NaN compares false
                & (u >= 0) & (u < intrinsics.width) & (v >= 0) & (v < intrinsics.height))
    u, v, z = u[keep].astype(np.intp), v[keep].astype(np.intp), z[keep]

    columns = -(-intrinsics.width // cell)
    place = v // cell * columns + u // cell
    farthest_first = np.argsort(-z)
    nearest = np.full(columns * -(-intrinsics.height // cell), -1, np.intp)
    nearest[place[farthest_first]] = farthest_first    # the last to be written stays
    chosen = nearest[nearest >= 0]
    if chosen.size > limit:
        chosen = chosen[np.random.default_rng(0).integers(chosen.size, size=limit)]
    return _finite(d[v[chosen], u[chosen]], 1 / z[chosen].astype(np.float64))


def _finite(d: np.ndarray, metric_inverse: np.ndarray) -> Samples:
    keep = np.isfinite(d)
    return d[keep].astype(np.float64), metric_inverse[keep]
