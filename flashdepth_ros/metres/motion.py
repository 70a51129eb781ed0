"""The scale from the camera's own motion: corners triangulated over what odometry tells. No ROS.

Each frame's corners are remembered with the network's inverse depth at them. As soon as the pose of
a frame is known, it is compared with an earlier one, the keyframe, that shows the same corners from
a place far enough away.
"""
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
import math

import numpy as np

from ..images.intrinsics import Intrinsics
from .affine_fit import Fit
from .motion_fits import OPTIMISM, SAMPLES, Pool, fit_factor, region_of
from .motion_pose import Motion, Prior, refine
from .motion_samples import Triangulation, look_up, parallax, pose_sigma, triangulate
from .motion_tracks import CornerTracker
from .motion_views import BASELINE, Pair, View, remember, that_share, way, with_depths
from .region_fit import UNSEEN

WAITING = 4             # frames whose pose has not come yet
PARALLAX = (1.0, 4.0)   # degrees, median: at least, and enough
ACCEPTED = 0.3          # share of the tracks that must become samples
TURNED, BENT = math.radians(10), math.radians(6)    # how far the odometry may be off
FLAT = 0.25             # how much d may vary around a corner, relative
DOUBTS = 0.4, 12    # at most this share of so many comparisons may disagree with the odometry
STRETCHED = 0.12        # how far the way's length may be from what corners told before (log)
POSE_SIGMA = 0.15       # relative: above it the pose tells no scale
REPEATED = 0.04         # relative error of a network that all samples of some seconds repeat
BEGINNING = 0.3, 0.1    # relative errors of a first fit at a picture's far quartile and median
ELSEWHERE = 1.0, 1.0    # metres and radians after which a camera sees mostly other things

NO_POSE = 'the odometry tells no pose at the stamps of the images'

Pose = Callable[[int], np.ndarray | None]    # of the camera in the world, (4, 4), at a stamp in ns


@dataclass(frozen=True)
class MotionState:
    """What became of the newest frame that was looked at, for people.

    tracks: shared with the keyframe. parallax: median, in degrees, beside the rotation. accepted:
    share of the tracks that became samples. travelled: metres since the last fit. All NaN or 0
    where it did not come that far.
    """

    tracks: int = 0
    parallax: float = math.nan
    accepted: float = math.nan
    pose_sigma: float = math.nan
    travelled: float = math.nan


