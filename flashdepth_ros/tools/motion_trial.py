"""What a trial of scale.mode motion is made of: odometry with errors, depth of known scale."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import math
import time

import cv2
import numpy as np

from ..metres.motion import MotionFitter
from ..metres.motion_pose import Motion
from ..metres.motion_samples import Triangulation
from ..metres.motion_tracks import CornerTracker, Tracks
from ..metres.motion_views import View
from ..metres.pose_history import mounted
from ..metres.tracker import motion_tracker
from .motion_drives import Drive

SECOND = 1_000_000_000
SPINNING = 6.0, 8.0    # seconds of a drive in which wheels spin


@dataclass(frozen=True)
class Errors:
    """What is wrong with the odometry of a trial.

    length: relative. yaw: radians per metre. delay: of the stamps, seconds. pitch: of the camera as
    it is known, radians. wheels: it sees neither nod nor bob nor roll. slip: metres per second that
    it claims to go beside what it does. spin: relative, of the lengths while SPINNING. lever:
    metres that the camera is thought to be too far ahead and too far left of the turning axis.
    """

    length: float = 0.0
    yaw: float = 0.0
    delay: float = 0.0
    pitch: float = 0.0
    wheels: bool = True
    slip: float = 0.0
    spin: float = 0.0
    lever: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def usual(cls, rng: np.random.Generator) -> 'Errors':
        """Return errors as of a robot that was calibrated once, their signs at random."""
        signs = rng.choice([-1, 1], 4)
        return cls(0.02 * signs[0], math.radians(1) * signs[1], 0.03 * signs[2],
                   math.radians(1.5) * signs[3])


def odometry(drive: Drive, errors: Errors) -> Callable[[int], np.ndarray | None]:
    """Return what odometry tells of the camera's pose at a stamp in ns."""
    places, ahead = drive.poses[:, :3, 3], drive.poses[:, :3, 2]
    yaw = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    steps = np.diff(places[:, :2], axis=0)
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(steps, axis=1))])
    wrong = errors.yaw * way
    c, s = np.cos(wrong[:-1]), np.sin(wrong[:-1])
    steps = (1 + errors.length) * np.stack(
        [c * steps[:, 0] - s * steps[:, 1], s * steps[:, 0] + c * steps[:, 1]], 1)
    forward = np.stack([np.cos(yaw + wrong), np.sin(yaw + wrong)], 1)
    steps = steps + errors.slip / drive.rate * forward[:-1]
    times = np.arange(len(places)) / drive.rate
    spins = (times[:-1] >= SPINNING[0]) & (times[:-1] < SPINNING[1])
    steps = steps * np.where(spins, 1 + errors.spin, 1)[:, None]
    further, left = errors.lever
    x, y = (np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]) + further * forward
            + left * forward[:, ::-1] * (-1, 1)).T

    def pose(stamp: int) -> np.ndarray | None:
        time = stamp / SECOND + errors.delay
        if not 0 <= time <= times[-1]:
            time = min(max(time, 0.0), times[-1])
        if not errors.wheels:
            index = round(time * drive.rate)
            result = drive.poses[index].copy()
            result[:3, 3] *= 1 + errors.length
            return result
        heading = np.interp(time, times, yaw + wrong)
        return mounted(float(np.interp(time, times, x)), float(np.interp(time, times, y)), 0.0,
                       0.0, drive.pitch + errors.pitch, float(heading))
    return pose


def imagined_depth(
    drive: Drive, seed: int, affine: bool,
) -> tuple[Callable[[int], np.ndarray], float, float]:
    """Return a network's d of a frame, of unknown factor and perhaps shift, and those two.

    Its error is 7 % that stays, 5 % that comes anew, both smooth, and 5 % in each pixel; none of
    them changes the mean.
    """
    rng = np.random.default_rng([seed, 9])
    factor = float(np.exp(rng.uniform(-1.0, 1.0)))
    shift = float(rng.choice([-0.1, 0.1])) if affine else 0.0
    height, width = drive.inverse.shape[1:]

    def smooth(generator: np.random.Generator) -> np.ndarray:
        field = cv2.resize(generator.standard_normal((6, 8)).astype(np.float32), (width, height),
                           interpolation=cv2.INTER_CUBIC)
        return (field - field.mean()) / field.std()
    fixed = smooth(rng)

    def d(index: int) -> np.ndarray:
        fresh = np.random.default_rng([seed, 10, index])
        noise = (0.07 * fixed + 0.05 * smooth(fresh)
                 + 0.05 * fresh.standard_normal((height, width), dtype=np.float32))
        p = drive.inverse[index].astype(np.float32) * np.exp(noise)
        return (p - shift) / factor
    return d, factor, shift


