"""The scale from the camera's height over a flat floor. No ROS here."""
import numpy as np

from ..images.intrinsics import Intrinsics
from .affine_fit import INDEPENDENT_SAMPLES, TUKEY, Fit

HYPOTHESES = 400     # with 40 % outliers three samples are good with 0.22: some 86 good ones
SAMPLES = 4000       # that are fitted
SCORED_SAMPLES = 1000    # that rank the hypotheses
ANY_PITCH = (0.0, 45.0)    # degrees that a camera looks down whose pitch nobody told


def fit_ground(
    d: np.ndarray, intrinsics: Intrinsics, camera_height: float, shift: float = 0.0, *,
    pitch: tuple[float, float] = ANY_PITCH, roll: float = 0.0, max_tilt: float = 10.0,
    tolerance: float = 0.05, min_inliers: float = 0.25, seed: int = 0,
) -> tuple[Fit | None, str]:
    """Fit the factor so that the floor lies camera_height below; (fit, '') or (None, why not).

    d: (h, w) inverse depth; intrinsics: the camera of an image of that size, ValueError for
    another; camera_height: metres. pitch: how far the camera looks down at least and at most, roll:
    how far it is turned about its axis, clockwise as it looks; in degrees, as it is mounted, which
    may be off by max_tilt. shift: in 1/m, kept. tolerance: the relative depth error within which a
    pixel belongs to the floor.

    With rays r = (x/z, y/z, 1) the floor n . p = height is linear in inverse depth,
    factor * d + shift = n . r / height, so the plane is fitted to d without unprojecting anything.
    It also shows what cannot be seen: a wrong shift changes the plane's third coefficient alone,
    which is just what a pitch does. The floor stays flat, and the shift must be known (0 for
    FlashDepth and metric models).

    The lower half of the image is looked at: planes through three random pixels, those within
    max_tilt, the best by truncated squared error, refined by Tukey's reweighting. 4 ms.
    """
    intrinsics.check_size(d, 'inverse depth')
    rng = np.random.default_rng(seed)
    first = d.shape[0] // 2
    index = rng.integers(first * d.shape[1], d.size, size=SAMPLES)
    v, u = np.divmod(index, d.shape[1])
    x, y = intrinsics.rays()
    rays = np.stack([x[u], y[v], np.ones(SAMPLES, np.float32)], 1).astype(np.float64)
    seen = d[v, u].astype(np.float64)
    valid = np.isfinite(seen) & (seen > 0)
    rays, seen = rays[valid], seen[valid]
    if seen.size < SAMPLES // 10:
        return None, 'the lower half of the image has hardly any depth'
    weight = 1 / seen

    corners = rng.integers(seen.size, size=(HYPOTHESES, 3))
    regular = np.abs(np.linalg.det(rays[corners])) > 1e-6
    corners = corners[regular]
    planes = np.linalg.solve(rays[corners], seen[corners][..., None])[..., 0]    # (K, 3)
    factors, tilts = _place(planes, camera_height, shift, pitch, roll)
    planes = planes[(factors > 0) & (tilts <= max_tilt)]
    if not len(planes):
        return None, f'no plane within {max_tilt:g} degrees of the floor lies below the camera'
    few = slice(0, SCORED_SAMPLES)
    errors = (planes @ rays[few].T - seen[few]) * weight[few]    # (K, samples), relative
    plane = planes[np.argmin(np.minimum(errors ** 2, tolerance ** 2).sum(1))]

    sigma = tolerance / 2
    for _ in range(10):
        error = np.abs(rays @ plane - seen) * weight
        trust = np.maximum(1 - (error / (TUKEY * sigma)) ** 2, 0) ** 2 * weight ** 2
        weighted = rays * trust[:, None]
        try:
            refined = np.linalg.solve(rays.T @ weighted, weighted.T @ seen)
        except np.linalg.LinAlgError:
            return None, 'the floor is too narrow in the image'
        settled = np.allclose(plane, refined, rtol=1e-5, atol=0)
        plane = refined
        near = error[error < 3 * sigma]
        if near.size:
            sigma = min(max(1.4826 * np.median(near), 0.002), tolerance / 2)
        if settled:
            break
    error = np.abs(rays @ plane - seen) * weight
    inlier = error < max(3 * sigma, 0.02)
    share = float(inlier.mean())
    (factor,), (tilt,) = _place(plane[None], camera_height, shift, pitch, roll)
    if share < min_inliers:
        return None, (f'only {share:.0%} of the lower half of the image is floor; '
                      f'{min_inliers:.0%} are needed')
    if not factor > 0 or tilt > max_tilt:
        return None, (f'the flattest plane is tilted by {tilt:.0f} degrees against the floor; '
                      f'{max_tilt:g} are allowed')

    # d log factor along the plane: the factor makes |factor * plane + shift * e_z| 1 / height
    information = (rays[inlier] * weight[inlier, None] ** 2).T @ rays[inlier]
    scale = sigma ** 2 * max(1, inlier.sum() / INDEPENDENT_SAMPLES)
    normal = factor * plane + (0, 0, shift)
    gradient = -normal / (normal @ plane)
    variance = scale * gradient @ np.linalg.solve(information, gradient)
    if not variance <= 0.2 ** 2:
        return None, 'the floor is too narrow in the image'
    pivot = float(np.median(factor * seen[inlier] + shift))
    return Fit(float(factor), shift, share, seen.size, float(sigma), pivot,
               np.diag([variance, 0.0]), False), ''


def _place(
    planes: np.ndarray, height: float, shift: float, pitch: tuple[float, float], roll: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Planes (K, 3), d = plane . ray -> factors (K,), NaN for none, and tilts (K,) in degrees.

    The normal n = height * (factor * plane + shift * e_z) has length 1, which is a quadratic
    equation for the factor.
    """
    a = (planes ** 2).sum(1)
    b = shift * planes[:, 2]
    c = shift ** 2 - 1 / height ** 2
    with np.errstate(invalid='ignore', divide='ignore'):
        factors = (np.sqrt(b * b - a * c) - b) / a
        normals = height * (factors[:, None] * planes + (0, 0, shift))
        down, turned = tilts(normals)
        turned = (turned - roll + 180) % 360 - 180
        return factors, np.hypot(down - np.clip(down, *pitch),
                                 turned * np.cos(np.radians(down)))


def tilts(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pitches and rolls (K,), in degrees, of a camera that sees down as (K, 3).

    normals: of length 1, in its optical frame. Pitch: how far it looks down; roll: how far it is
    turned about its axis, clockwise as it looks.
    """
    return (np.degrees(np.arcsin(np.clip(normals[:, 2], -1, 1))),
            np.degrees(np.arctan2(normals[:, 0], normals[:, 1])))
