"""What nav2's VoxelLayer makes of clouds, by its rules (nav2_costmap_2d 1.4 and 1.5). No ROS here.

A cell of the costmap is an obstacle while a voxel of its column is marked (mark_threshold 0). A
round first traces the rays of the clouds that clear, then marks the points of those that mark. The
map does not roll with the robot, so nothing is forgotten at its edge.
"""
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..images.loops import loop

EVERY_VOXEL = np.uint16(0xFFFF)


@dataclass(frozen=True)
class ObservationSource:
    """One of a layer's observation sources; heights and ranges in metres."""

    topic: str
    marking: bool
    clearing: bool
    heights: tuple[float, float]
    obstacle_range: tuple[float, float]
    raytrace_range: tuple[float, float]

    @classmethod
    def of(cls, parameters: Mapping) -> 'ObservationSource':
        """Read nav2's parameters of a source; what is not given has nav2's default."""
        def pair(low: str, high: str, *default: float) -> tuple[float, float]:
            return parameters.get(low, default[0]), parameters.get(high, default[1])
        return cls(
            parameters['topic'].lstrip('/'), parameters.get('marking', True),
            parameters.get('clearing', False),
            pair('min_obstacle_height', 'max_obstacle_height', 0.0, 0.0),
            pair('obstacle_min_range', 'obstacle_max_range', 0.0, 2.5),
            pair('raytrace_min_range', 'raytrace_max_range', 0.0, 3.0))


class VoxelLayer:
    """Marked voxels over a rectangle of floor.

    low, high: its corners (x, y) in metres. parameters: the layer's, as nav2 has them.
    voxels: (rows along y, columns along x) uint16, a bit for each voxel of a column.
    """

    def __init__(
        self, low: tuple[float, float], high: tuple[float, float], parameters: Mapping,
        resolution: float = 0.05,
    ):
        if parameters.get('mark_threshold', 0) or parameters['z_voxels'] != 16:
            raise ValueError('a layer is reckoned with mark_threshold 0 and z_voxels 16 alone')
        self.sources = [ObservationSource.of(parameters[name])
                        for name in parameters['observation_sources'].split()]
        self._heights = (parameters.get('min_obstacle_height', 0.0),
                         parameters.get('max_obstacle_height', 2.0))
        self.low, self.resolution = low, resolution
        self.voxels = np.zeros(
            [int(np.ceil((high[i] - low[i]) / resolution)) for i in (1, 0)], np.uint16)
        self._grid = np.array([*low, parameters['origin_z'], resolution,
                               parameters['z_resolution']], np.float64)

    @property
    def marked(self) -> np.ndarray:
        """The cells (rows, columns) bool that are obstacles."""
        return self.voxels != 0

    def cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of points (N, 2 or 3) in the layer's frame, inside or not."""
        column, row = np.floor((points[:, :2] - self.low) / self.resolution).astype(int).T
        return row, column

    def update(self, clouds: Mapping[str, np.ndarray | None], pose: np.ndarray) -> None:
        """Take clouds in, (N, 3) float32 in the sensor's frame, or None for none, by their topics.

        pose: (4, 4), of the sensor in the layer's frame.
        """
        eye = np.ascontiguousarray(pose[:3, 3], np.float64)
        turned = {topic: np.ascontiguousarray(
            points @ pose[:3, :3].T.astype(np.float32) + pose[:3, 3].astype(np.float32))
            for topic, points in clouds.items() if points is not None}
        for source in self.sources:
            if source.clearing and (points := turned.get(source.topic)) is not None:
                # before rays are traced, as nav2 does it
                z, (low, high) = points[:, 2], source.heights
                self.clear(points[(low <= z) & (z <= high)], eye, source.raytrace_range)
        for source in self.sources:
            if source.marking and (points := turned.get(source.topic)) is not None:
                heights = (max(source.heights[0], self._heights[0]),
                           min(source.heights[1], self._heights[1]))
                self.mark(points, eye, heights, source.obstacle_range)

    def mark(self, points: np.ndarray, eye: np.ndarray, heights: tuple[float, float],
             ranges: tuple[float, float]) -> None:
        """Mark the voxels of points (N, 3) float32 within heights, and ranges from the eye (3,)."""
        _mark(points, eye, *heights, *ranges, self._grid, self.voxels)

    def clear(self, points: np.ndarray, eye: np.ndarray, ranges: tuple[float, float]) -> None:
        """Clear the voxels between the eye (3,) and points (N, 3) float32, within ranges of it."""
        shortest, longest = (float(np.ceil(value / self.resolution)) for value in ranges)
        _clear(points, eye, shortest, longest, self._grid, self.voxels)


