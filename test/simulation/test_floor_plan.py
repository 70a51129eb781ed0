"""The floor plan of a scene against what its camera sees, and solids against their geometry."""
from dataclasses import replace

import cv2
from egl import needs_egl
import numpy as np
import pytest

needs_egl()

from flashdepth_ros.images.points import unproject  # noqa: E402
from flashdepth_ros.simulation import Renderer, make_scene  # noqa: E402
from flashdepth_ros.simulation.floor_plan import (  # noqa: E402
    FREE,
    OCCUPIED,
    UNKNOWN,
    Geom,
    _filled,
    floor_plan,
)


@pytest.mark.parametrize('seed, kind', [(3, 'room'), (5, 'hall')])
def test_what_the_camera_sees_stands_in_the_plan_and_its_way_is_free(seed, kind):
    scene = make_scene(seed, kind)
    plan = floor_plan(scene)
    assert set(np.unique(plan.cells)) == {FREE, OCCUPIED, UNKNOWN}
    assert (plan.at(scene.path.positions) == FREE).all()
    beside = replace(plan, cells=cv2.dilate(
        (plan.cells == OCCUPIED).astype(np.uint8), np.ones((3, 3))).astype(np.int8))
    solid, ground = [], []
    with Renderer(96, 72) as renderer:
        for time in np.arange(6) / 6 * scene.period:
            frame = renderer.render(scene, time)
            points = unproject(np.minimum(frame.depth, 100), renderer.intrinsics).reshape(-1, 3)
            points = points[frame.depth.ravel() < 20] @ frame.pose[:3, :3].T + frame.pose[:3, 3]
            height = points[:, 2]
            solid.append(points[(height > 0.12) & (height < 1.98), :2])
            ground.append(points[np.abs(height) < 0.005, :2])
    assert (beside.at(np.concatenate(solid)) == 1).mean() > 0.99
    assert (plan.at(np.concatenate(ground)) != UNKNOWN).mean() > 0.99


@pytest.mark.parametrize('kind, size, volume', [
    (Geom.mjGEOM_BOX, (0.3, 0.2, 0.5), 8 * 0.3 * 0.2 * 0.5),
    (Geom.mjGEOM_SPHERE, (0.4, 0, 0), 4 / 3 * np.pi * 0.4 ** 3),
    (Geom.mjGEOM_ELLIPSOID, (0.4, 0.3, 0.5), 4 / 3 * np.pi * 0.4 * 0.3 * 0.5),
    (Geom.mjGEOM_CYLINDER, (0.3, 0.5, 0), np.pi * 0.09),
    (Geom.mjGEOM_CAPSULE, (0.3, 0.5, 0), np.pi * 0.09 + 4 / 3 * np.pi * 0.027)])
def test_solids_are_filled(kind, size, volume):
    points = _filled(kind, np.array(size), 0.02)
    sides = [np.diff(np.unique(points[:, axis]).round(9)).max() for axis in range(3)]
    assert max(sides) < 0.0201
    assert len(points) * np.prod(sides) == pytest.approx(volume, rel=0.12)
