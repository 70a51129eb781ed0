"""How a camera has moved between two frames: odometry, refined by tracked corners. No ROS here."""
from dataclasses import dataclass
import math

import numpy as np

PIXEL = 0.4          # standard deviation of a corner's place, in pixels, at least
INDEPENDENT = 10     # tracks: blur and drift spoil many alike, so that more tell no more


@dataclass(frozen=True)
class Prior:
    """How far the odometry's motion may be from the camera's: standard deviations in radians.

    Wheels see nothing of a nod: rotation. sideways, upwards: of the direction of travel. beside,
    above: metres by which the camera may be beside its way, as springs and tyres let it, which
    bends the direction of a short one more.
    """

    rotation: float = math.radians(4)
    sideways: float = math.radians(3)
    upwards: float = math.radians(3)
    beside: float = 0.005
    above: float = 0.015

    def of(self, length: float) -> np.ndarray:
        """Return the deviations (5,) of turn and direction over a way of this length in metres."""
        return np.array([*[self.rotation] * 3, math.hypot(self.sideways, self.beside / length),
                         math.hypot(self.upwards, self.above / length)])


@dataclass(frozen=True)
class Motion:
    """x2 = rotation @ x1 + translation: points of the first camera's frame in the second's.

    covariance: (5, 5), of a turn (3) and of the translation's direction along `across` (2, 3),
    in radians. sigma: robust standard deviation of the tracks' epipolar error in pixels. turned,
    bent: by how many radians rotation and direction left the odometry.
    """

    rotation: np.ndarray
    translation: np.ndarray
    across: np.ndarray
    covariance: np.ndarray
    sigma: float
    turned: float
    bent: float

    def moved(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rotation and translation after a small step (5,)."""
        return _moved(self.rotation, self.translation, self.across, step)


def rotation_of(vector: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) about a vector (3,), by its length in radians."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle < 1e-9:
        return np.eye(3) + cross
    return (np.eye(3) + math.sin(angle) / angle * cross
            + (1 - math.cos(angle)) / angle ** 2 * cross @ cross)


def vector_of(rotation: np.ndarray) -> np.ndarray:
    """Return the vector (3,) that a rotation (3, 3) of less than half a turn is about."""
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0],
                     rotation[1, 0] - rotation[0, 1]]) / 2
    sine = float(np.linalg.norm(axis))
    angle = math.atan2(sine, (np.trace(rotation) - 1) / 2)
    return axis if sine < 1e-9 else axis * (angle / sine)


def refine(
    first: np.ndarray, second: np.ndarray, rotation: np.ndarray, translation: np.ndarray,
    focal: float, prior: Prior, rounds: int = 12,
) -> Motion:
    """Refine rotation and direction by the rays (N, 2) of tracks in two frames; keep the length.

    rotation (3, 3), translation (3,): by odometry, as in Motion.
    Gauss and Newton's way over Sampson's error with Geman and McClure's weights, and the odometry
    as a prior: direction and turn to the side can hardly be told apart by tracks alone.
    """
    x1, x2 = (np.concatenate([rays, np.ones((len(rays), 1))], 1) for rays in (first, second))
    length = float(np.linalg.norm(translation))
    way = translation / length
    across = _across(way)
    information = np.diag(1 / prior.of(length) ** 2)
    given, given_way = rotation, way
    sigma = 3.0
    hessian = information
    for index in range(rounds):
        error, slope = _sampson(x1, x2, rotation, way, across)
        error, slope = error * focal, slope * focal
        sigma = max(PIXEL, min(sigma, 1.4826 * float(np.median(np.abs(error)))))
        width = max(3 * sigma, 8.0 * 0.5 ** index)    # from wide to narrow
        weight = (1 / (1 + (error / width) ** 2) ** 2) / sigma ** 2
        shrink = min(1.0, INDEPENDENT / max(float((weight * sigma ** 2).sum()), 1.0))
        weight = weight * shrink
        offset = np.concatenate([
            vector_of(rotation @ given.T),
            across @ given_way * -1.0])    # of the way now, seen from the one that was given
        hessian = (slope * weight[:, None]).T @ slope + information
        gradient = slope.T @ (weight * error) + information @ offset
        step = -np.linalg.solve(hessian, gradient)
        length_of_step = float(np.linalg.norm(step))
        if length_of_step > 0.1:
            step *= 0.1 / length_of_step
        rotation, way = _moved(rotation, way, across, step)
        across = _across(way)
        if length_of_step < 2e-5 and index >= 4:
            break
    bent = math.acos(min(1.0, max(-1.0, float(way @ given_way))))
    return Motion(rotation, way * length, across, np.linalg.inv(hessian), sigma,
                  float(np.linalg.norm(vector_of(rotation @ given.T))), bent)


def _across(way: np.ndarray) -> np.ndarray:
    """Return two directions (2, 3) across a unit vector: sideways, and up or down."""
    down = np.array([0.0, 1.0, 0.0]) if abs(way[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    side = np.cross(down, way)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(way, side)])


def _moved(
    rotation: np.ndarray, translation: np.ndarray, across: np.ndarray, step: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    length = np.linalg.norm(translation)
    way = translation / length + across.T @ step[3:]
    return rotation_of(step[:3]) @ rotation, way / np.linalg.norm(way) * length


def _sampson(
    x1: np.ndarray, x2: np.ndarray, rotation: np.ndarray, way: np.ndarray, across: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return Sampson's error (N,) of rays at depth 1 (N, 3), and its slopes (N, 5).

    The slopes leave out how the denominator changes, which is small.
    """
    turned = x1 @ rotation.T                      # R x1
    x, y, z = way
    along = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])    # along @ v = t x v
    line2 = turned @ along.T                      # E x1
    beside = x2 @ along                           # x2 x t
    line1 = beside @ rotation                     # E^T x2 = R^T (x2 x t)
    value = (x2 * line2).sum(1)
    scale = 1 / np.sqrt((line2[:, :2] ** 2).sum(1) + (line1[:, :2] ** 2).sum(1) + 1e-12)
    # x2 . (t x R x1): turning R x1 by w adds x2 . (t x (w x R x1)) = w . (R x1 x (x2 x t))
    turn = _cross(turned, beside)
    # adding u to t: x2 . (u x R x1) = u . (R x1 x x2)
    bend = _cross(turned, x2) @ across.T
    return value * scale, np.concatenate([turn, bend], 1) * scale[:, None]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return np.cross of vectors (N, 3), for 200 of them in a fraction of its time."""
    return a[:, [1, 2, 0]] * b[:, [2, 0, 1]] - a[:, [2, 0, 1]] * b[:, [1, 2, 0]]