class MotionFitter:
    """Fits one camera's scale by its motion.

    shift_known: of models whose inverse depth has no unknown shift. prior: what odometry is good
    for.
    """

    def __init__(
        self, shift_known: bool, prior: Prior | None = None, tracker: CornerTracker | None = None,
    ):
        self._shift_known, self._prior = shift_known, prior or Prior()
        self._tracker = tracker or CornerTracker()
        self.forget()

    def forget(self) -> None:
        """Drop the stream so far: its corners, keyframes and samples."""
        self._tracker.forget()
        self._pool = Pool()
        self._disagreed: deque[bool] = deque(maxlen=DOUBTS[1])
        self._near = math.nan        # median inverse depth of the last samples, 1/m
        self._travelled = self._turned = 0.0    # since the last fit
        self.forget_keyframes()

    def forget_keyframes(self) -> None:
        """Drop what was seen from places that odometry no longer knows."""
        self._views: list[View] = []
        self._waiting: deque[View] = deque(maxlen=WAITING)
        self._last: np.ndarray | None = None    # pose
        self.state = MotionState()

    @property
    def unseen(self) -> float:
        """How far the scale may be off, relatively, where no fit has seen what the camera sees."""
        metres, radians = ELSEWHERE
        return UNSEEN * (1 - math.exp(-self._travelled / metres - self._turned / radians))

    def fit(
        self, stamp: int, grey: np.ndarray, d: np.ndarray, intrinsics: Intrinsics, pose: Pose,
        scale: tuple[float, float] | None = None,
    ) -> tuple[int, Fit | None, str]:
        """Take the frame of a stamp in ns; return (stamp, fit, why there is none).

        grey: (h, w) uint8. d: (h', w') the network's inverse depth. intrinsics: of either size.
        pose: may call forget_keyframes. scale: factor and shift so far. The fit may be of an
        earlier frame, whose pose was not known when it came.
        """
        if self._waiting and stamp <= self._waiting[-1].stamp:
            self.forget()
        height, width = grey.shape
        camera = intrinsics.resized(width, height)
        focal, centre = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
        tracks = self._tracker.follow(grey, focal, centre, self._expected_turn(stamp, pose))
        if tracks is None:
            return stamp, None, ''
        small = intrinsics.resized(d.shape[1], d.shape[0])
        seen, varies = look_up(d, tracks.rays, np.array([small.fx, small.fy]),
                               np.array([small.cx, small.cy]), width)
        self._waiting.append(View(
            stamp, tracks.ids, tracks.rays,
            region_of(tracks.rays * focal + centre, width, height), seen,
            self._is_flat(d, seen, varies, scale), np.percentile(d[::8, ::8], (25, 50)),
            math.sqrt(camera.fx * camera.fy), tracks.proven))
        for view in reversed(list(self._waiting)):
            if (known := pose(view.stamp)) is not None:
                break
        else:
            self.state = MotionState()
            return stamp, None, NO_POSE
        while self._waiting and self._waiting[0].stamp <= view.stamp:
            self._waiting.popleft()
        view = replace(view, pose=known)
        self._tracked = view
        fit, reason = self._fit(view, scale)
        remember(self._views, self._tracked)
        return view.stamp, fit, reason

    def _expected_turn(self, stamp: int, pose: Pose) -> np.ndarray | None:
        last = self._tracked_pose
        now = pose(stamp) if last is not None else None
        return None if now is None or last is None else now[:3, :3].T @ last[:3, :3]

    @property
    def _tracked_pose(self) -> np.ndarray | None:
        if self._waiting or not self._views:
            return None    # the last good frame's pose is not known yet
        return self._tracked.pose

    def _is_flat(
        self, d: np.ndarray, seen: np.ndarray, varies: np.ndarray,
        scale: tuple[float, float] | None,
    ) -> np.ndarray:
        """Tell at which corners the network's depth is flat."""
        if self._shift_known:
            return varies < FLAT * np.abs(seen)
        if scale is not None:    # relative in metres
            return scale[0] * varies < FLAT * np.abs(scale[0] * seen + scale[1])
        low, high = np.percentile(d[::8, ::8], (5, 95))
        return varies < 0.15 * (high - low)

    def _fit(
        self, view: View, scale: tuple[float, float] | None,
    ) -> tuple[Fit | None, str]:
        if self._last is not None:
            metres, radians = way(self._last, view.pose)
            self._travelled += metres
            self._turned += radians
        self._last = view.pose
        self.state = MotionState(travelled=self._travelled)
        found, reason = self._compare(view)
        if found is None:
            return None, reason
        key, mine, theirs, motion = found.key, found.mine, found.theirs, found.motion
        rays, before = view.rays[mine], key.rays[theirs]
        solved = self._triangulate(view, before, rays, motion)
        good = solved.good & view.flat[mine] & np.isfinite(view.d[mine])
        share = float(good.mean())
        self.state = replace(self.state, accepted=share)
        if good.sum() < SAMPLES or share < ACCEPTED:
            return None, (f'only {good.sum()} of {len(good)} tracks agree with the motion and the '
                          f'depth')
        sigma = OPTIMISM * pose_sigma(solved, motion, good)
        self.state = replace(self.state, pose_sigma=sigma)
        if not sigma < POSE_SIGMA:
            return None, f'the motion tells the scale to {sigma:.0%} only'
        self._near = float(np.median(solved.inverse[good]))
        self._tracked = with_depths(self._views, view, found, solved, good)
        stretch = self._tracked.stretch
        if abs(stretch) > STRETCHED:
            return None, (f'the odometry tells a way that is {abs(stretch):.0%} too '
                          f'{"long" if stretch > 0 else "short"} for the corners: wheels slip?')
        usable = view.flat[mine] & np.isfinite(view.d[mine])
        if self._shift_known:
            fit, reason = fit_factor(view.d[mine], view.region[mine], usable, solved, motion,
                                     found.length_error, scale is None)
        else:
            fit, reason = self._pool.fit(
                view.stamp, view.d[mine], good | (solved.far & usable), solved,
                0.0 if scale is None else scale[1])
            if fit is not None:
                fit = fit.with_error(sigma, False)
                if scale is None and not (fit.errors(view.typical) < BEGINNING).all():
                    return None, 'the corners so far do not tell the shift of the inverse depth'
                fit = fit.with_error(math.hypot(found.length_error, REPEATED), False)
        if fit is not None:
            self._travelled = self._turned = 0.0
        return fit, reason

    def _triangulate(
        self, view: View, before: np.ndarray, rays: np.ndarray, motion: Motion,
    ) -> Triangulation:
        return triangulate(before, rays, motion, view.focal)

    def _compare(self, view: View) -> tuple[Pair | None, str]:
        """Choose the keyframe and find the motion since then, or say why there is none."""
        shared = that_share(self._views, view)
        if not shared:
            return None, (f'no earlier place is {BASELINE * 100:.0f} cm away and shows the same '
                          f'corners')
        wanted = math.radians(PARALLAX[1])
        place = len(shared) - 1
        if math.isfinite(self._near):
            place = _nearest([each.length * self._near for each in shared], wanted)
        for _ in range(2):
            best = shared[place]
            first, second = best.key.rays[best.theirs], view.rays[best.mine]
            motion = refine(first, second, best.step[:3, :3], best.step[:3, 3], view.focal,
                            self._prior)
            angle = float(np.median(parallax(first, second, motion.rotation)))
            lengths = [each.length * math.radians(max(angle, 0.1)) / best.length
                       for each in shared]
            better = _nearest(lengths, wanted)
            if PARALLAX[0] * 1.3 < angle < 1.6 * PARALLAX[1] or better == place:
                break
            place = better
        self.state = replace(self.state, tracks=len(best.mine), parallax=angle)
        if angle < PARALLAX[0]:
            return None, 'not enough motion'
        disagree = motion.turned > TURNED or motion.bent > BENT
        self._disagreed.append(disagree)
        if disagree:
            return None, (f'odometry and images disagree about the motion, by '
                          f'{math.degrees(motion.turned):.0f} and {math.degrees(motion.bent):.0f} '
                          f'degrees')
        # what fills much of the picture and goes with the robot, or by itself, passes now and then
        if sum(self._disagreed) > DOUBTS[0] * max(len(self._disagreed), 7):
            return None, ('odometry and images disagree too often: something moves before the '
                          'camera, or the odometry or scale.camera_* are wrong')
        return Pair(best.key, best.mine, best.theirs, motion), ''


def _nearest(values: list[float], wanted: float) -> int:
    return min(range(len(values)), key=lambda i: abs(math.log(max(values[i], 1e-6) / wanted)))
