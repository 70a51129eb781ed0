"""What stands in a scene, seen from above: a grid of the floor, by geometry."""
from dataclasses import dataclass
import math

import mujoco
import numpy as np

from .scene import Scene

HEIGHTS = 0.1, 2.0       # metres above the floor between which a thing is an obstacle
FREE, OCCUPIED, UNKNOWN = 0, 100, -1    # as nav_msgs/OccupancyGrid has them
SPACING = 0.4            # of a cell, between the points that a thing is filled with
Geom = mujoco.mjtGeom


@dataclass(frozen=True)
class FloorPlan:
    """cells: (rows, columns) int8, FREE where there is a floor, OCCUPIED, or UNKNOWN.

    Row 0 has the smallest y, column 0 the smallest x. origin: (2,) x and y of its corner there, in
    metres. side: of a cell, in metres.
    """

    cells: np.ndarray
    origin: np.ndarray
    side: float

    def at(self, places: np.ndarray) -> np.ndarray:
        """Return the cells (N,) at places (N, 2) in metres; UNKNOWN outside."""
        column, row = np.floor((places - self.origin) / self.side).astype(int).T
        rows, columns = self.cells.shape
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return np.where(inside, self.cells[np.where(inside, row, 0), np.where(inside, column, 0)],
                        UNKNOWN)


def floor_plan(scene: Scene, side: float = 0.05) -> FloorPlan:
    """Return the plan of a scene without what moves, in cells of `side` metres."""
    model, data = scene.model, scene.data
    mujoco.mj_kinematics(model, data)
    floors, things = [], []
    for index in range(model.ngeom):
        if model.body_mocapid[model.geom_bodyid[index]] >= 0:
            continue
        kind, place = Geom(model.geom_type[index]), data.geom_xpos[index]
        turned = data.geom_xmat[index].reshape(3, 3)
        level = kind == Geom.mjGEOM_PLANE and abs(turned[2, 2]) > 0.99
        if level and abs(place[2]) > 0.01:
            continue    # a ceiling
        points = _filled(kind, model.geom_size[index], SPACING * side) @ turned.T + place
        if level:
            floors.append(points[:, :2])
            continue
        height = points[:, 2]
        things.append(points[(height > HEIGHTS[0]) & (height < HEIGHTS[1]), :2])
    ground, solid = np.concatenate(floors), np.concatenate(things)
    origin = np.floor(np.minimum(ground.min(0), solid.min(0)) / side) * side - side
    shape = np.ceil((np.maximum(ground.max(0), solid.max(0)) - origin) / side).astype(int) + 1
    cells = np.full((shape[1], shape[0]), UNKNOWN, np.int8)
    for points, value in ((ground, FREE), (solid, OCCUPIED)):
        column, row = np.floor((points - origin) / side).astype(int).T
        cells[row, column] = value
    return FloorPlan(cells, origin, side)


def _filled(kind: mujoco.mjtGeom, size: np.ndarray, spacing: float) -> np.ndarray:
    """Return points (N, 3) that fill a shape, in its own frame, at most `spacing` apart."""
    x, y, z = size
    extent = {Geom.mjGEOM_PLANE: (x, y, 0), Geom.mjGEOM_SPHERE: (x, x, x),
              Geom.mjGEOM_CYLINDER: (x, x, y), Geom.mjGEOM_CAPSULE: (x, x, x + y)}.get(
                  kind, (x, y, z))
    points = np.stack(np.meshgrid(*[
        np.linspace(-half, half, 1 + math.ceil(2 * half / spacing)) for half in extent],
        indexing='ij'), -1).reshape(-1, 3)
    if kind == Geom.mjGEOM_CYLINDER:
        return points[(points[:, :2] ** 2).sum(1) <= x ** 2 * 1.0001]
    if kind == Geom.mjGEOM_CAPSULE:
        beyond = np.maximum(np.abs(points[:, 2]) - y, 0)
        return points[(points[:, :2] ** 2).sum(1) + beyond ** 2 <= x ** 2 * 1.0001]
    if kind in (Geom.mjGEOM_SPHERE, Geom.mjGEOM_ELLIPSOID):
        return points[((points / np.maximum(extent, 1e-9)) ** 2).sum(1) <= 1.0001]
    return points
