"""What a trial of scale.mode motion is made of: odometry with errors, depth of known scale."""
from collections.abc import Callable
from dataclasses import dataclass, replace
import math

import cv2
import numpy as np

from ..images.intrinsics import Intrinsics
from ..metres.motion import MotionFitter
from ..metres.motion_pose import vector_of
from ..metres.tracker import motion_tracker

SECOND = 1_000_000_000
SPINNING = 6.0, 8.0    # seconds of a drive in which wheels spin


@dataclass(frozen=True)
class Drive:
    """A drive: grey (n, H, W) uint8, true inverse depth (n, h, w) in 1/m, poses (n, 4, 4).

    pitch: in radians, of the camera as it is mounted, nose down.
    """

    grey: np.ndarray
    inverse: np.ndarray
    poses: np.ndarray
    pitch: float
    camera: Intrinsics
    rate: float = 10.0

    @property
    def travelled(self) -> np.ndarray:
        """Metres of way over the floor at each frame (n,)."""
        steps = np.linalg.norm(np.diff(self.poses[:, :2, 3], axis=0), axis=1)
        return np.concatenate([[0], np.cumsum(steps)])


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


def _about(axis: int, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    rotation, (i, j) = np.eye(3), ((1, 2), (2, 0), (0, 1))[axis]
    rotation[i, i] = rotation[j, j] = c
    rotation[i, j], rotation[j, i] = -s, s
    return rotation


FRONT = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


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
        result = np.eye(4)
        if not errors.wheels:
            index = round(time * drive.rate)
            result = drive.poses[index].copy()
            result[:3, 3] *= 1 + errors.length
            return result
        heading = np.interp(time, times, yaw + wrong)
        result[:3, :3] = _about(2, heading) @ _about(1, drive.pitch + errors.pitch) @ FRONT
        result[:3, 3] = np.interp(time, times, x), np.interp(time, times, y), 0
        return result
    return pose


def with_rolling_shutter(drive: Drive, readout: float) -> Drive:
    """Return a drive whose images' lowest rows were taken `readout` seconds after their stamps.

    Each row is what the camera sees from where it is then, to first order, by the true depth.
    """
    height, width = drive.grey.shape[1:]
    camera = drive.camera.resized(width, height)
    x, y = camera.rays()
    rays = np.stack([*np.broadcast_arrays(x[None], y[:, None]), np.ones((height, width))], -1)
    delays = np.arange(height) / height * readout * drive.rate    # in frames
    grey, inverse = drive.grey.copy(), drive.inverse.copy()
    rows, columns = drive.inverse.shape[1:]
    for index in range(len(grey) - 1):
        step = np.linalg.inv(drive.poses[index]) @ drive.poses[index + 1]
        turns = delays[:, None] * vector_of(step[:3, :3])    # (height, 3)
        turned = rays + np.cross(turns[:, None], rays)
        near = cv2.resize(drive.inverse[index], (width, height))[..., None]
        seen = turned + near * delays[:, None, None] * step[:3, 3]
        place = (seen[..., :2] / seen[..., 2:] * (camera.fx, camera.fy)
                 + (camera.cx, camera.cy)).astype(np.float32)
        grey[index] = cv2.remap(drive.grey[index], place[..., 0], place[..., 1], cv2.INTER_LINEAR,
                                borderMode=cv2.BORDER_REPLICATE)
        small = cv2.resize(place, (columns, rows)) * np.float32(columns / width)
        inverse[index] = cv2.remap(
            drive.inverse[index], small[..., 0], small[..., 1], cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_REPLICATE)
    return replace(drive, grey=grey, inverse=inverse)


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
    uncertainty. fits: whether there was one. travelled: metres of way.
    """

    error: np.ndarray
    claimed: np.ndarray
    fits: np.ndarray
    travelled: np.ndarray
    reasons: list[str]


def follow(
    drive: Drive, d: Callable[[int], np.ndarray], right: tuple[float, float] | None,
    pose: Callable[[int], np.ndarray | None], shift_known: bool,
) -> Result:
    """Follow the scale along a drive; right: factor and shift, None where truth tells (median)."""
    fitter, tracker = MotionFitter(shift_known), motion_tracker(0.02)
    n = len(drive.grey)
    error, claimed = np.full(n, np.nan), np.full(n, np.nan)
    fits, reasons = np.zeros(n, bool), []
    for index in range(n):
        stamp = round(index * SECOND / drive.rate) + SECOND
        now = d(index)
        scale = tracker.at(stamp)
        of, fit, reason = fitter.fit(
            stamp, drive.grey[index], now, drive.camera, lambda at: pose(at - SECOND),
            None if scale is None else (scale.factor, scale.shift))
        reasons.append(reason)
        if fit is not None:
            tracker.update(of, fit)
            fits[index] = True
        scale = tracker.at(stamp)
        if scale is not None:
            middle = float(np.median(now))
            truth = (right[0] * middle + right[1] if right is not None
                     else float(np.median(drive.inverse[index])))
            told = scale.factor * middle + scale.shift
            if right is None:
                valid = drive.inverse[index] > 0.02
                ratio = (scale.factor * now + scale.shift)[valid] / drive.inverse[index][valid]
                error[index] = -float(np.log(max(np.median(ratio), 1e-6)))
            else:
                error[index] = -math.log(max(told, 1e-6) / truth)
            claimed[index] = scale.uncertainty
    return Result(error, claimed, fits, drive.travelled, reasons)
