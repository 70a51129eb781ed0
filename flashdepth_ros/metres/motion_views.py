"""What a camera saw from the places that it came by, for scale.mode motion. No ROS here."""
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import math

import numpy as np

from .motion_pose import Motion, vector_of
from .motion_samples import Triangulation

AGE = 20_000_000_000    # ns that a keyframe may be old: a slow robot needs long for a baseline
APART = 0.02            # metres or radians between remembered frames
REMEMBERED = 80
BASELINE = 0.05         # metres at least
SHARED = 30             # tracks at least
SHARED_SHARE = 0.3      # of the frame's proven ones
# what goes less than this share of the others' pixels, once these go so many, is the robot's own
# body, or so far away that it tells nothing
BODY = 0.2, 5.0
LEVER = 0.03            # metres that the camera may be off where the odometry has it
COMPARED = 12           # corners at least whose depth was known before
FORGETS = 5_000_000_000    # ns


@dataclass(frozen=True)
class View:
    """A frame's corners (N,), and the network's d at them (N,).

    typical: quartile and median of d in the picture. pose: once it is known. inverse: metric
    inverse depths (N,), NaN where there are none; empty before. stretch: log of how much longer
    odometry made the way that they are of, than corners told whose depths were known before.
    """

    stamp: int
    ids: np.ndarray
    rays: np.ndarray
    region: np.ndarray
    d: np.ndarray
    flat: np.ndarray
    typical: np.ndarray
    focal: float
    proven: int
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))
    inverse: np.ndarray = field(default_factory=lambda: np.zeros(0))
    stretch: float = 0.0


@dataclass(frozen=True)
class Shared:
    """An earlier view, the places of the shared corners in the newest and in it.

    step: (4, 4) of its camera in the newest's, by odometry. length: metres.
    """

    key: View
    mine: np.ndarray
    theirs: np.ndarray
    step: np.ndarray
    length: float


@dataclass(frozen=True)
class Pair:
    """A keyframe, the places of the shared corners in the frame and in it, and the motion since."""

    key: View
    mine: np.ndarray
    theirs: np.ndarray
    motion: Motion

    @property
    def length_error(self) -> float:
        """How far its length may be off, relatively, by where the camera is thought to be."""
        turn = float(np.linalg.norm(vector_of(self.motion.rotation)))
        return LEVER * turn / float(np.linalg.norm(self.motion.translation))


def way(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return how far a camera went between two poses (4, 4), in metres, and turned, in radians."""
    step = np.linalg.inv(first) @ second
    return float(np.linalg.norm(step[:3, 3])), float(np.linalg.norm(vector_of(step[:3, :3])))


def remember(views: list[View], view: View) -> None:
    """Add a view if it is from another place than the last, and drop those that are too old."""
    if views and max(way(views[-1].pose, view.pose)) < APART:
        return
    views.append(view)
    while len(views) > REMEMBERED or view.stamp - views[0].stamp > AGE:
        views.pop(0)


def that_share(views: Sequence[View], view: View) -> list[Shared]:
    """Return the earlier views from elsewhere that show the same corners, the newest first."""
    shared = []
    for key in reversed(views):
        if view.stamp - key.stamp > AGE:
            break
        _, mine, theirs = np.intersect1d(
            view.ids, key.ids, assume_unique=True, return_indices=True)
        went = np.linalg.norm(view.rays[mine] - key.rays[theirs], axis=1) * view.focal
        if went.size and (typical := np.median(went)) > BODY[1]:
            goes = went > BODY[0] * typical
            mine, theirs = mine[goes], theirs[goes]
        if len(mine) < max(SHARED, SHARED_SHARE * view.proven):
            break
        step = np.linalg.inv(view.pose) @ key.pose
        length = float(np.linalg.norm(step[:3, 3]))
        if length >= BASELINE:
            shared.append(Shared(key, mine, theirs, step, length))
    return shared


def with_depths(
    views: Sequence[View], view: View, pair: Pair, solved: Triangulation, good: np.ndarray,
) -> View:
    """Return a view with the inverse depths of its `good` tracks, and how its way is stretched.

    They are compared with those that the same corners had about where the keyframe was, by an
    earlier way: wheels that slip make one of them longer than the other. What was known is
    forgotten with time, as nobody tells which of the two was right.
    """
    ids, inverse = view.ids[pair.mine[good]], solved.inverse[good]
    points = np.concatenate([view.rays[pair.mine[good]], np.ones((len(ids), 1))], 1)
    points /= inverse[:, None]
    known = [each for each in views if each.inverse.size]
    since, stretch = (known[-1].stamp, known[-1].stretch) if known else (view.stamp, 0.0)
    for other in sorted(known, key=lambda each: abs(each.stamp - pair.key.stamp)):
        _, mine, theirs = np.intersect1d(ids, other.ids, assume_unique=True, return_indices=True)
        # their change of depth on so short a way is small, so that odometry will do
        step = np.linalg.inv(other.pose) @ view.pose
        ratio = (points[mine] @ step[2, :3] + step[2, 3]) * other.inverse[theirs]
        ratio = ratio[ratio > 0]
        if len(ratio) >= COMPARED:
            since, stretch = other.stamp, other.stretch + float(np.median(np.log(ratio)))
            break
    every = np.full(len(view.ids), np.nan)
    every[pair.mine[good]] = inverse
    return replace(view, inverse=every,
                   stretch=stretch * math.exp((since - view.stamp) / FORGETS))