@loop('void(float32[:, ::1], float64[::1], float64, float64, float64, float64, float64[::1], '
      'uint16[:, ::1])')
def _mark(points, eye, lowest, highest, nearest, farthest, grid, voxels):
    rows, columns = voxels.shape
    for i in range(points.shape[0]):
        x, y, z = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        if not (lowest <= z <= highest):
            continue
        square = (x - eye[0]) ** 2 + (y - eye[1]) ** 2 + (z - eye[2]) ** 2
        if square >= farthest ** 2 or square < nearest ** 2 or x < grid[0] or y < grid[1]:
            continue
        column, row = int((x - grid[0]) / grid[3]), int((y - grid[1]) / grid[3])
        level = int((max(z, grid[2]) - grid[2]) / grid[4])
        if column < columns and row < rows and level < 16:
            voxels[row, column] |= np.uint16(1 << level)


@loop('void(float32[:, ::1], float64[::1], float64, float64, float64[::1], uint16[:, ::1])')
def _clear(points, eye, shortest, longest, grid, voxels):
    """Trace each ray through cells, in whole steps along its longest axis.

    shortest, longest: of a ray in cells, where a voxel's height counts as one.
    """
    size = np.array([voxels.shape[1], voxels.shape[0], 16])
    side = np.array([grid[3], grid[3], grid[4]])
    high = grid[:3] + size * side
    start = (eye - grid[:3]) / side
    for axis in range(3):
        if not 0 <= start[axis] < size[axis]:
            return
    way, end, first = np.empty(3), np.empty(3), np.empty(3)
    cell, step, length = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    error = np.empty(3, np.int64)
    for i in range(points.shape[0]):
        distance = 0.0
        for axis in range(3):
            way[axis] = points[i, axis] - eye[axis]
            distance += way[axis] ** 2
        distance = np.sqrt(distance)
        # to two cells before the point, so that it does not clear what it has marked
        way *= max(min(1.0, (distance - 2 * grid[3]) / distance), 0.0)
        part = 1.0
        cut = False
        for axis in range(3):    # to where it leaves the map
            reached = eye[axis] + way[axis]
            if reached > high[axis]:
                inside = 0.01 if axis == 2 else 0.0
                part = max(0.0, min(part, (high[axis] - inside - eye[axis]) / way[axis]))
                cut = True
            elif reached < grid[axis]:
                part = min(part, (grid[axis] - eye[axis]) / way[axis])
                cut = True
        if cut:
            part = max(part - 1e-5, 0.0)
        cells = 0.0
        inside_map = True
        for axis in range(3):
            end[axis] = (eye[axis] + way[axis] * part - grid[axis]) / side[axis]
            inside_map &= 0 <= end[axis] < size[axis]
            cells += (end[axis] - start[axis]) ** 2
        cells = np.sqrt(cells)
        if not inside_map or int(cells) < shortest:
            continue
        share = min(1.0, longest / cells) if cells > 0 else 1.0
        most = 0
        for axis in range(3):
            first[axis] = start[axis]
            if cells > 0:
                first[axis] += (end[axis] - start[axis]) / cells * shortest
            cell[axis] = int(first[axis])
            length[axis] = int(end[axis]) - cell[axis]
            step[axis] = 1 if length[axis] > 0 else -1
            length[axis] = abs(length[axis])
            most = max(most, length[axis])
        error[:] = most // 2
        for _ in range(int(share * most) + 1):
            voxels[cell[1], cell[0]] &= np.uint16(0xFFFF ^ (1 << cell[2]))
            for axis in range(3):
                error[axis] += length[axis]
                if error[axis] >= most:
                    cell[axis] += step[axis]
                    error[axis] -= most
