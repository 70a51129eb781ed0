"""What a costmap makes of depth, against what it makes of the truth. No ROS here.

Depth becomes the node's two clouds, and these a layer's marks (voxel_layer.py). What is true is of
true depth, every pixel of it: obstacle cells have a point from 0.1 to 2 m above the floor.
"""
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import math
from typing import Any

import cv2
import numpy as np

from ..images.cloud_filters import flying_pixels, voxel_filter
from ..images.intrinsics import Intrinsics
from ..images.points import (
    ANY_HEIGHT,
    clearing_grid,
    fill_points,
    fill_ray_ends,
    grid_size,
    unproject,
)
from .markdown import markdown_table
from .voxel_layer import EVERY_VOXEL, VoxelLayer

BINS = ((0.0, 2.0), (2.0, 4.0), (4.0, 8.0))  # metres from the camera
OBSTACLE = (0.1, 2.0)     # metres above the floor
TOLERANCE = 0.25          # metres beside a true cell that still count as it
HALF_WIDTH = 0.25         # metres to each side of the way ahead
STOP = 4.0                # metres within which the nearest obstacle ahead matters


def clouds_of(
    depth: np.ndarray, camera: Intrinsics, turn: int, parameters: Mapping,
    uncertain: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Depth (H, W) in metres -> the node's clouds by topic, (N, 3) float32 in the optical frame.

    turn: of how many clouds it is. parameters: of the node, with its groups output and points;
    points.stride is that of images 640 pixels wide. uncertain: (H, W) bool, pixels that do not
    mark, as for points.min_confidence.
    """
    output, points = parameters['output'], parameters['points']
    flying = flying_pixels(depth) if points['remove_edges'] else np.zeros(depth.shape, bool)
    depth = np.where(depth > output['max_range'], np.float32(np.inf), depth).astype(np.float32)
    depth[depth < output['min_range']] = -np.inf
    depth[flying] = np.nan
    rays = np.empty((depth.size, 3), np.float32)
    rays = rays[:fill_ray_ends(
        depth, camera, clearing_grid(camera, turn), output['max_range'], rays)]
    if uncertain is not None:
        depth[uncertain] = np.nan
    stride = max(1, round(points['stride'] * camera.width / 640))
    solid = np.empty((math.prod(grid_size(camera, stride)), 3), np.float32)
    solid = solid[:fill_points(
        depth, None, camera, stride, False, ANY_HEIGHT, solid, margin=points.get('margin', 0.0))]
    return {'points': voxel_filter(solid, None, points['voxel'])[0] if len(solid) else solid,
            'points/clearing': rays}


@dataclass(frozen=True)
class BoxVisit:
    """A box that comes and goes: place (2,) and size in metres, and frames first to last - 1."""

    place: np.ndarray
    size: tuple[float, float]
    first: int
    last: int


class TrueCells:
    """What is true of the floor around a camera's way, frame by frame.

    depths: (H, W) in metres. poses: (frames, 4, 4) of the optical frame, z up, the floor at 0.
    obstacles, seen: lists of (rows, columns) bool, what is an obstacle in a frame, and where rays
    pass in it. ever: what was an obstacle in any frame. distance: to the camera, in metres.
    """

    def __init__(
        self, depths: Iterable[np.ndarray], poses: np.ndarray, camera: Intrinsics,
        layer: Mapping, node: Mapping, visit: BoxVisit | None = None,
    ):
        self.camera, self.poses, self.visit = camera, poses, visit
        self.layer, self.node = layer, node
        far = node['output']['max_range']
        low, high = poses[:, :2, 3].min(0) - far - 0.5, poses[:, :2, 3].max(0) + far + 0.5
        self._corners = (tuple(low), tuple(high))
        self.obstacles: list[np.ndarray] = []
        self.seen: list[np.ndarray] = []
        for depth, pose in zip(depths, poses, strict=True):
            grid, rays = self.empty_layer(), self.empty_layer()
            eye, turn = pose[:3, 3].copy(), pose[:3, :3].T.astype(np.float32)
            points = unproject(np.minimum(depth, far).astype(np.float32), camera)
            points = points @ turn + eye.astype(np.float32)
            solid = np.ascontiguousarray(points[(depth < far) & (depth > 0)])
            grid.mark(solid, eye, OBSTACLE, (0.0, far))
            self.obstacles.append(grid.marked)
            rays.voxels[:] = EVERY_VOXEL
            rays.clear(np.ascontiguousarray(points[::2, ::2].reshape(-1, 3)), eye, (0.0, far))
            self.seen.append(rays.voxels != EVERY_VOXEL)
        self.ever = np.any(self.obstacles, axis=0)
        rows, columns = np.indices(self.ever.shape)
        side = self.empty_layer().resolution
        self.centres = np.stack([low[0] + (columns + 0.5) * side, low[1] + (rows + 0.5) * side], -1)

    def empty_layer(self) -> VoxelLayer:
        """Return a layer that covers all of it."""
        return VoxelLayer(*self._corners, self.layer)

    def from_camera(self, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how far all cells are from the camera, how far ahead of it, and beside its way."""
        pose = self.poses[frame]
        ahead = pose[:2, 2] / np.linalg.norm(pose[:2, 2])
        way = self.centres - pose[:2, 3]
        return (np.linalg.norm(way, axis=-1), way @ ahead,
                np.abs(way @ np.array([-ahead[1], ahead[0]])))


@dataclass
class CostmapScores:
    """Counts and times of one sequence or, added up, of several.

    Cells are counted in each frame that has metres; frames are all, blind those without.
    true, marked, near: true obstacle cells by distance (BINS), those that are marked, and those
    with a mark within TOLERANCE. false, far_false: marks in sight where never was an obstacle,
    beside which, or within TOLERANCE. ahead: how much farther than it is (metres) the nearest
    obstacle ahead seems that is within STOP. to_mark, to_clear: seconds until half of a box's cells
    were marked, and nine tenths of its marks gone; inf for never. left: its marks at the end.
    """

    frames: int = 0
    blind: int = 0
    true: np.ndarray = field(default_factory=lambda: np.zeros(3, int))
    marked: np.ndarray = field(default_factory=lambda: np.zeros(3, int))
    near: np.ndarray = field(default_factory=lambda: np.zeros(3, int))
    false: int = 0
    far_false: int = 0
    ahead: list[float] = field(default_factory=list)
    to_mark: list[float] = field(default_factory=list)
    to_clear: list[float] = field(default_factory=list)
    left: int = 0

    def numbers(self) -> dict[str, Any]:
        """Return them as JSON wants them, with None for inf."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else
                [each if math.isfinite(each) else None for each in value]
                if isinstance(value, list) else value for name, value in vars(self).items()}

    def __iadd__(self, other: 'CostmapScores') -> 'CostmapScores':
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


def clouds_of_all(
    depths: Iterable[np.ndarray | None], truth: TrueCells,
    uncertain: Callable[[int], np.ndarray | None] = lambda frame: None,
) -> Iterator[dict[str, np.ndarray] | None]:
    """Yield the clouds of the depth (H, W) in metres of each frame; None where there is none.

    uncertain: tells of a frame which pixels (H, W) bool do not mark.
    """
    for turn, depth in enumerate(depths):
        yield None if depth is None else clouds_of(
            depth, truth.camera, turn, truth.node, uncertain(turn))


def score_costmap(
    clouds: Iterable[Mapping[str, np.ndarray] | None], truth: TrueCells, rate: float = 10.0,
) -> CostmapScores:
    """Feed a layer with the clouds of each frame by topic, None where there are no metres.

    rate: frames, and rounds of the costmap, per second.
    """
    layer, marks, blind = truth.empty_layer(), [], set()
    for frame, (of_frame, pose) in enumerate(zip(clouds, truth.poses, strict=True)):
        if of_frame is None:
            blind.add(frame)
        else:
            layer.update(of_frame, pose)
        marks.append(layer.marked)
    return score_marks(marks, truth, rate, blind)


def score_marks(
    marks: Sequence[np.ndarray], truth: TrueCells, rate: float, blind: Collection[int] = (),
) -> CostmapScores:
    """Score the cells (rows, columns) bool that are marked in each frame, `rate` of them a second.

    The cells are those of truth.empty_layer(). blind: frames without metres, in which nav2 waits:
    their cells are not counted.
    """
    scores = CostmapScores(blind=len(blind))
    beside, far_beside = _widen(truth.ever, 0.05), _widen(truth.ever, TOLERANCE)
    for frame, (marked, true) in enumerate(zip(marks, truth.obstacles, strict=True)):
        scores.frames += 1
        if frame in blind:
            continue
        distance, ahead, aside = truth.from_camera(frame)
        close = _widen(marked, TOLERANCE)
        for i, (first, last) in enumerate(BINS):
            here = true & (distance >= first) & (distance < last)
            scores.true[i] += here.sum()
            scores.marked[i] += (here & marked).sum()
            scores.near[i] += (here & close).sum()
        in_sight = marked & truth.seen[frame] & (distance < BINS[-1][1])
        scores.false += int((in_sight & ~beside).sum())
        scores.far_false += int((in_sight & ~far_beside).sum())
        way = (aside <= HALF_WIDTH) & (ahead > 0)
        nearest = ahead[way & true].min(initial=np.inf)
        if nearest < STOP:
            scores.ahead.append(float(ahead[way & marked].min(initial=BINS[-1][1]) - nearest))
    if truth.visit is not None:
        _time_the_visit(truth, truth.visit, marks, rate, scores)
    return scores


def _time_the_visit(
    truth: TrueCells, visit: BoxVisit, marks: Sequence[np.ndarray], rate: float,
    scores: CostmapScores,
) -> None:
    """Note how long it took to mark half of the cells of the box in sight, and to clear it.

    Where rays pass, that is: what has left the view cannot be cleared.
    """
    box = (np.abs(truth.centres - visit.place) <= np.array(visit.size) / 2 + 0.05).all(-1)
    times = range(visit.first, visit.last)
    in_sight = [frame for frame in times if (truth.obstacles[frame] & box).sum() >= 3]
    if not in_sight:
        return
    done = [frame for frame in in_sight if _share(
        _widen(marks[frame], TOLERANCE), truth.obstacles[frame] & box) >= 0.5]
    scores.to_mark.append((done[0] - in_sight[0]) / rate if done else math.inf)
    others = [truth.obstacles[frame] for frame in range(len(marks)) if frame not in times]
    place = _widen(box, TOLERANCE) & ~_widen(np.any(others, axis=0), TOLERANCE)
    place &= truth.seen[visit.last]
    ghosts = [int((marks[frame] & place & truth.seen[frame]).sum())
              for frame in range(visit.last - 1, len(marks))]
    if not ghosts[0]:
        return
    clear = [i for i, count in enumerate(ghosts[1:]) if count <= 0.1 * ghosts[0]]
    scores.to_clear.append(clear[0] / rate if clear else math.inf)
    scores.left += ghosts[-1]


def _share(found: np.ndarray, wanted: np.ndarray) -> float:
    return float((found & wanted).sum() / max(wanted.sum(), 1))


def _widen(cells: np.ndarray, reach: float, side: float = 0.05) -> np.ndarray:
    """Return the cells (rows, columns) bool within `reach` metres of some."""
    cells_wide = 2 * round(reach / side) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (cells_wide, cells_wide))
    if cells_wide == 3:
        disc[:] = 1
    return cv2.dilate(cells.view(np.uint8), disc).astype(bool)


def costmap_table(names: Sequence[str], all_scores: Sequence[CostmapScores]) -> str:
    """Return scores as a Markdown table, a row each."""
    lines: list[list[str]] = []
    for name, scores in zip(names, all_scores, strict=True):
        columns, seeing = {'depth': name}, scores.frames - scores.blind
        with np.errstate(invalid='ignore'):
            shares = np.stack([scores.marked, scores.near]) / scores.true
        for (first, last), (exact, near) in zip(BINS, shares.T, strict=True):
            columns[f'marked, {first:g} to {last:g} m ↑'] = f'{exact:.2f} / {near:.2f}'
        columns |= {
            'false cells ↓': ' / '.join(_number(count / seeing if seeing else None, 1)
                                        for count in (scores.false, scores.far_false)),
            'ahead, m: error ↓': _number(np.median(np.abs(scores.ahead)) if scores.ahead else None),
            'too far ↓': _number(np.quantile(scores.ahead, 0.95) if scores.ahead else None),
            'to mark, s ↓': _times(scores.to_mark), 'to clear, s ↓': _times(scores.to_clear),
            'left ↓': _number(scores.left / len(scores.to_clear) if scores.to_clear else None),
            'without metres': f'{scores.blind / scores.frames:.0%}'}
        if not lines:
            lines.append(list(columns))
        lines.append(list(columns.values()))
    return markdown_table(lines)


def _number(value: float | None, digits: int = 2) -> str:
    return '-' if value is None else f'{value:.{digits}f}'


def _times(times: Sequence[float]) -> str:
    """Say the median of those that ended, the longest of them, and how many did."""
    ended = [time for time in times if math.isfinite(time)]
    if not ended:
        return f'- (0 of {len(times)})'
    return f'{np.median(ended):.1f}, {max(ended):.1f} ({len(ended)} of {len(times)})'
