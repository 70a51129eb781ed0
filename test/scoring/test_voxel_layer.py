"""The costmap's layer against scenes whose cells are reckoned by hand."""
from pathlib import Path

import numpy as np
import pytest
import yaml

from flashdepth_ros.scoring.voxel_layer import EVERY_VOXEL, VoxelLayer

SHIPPED = yaml.safe_load(
    (Path(__file__).parents[2] / 'config' / 'nav2_voxel_layer.yaml').read_text())[
        'local_costmap']['local_costmap']['ros__parameters']['camera_layer']
AHEAD = np.array([[0.0, 0, 1, 0.025], [-1, 0, 0, 0.025], [0, -1, 0, 0.5], [0, 0, 0, 1]])
EYE = AHEAD[:3, 3].copy()
ANY = (0.0, 8.0)


def layer(**changes) -> VoxelLayer:
    """Return 10 m by 4 m of map, whose cell (row 40, column 20) has the eye in its middle."""
    return VoxelLayer((-1.0, -2.0), (9.0, 2.0), {**SHIPPED, **changes})


def points(*rows: tuple) -> np.ndarray:
    return np.array(rows, np.float32)


def cells(found: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(*(index.tolist() for index in np.nonzero(found)), strict=True))


def test_points_mark_the_cell_and_the_voxel_they_lie_in():
    it = layer()
    assert it.voxels.shape == (80, 200)
    it.mark(points((1.0251, 0.03, 0.13), (1.03, 0.03, 0.3), (2.06, -0.02, 1.99)), EYE, (0, 2), ANY)
    assert cells(it.marked) == {(40, 40), (39, 61)}
    assert it.voxels[40, 40] == 0b110 and it.voxels[39, 61] == 1 << 15


@pytest.mark.parametrize(('point', 'marks'), [
    ((1.0, 0.0, 0.09), False), ((1.0, 0.0, 0.11), True),    # heights include their ends
    ((1.0, 0.0, 2.1), False), ((1.0, 0.0, -0.3), False),
    ((0.3, 0.025, 0.5), False), ((0.33, 0.025, 0.5), True),    # nearer than 0.3 m of the eye
    ((3.02, 0.025, 0.5), True), ((3.03, 0.025, 0.5), False),    # 3 m away is too far
    ((1.0, 2.1, 0.5), False), ((-1.1, 0.0, 0.5), False)])    # beside the map
def test_points_outside_of_heights_ranges_and_map_mark_nothing(point, marks):
    it = layer()
    it.mark(points(point), EYE, (0.1, 2.0), (0.3, 3.0))
    assert it.marked.any() == marks


def test_a_level_ray_clears_up_to_two_cells_before_its_point():
    it = layer()
    it.voxels[:] = EVERY_VOXEL
    it.clear(points((2.025, 0.025, 0.5)), EYE, ANY)
    # from the eye's column 20 to the column of 2.025 - 2 * 0.05 = 1.925: 58
    assert cells(it.voxels != EVERY_VOXEL) == {(40, column) for column in range(20, 59)}
    # at the height of the voxel 4, which begins at 0.5 m
    assert {int(value) for value in it.voxels[40, 20:59]} == {0xFFFF ^ 1 << 4}


def test_a_ray_clears_within_its_ranges():
    it = layer()
    it.voxels[:] = EVERY_VOXEL
    it.clear(points((8.0, 0.025, 0.55)), EYE, (0.3, 3.0))
    # it begins 6 cells from the eye, and is as long as its share of 3 m: 60 of 157.5 cells
    columns = {column for _, column in cells(it.voxels != EVERY_VOXEL)}
    assert min(columns) == 26 and max(columns) == 26 + int(60 / np.hypot(157.5, 0.4) * 151)
    assert columns == set(range(26, max(columns) + 1))
    it.voxels[:] = EVERY_VOXEL
    it.clear(points((0.2, 0.025, 0.5)), EYE, (0.3, 3.0))    # is over before it begins
    assert (it.voxels == EVERY_VOXEL).all()


def test_a_slanted_ray_steps_along_its_longest_axis():
    it = layer()
    it.voxels[:] = EVERY_VOXEL
    # 10 columns and 5 rows to two cells before the point, in the plane of the eye
    length = np.hypot(0.5, 0.25)
    end = EYE + np.array([0.5, 0.25, 0]) * (length + 0.1001) / length
    it.clear(points(end), EYE, ANY)
    # the other axis follows as soon as half a cell is due: at the steps 1, 3, 5, 7 and 9
    assert cells(it.voxels != EVERY_VOXEL) == {
        (40 + (step + 1) // 2, 20 + step) for step in range(11)}


def test_a_ray_to_the_floor_ends_there_and_one_to_the_ceiling_below_the_map_s_top():
    it = layer()
    it.voxels[:] = EVERY_VOXEL
    it.clear(points((3.025, 0.025, -1.0)), EYE, ANY)    # crosses the floor at x = 1.025
    cleared = cells(it.voxels != EVERY_VOXEL)
    assert max(column for _, column in cleared) == 40
    assert it.voxels[40, 40] == EVERY_VOXEL ^ 1
    it.voxels[:] = EVERY_VOXEL
    it.clear(points((3.025, 0.025, 3.5)), EYE, ANY)    # leaves the map at x = 1.525, z = 2
    assert max(column for _, column in cells(it.voxels != EVERY_VOXEL)) == 50
    assert it.voxels[40, 50] == EVERY_VOXEL ^ 1 << 15


def test_rays_that_leave_the_map_clear_up_to_its_edge():
    it = layer()
    it.voxels[:] = EVERY_VOXEL
    it.clear(points((20.0, 0.025, 0.5), (0.025, -9.0, 0.5)), EYE, (0.0, 30.0))
    assert cells(it.voxels != EVERY_VOXEL) == {(40, column) for column in range(20, 200)} | {
        (row, 20) for row in range(41)}


def test_an_eye_outside_of_the_map_clears_nothing():
    it = layer()
    it.voxels[:] = EVERY_VOXEL
    it.clear(points((1.0, 0.025, 0.5)), EYE + np.array([0, 0, 2.0]), ANY)
    assert (it.voxels == EVERY_VOXEL).all()


def test_a_round_clears_first_and_marks_then_from_the_sensor_s_frame():
    """A person stands 2 m ahead, and then is gone."""
    it = layer()
    person = points(*((x, y, 2.0) for x in (-0.2, 0, 0.2) for y in (-0.3, 0, 0.3)))
    it.update({'points': person, 'points/clearing': person}, AHEAD)
    # x to the right of the camera is -y of the map, and 2 m ahead of it x = 2.025
    assert cells(it.marked) == {(row, 60) for row in (36, 40, 44)}
    it.update({'points': person, 'points/clearing': None}, AHEAD)
    assert cells(it.marked) == {(row, 60) for row in (36, 40, 44)}
    it.update({'points': person[:0], 'points/clearing': 4 * person}, AHEAD)
    assert not it.marked.any()


def test_marks_begin_higher_the_farther_they_are():
    floor = points(*((0.0, 0.5 - height, z) for z, height in (
        (1.5, 0.09), (4.0, 0.19), (7.0, 0.34))))
    it = layer()
    it.update({'points': floor, 'points/clearing': floor}, AHEAD)
    assert not it.marked.any()
    it.update({'points': floor - np.float32([0, 0.03, 0])}, AHEAD)
    assert len(cells(it.marked)) == 3