@dataclass
class Result:
    """What a trial gave for each frame (n,).

    error: log of the published depth over the right one, NaN without a scale. claimed: its
    uncertainty. fits: whether there was one. factor: the published one. travelled: metres of way.
    milliseconds: of processor time a frame. beside: log of the factor of the corners' true depths
    over this one, where it was asked for.
    """

    error: np.ndarray
    claimed: np.ndarray
    fits: np.ndarray
    factor: np.ndarray
    travelled: np.ndarray
    reasons: list[str]
    milliseconds: float
    beside: np.ndarray | None = None

    @property
    def has(self) -> np.ndarray:
        """Tell at which frames (n,) there is a scale."""
        return np.isfinite(self.error)


class Followed(CornerTracker):
    """Corners that were followed before, for trials of the same pictures."""

    def __init__(self, tracks: Sequence[Tracks | None]):
        super().__init__()
        self._tracks = iter(tracks)

    def follow(
        self, grey: np.ndarray, focal: np.ndarray, centre: np.ndarray,
        rotation: np.ndarray | None = None,
    ) -> Tracks | None:
        return next(self._tracks)


def tracks_of(drive: Drive, pose: Callable[[int], np.ndarray | None]) -> list[Tracks | None]:
    """Follow a drive's corners, with the odometry's rotation to start from."""
    tracker, camera = CornerTracker(), drive.camera
    focal, centre = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    before: np.ndarray | None = None
    found: list[Tracks | None] = []
    for index, grey in enumerate(drive.grey):
        now = pose(round(index * SECOND / drive.rate))
        turn = None if before is None or now is None else now[:3, :3].T @ before[:3, :3]
        found.append(tracker.follow(grey, focal, centre, turn))
        if found[-1] is not None:
            before = now
    return found


class TruthFitter(MotionFitter):
    """Fits the true depths of the corners that the motion would have told: the best there is."""

    def __init__(self, drive: Drive, tracker: CornerTracker | None):
        super().__init__(True, tracker=tracker)
        self._drive = drive

    def _triangulate(
        self, view: View, before: np.ndarray, rays: np.ndarray, motion: Motion,
    ) -> Triangulation:
        inverse = self._drive.inverse[round((view.stamp / SECOND - 1) * self._drive.rate)]
        camera = self._drive.camera.resized(inverse.shape[1], inverse.shape[0])
        u, v = np.rint(rays * (camera.fx, camera.fy) + (camera.cx, camera.cy)).astype(np.intp).T
        return replace(super()._triangulate(view, before, rays, motion), inverse=inverse[
            v.clip(0, inverse.shape[0] - 1), u.clip(0, inverse.shape[1] - 1)].astype(np.float64))


def follow(
    drive: Drive, d: Callable[[int], np.ndarray], right: tuple[float, float] | None,
    pose: Callable[[int], np.ndarray | None], shift_known: bool,
    corners: CornerTracker | None = None, truth: bool = False,
) -> Result:
    """Follow the scale along a drive; right: factor and shift, None where truth tells (median).

    corners: followed before. truth: the corners' true depths are fitted.
    """
    fitter = (TruthFitter(drive, corners) if truth
              else MotionFitter(shift_known, tracker=corners))
    tracker, n, spent = motion_tracker(0.02), len(drive.grey), 0.0
    error, claimed, factors = (np.full(n, np.nan) for _ in range(3))
    fits, reasons = np.zeros(n, bool), []
    for index in range(n):
        stamp = round(index * SECOND / drive.rate) + SECOND
        now = d(index)
        begin = time.process_time()
        scale = tracker.at(stamp)
        of, fit, reason = fitter.fit(
            stamp, drive.grey[index], now, drive.camera, lambda at: pose(at - SECOND),
            None if scale is None else (scale.factor, scale.shift))
        reasons.append(reason)
        if fit is not None:
            tracker.update(of, fit)
            fits[index] = True
        scale = tracker.at(stamp, fitter.unseen)
        spent += time.process_time() - begin
        if scale is not None:
            error[index] = _error(scale.factor, scale.shift, now, drive.inverse[index], right)
            claimed[index], factors[index] = scale.uncertainty, scale.factor
    return Result(error, claimed, fits, factors, drive.travelled, reasons, 1e3 * spent / n)


def _error(
    factor: float, shift: float, d: np.ndarray, inverse: np.ndarray,
    right: tuple[float, float] | None,
) -> float:
    """Return the log of the median depth over the right one."""
    if right is not None:
        middle = float(np.median(d))
        return -math.log(max(factor * middle + shift, 1e-6) / (right[0] * middle + right[1]))
    valid = inverse > 0.02
    return -math.log(max(float(np.median(
        (factor * d + shift)[valid] / inverse[valid])), 1e-6))
