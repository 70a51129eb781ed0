"""Metric inverse depth of tracked corners, and the network's beside it. No ROS here."""
from dataclasses import dataclass

import numpy as np

from .motion_pose import PIXEL, Motion

EPIPOLAR = 1.0      # pixels that a corner may lie off its line
SHARPNESS = 0.15    # largest relative error of an inverse depth that is predicted
REACH = 4           # pixels of 640 around a corner in which the network's depth must be flat
SIGHT = 0.02        # 1/m: an inverse depth below this is no measurement


@dataclass(frozen=True)
class Triangulation:
    """Inverse depths (N,) in the second frame, and which of the tracks can be used.

    noise: their errors as predicted, in 1/m. met: the tracks (N,) whose rays meet; good: those that
    are also known well; far: those that are known well for so far. slopes: (N, 5) of the inverse
    depths with the steps of Motion.moved.
    """

    inverse: np.ndarray
    noise: np.ndarray
    met: np.ndarray
    good: np.ndarray
    far: np.ndarray
    slopes: np.ndarray


def triangulate(
    first: np.ndarray, second: np.ndarray, motion: Motion, focal: float,
) -> Triangulation:
    """Find the inverse depths of tracks (N, 2), rays at depth 1, from the camera's motion.

    They are solved for linearly, as their error is linear in pixels. What is kept is chosen by the
    error that the baseline predicts, not by the parallax that was seen, which would prefer noise.
    """
    inverse, across, off = _solve(first, second, motion.rotation, motion.translation)
    predicted = PIXEL / (focal * np.maximum(across, 1e-9))
    typical = max(float(np.median(inverse[inverse > 0])) if (inverse > 0).any() else 0.0, SIGHT)
    met = np.abs(off) * focal < EPIPOLAR
    near = met & (inverse > 0) & (inverse < 50 * typical)
    good = near & (inverse > SIGHT) & (predicted < SHARPNESS * np.maximum(inverse, 0.0))
    far = near & ~good & (inverse < typical) & (predicted < SHARPNESS * typical)
    step = 1e-4
    slopes = np.stack([
        (_solve(first, second, *motion.moved(step * way))[0] - inverse) / step
        for way in np.eye(5)], 1)
    return Triangulation(inverse, predicted, met, good, far, slopes)


def pose_sigma(solved: Triangulation, motion: Motion, good: np.ndarray) -> float:
    """Return the relative error of the inverse depths `good` that all share through the pose's."""
    slope = np.median(solved.slopes[good] / solved.inverse[good, None], axis=0)
    return float(np.sqrt(slope @ motion.covariance @ slope))


def _solve(
    first: np.ndarray, second: np.ndarray, rotation: np.ndarray, translation: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Return inverse depths, the baseline across the rays, and how far these pass each other."""
    rays = np.concatenate([second, np.ones((len(second), 1))], 1)
    # x1 ~ a + inverse * b
    a, b = rays @ rotation, -(translation @ rotation)
    seen = first
    lever = b[:2] - seen * b[2]
    gap = seen * a[:, 2:] - a[:, :2]
    square = np.maximum((lever ** 2).sum(1), 1e-18)
    inverse = (lever * gap).sum(1) / square
    off = (lever[:, 0] * gap[:, 1] - lever[:, 1] * gap[:, 0]) / np.sqrt(square)
    depth = np.maximum(a[:, 2] + inverse * b[2], 0.05)
    return inverse, np.sqrt(square) / depth, off / depth


def parallax(first: np.ndarray, second: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return by how many degrees (N,) tracks moved beside what the rotation makes of them."""
    x1 = np.concatenate([first, np.ones((len(first), 1))], 1) @ rotation.T
    x2 = np.concatenate([second, np.ones((len(second), 1))], 1)
    sine = np.linalg.norm(np.cross(x1, x2), axis=1)
    return np.degrees(np.arctan2(sine, (x1 * x2).sum(1)))


def look_up(
    d: np.ndarray, rays: np.ndarray, focal: np.ndarray, centre: np.ndarray,
    width: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the network's d (N,) at rays (N, 2), and by how much it varies around them (N,).

    d: (h, w), of the camera with focal and centre (2,). width: of the picture that was tracked.
    Corners lie on edges, where the network's depth is not that of the corner.
    """
    height, wide = d.shape
    place = rays * focal + centre
    u = np.clip(np.rint(place[:, 0]), 0, wide - 1).astype(np.intp)
    v = np.clip(np.rint(place[:, 1]), 0, height - 1).astype(np.intp)
    reach = max(1, round(REACH * wide / 640))
    around = []
    for dv in (-reach, 0, reach):
        for du in (-reach, 0, reach):
            around.append(d[np.clip(v + dv, 0, height - 1), np.clip(u + du, 0, wide - 1)])
    # the extremes of nine are noise; behind an edge lie three or more
    ordered = np.sort(np.stack(around).astype(np.float64), axis=0)
    return ordered[4], ordered[7] - ordered[1]
