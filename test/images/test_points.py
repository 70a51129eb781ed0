"""The loop that fills a cloud, against points that are reckoned one by one."""
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.images.points import (
    ANY_HEIGHT,
    clearing_grid,
    fill_points,
    fill_ray_ends,
    grid_size,
)

CAMERA = Intrinsics(30.0, 31.0, 6.7, 5.2, 14, 11)


def plainly(depth, rgb, camera, stride, organized, heights) -> np.ndarray:
    """Return the points (N, 3 or 4) float32 as one would write them in NumPy."""
    v, u = np.mgrid[:camera.height:stride, :camera.width:stride]
    z = depth[v, u].astype(float)
    points = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], -1)
    known = np.isfinite(z) & (-points[..., 1] >= heights[0]) & (-points[..., 1] <= heights[1])
    points[~known] = np.nan
    points = points.astype(np.float32)
    if rgb is not None:
        colours = (rgb[v, u].astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(-1)
        points = np.dstack([points, colours.astype(np.uint32).view(np.float32)])
    return points.reshape(-1, points.shape[-1]) if organized else points[known]


@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('missing', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('coloured', [False, True])
@pytest.mark.parametrize('organized', [False, True])
@pytest.mark.parametrize('heights', [ANY_HEIGHT, (-1.0, 0.5)])
def test_points_are_what_plain_numpy_gives(stride, missing, coloured, organized, heights):
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 30, (11, 14)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf):
        depth[rng.random(depth.shape) < missing / 3] = value
    if missing == 1:
        depth[...] = np.nan
    rgb = rng.integers(0, 256, (11, 14, 3), dtype=np.uint8) if coloured else None
    expected = plainly(depth, rgb, CAMERA, stride, organized, heights)
    points = np.empty((np.prod(grid_size(CAMERA, stride)), 4 if coloured else 3), np.float32)
    count = fill_points(depth, rgb, CAMERA, stride, organized, heights, points)
    assert count == len(expected)
    assert_allclose(points[:count, :3], expected[:, :3], rtol=1e-6)
    assert_array_equal(points[:count, 3:].view(np.uint32), expected[:, 3:].view(np.uint32))


@pytest.mark.parametrize('stride', [1, 3])
def test_a_margin_leaves_out_what_is_near_the_edge_of_the_view(stride):
    depth = np.random.default_rng(1).uniform(0.5, 30, (11, 14)).astype(np.float32)
    x, y = ((np.arange(size) / focal)[::stride] for size, focal in (
        (14, CAMERA.fx), (11, CAMERA.fy)))
    z = depth[::stride, ::stride]
    inside = np.minimum(np.minimum(x, 13 / CAMERA.fx - x)[None],
                        np.minimum(y, 10 / CAMERA.fy - y)[:, None]) * z >= 0.7
    points = np.empty((z.size, 3), np.float32)
    count = fill_points(depth, None, CAMERA, stride, False, ANY_HEIGHT, points, margin=0.7)
    assert 0 < count < z.size
    assert_array_equal(points[:count, 2], z[inside])


def test_heights_are_up_from_the_camera():
    # y is down: at 1 m, these rows lie 0.5 m above, 0.9 m below, 1 m below, 1.1 m above the camera
    for row, y in enumerate((-0.5, 0.9, 1.0, -1.1)):
        camera = Intrinsics(1.0, 1.0, 0.0, -y, 1, 1)
        points = np.empty((1, 3), np.float32)
        count = fill_points(
            np.ones((1, 1), np.float32), None, camera, 1, False, (-0.95, 1.0), points)
        assert count == (row < 2)


def test_colours_never_make_a_point_look_like_none():
    points = np.empty((154, 4), np.float32)
    fill_points(np.ones((11, 14), np.float32), np.full((11, 14, 3), 255, np.uint8), CAMERA, 1,
                False, ANY_HEIGHT, points)
    assert np.isfinite(points).all()
    assert (points[:, 3].view(np.uint32) == 0xFFFFFF).all()


def test_images_and_memory_of_another_size_are_refused():
    depth, rgb = np.ones((11, 14), np.float32), np.zeros((11, 14, 3), np.uint8)
    room = np.empty((154, 4), np.float32)
    with pytest.raises(ValueError, match=r'depth of 13x11 .* 14x11'):
        fill_points(depth[:, 1:], rgb, CAMERA, 1, True, ANY_HEIGHT, room)
    with pytest.raises(ValueError, match=r'colours of 14x10 .* 14x11'):
        fill_points(depth, rgb[1:], CAMERA, 1, True, ANY_HEIGHT, room)
    for colours, points in ((rgb, room[1:]), (rgb, room[:, 1:]), (None, room)):
        with pytest.raises(ValueError, match='154 points do not go'):
            fill_points(depth, colours, CAMERA, 1, True, ANY_HEIGHT, points)


@pytest.mark.parametrize('grid', [
    (slice(0, None, 1), slice(0, None, 1)), (slice(2, None, 4), slice(1, None, 3))])
def test_ray_ends_are_what_plain_numpy_gives(grid):
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 8, (11, 14)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf):
        depth[rng.random(depth.shape) < 0.2] = value
    v, u = np.meshgrid(np.arange(11)[grid[0]], np.arange(14)[grid[1]], indexing='ij')
    z = np.where(depth == np.inf, 9.0, depth)[v, u]
    expected = np.stack([(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z], -1)
    expected = expected[np.isfinite(z)]
    points = np.empty((154, 3), np.float32)
    count = fill_ray_ends(depth, CAMERA, grid, 9.0, points)
    assert 0 < count == len(expected)
    assert_allclose(points[:count], expected, rtol=1e-6)


@pytest.mark.parametrize(('width', 'height', 'row_step', 'column_step'), [
    (640, 480, 8, 3), (1280, 720, 16, 6), (98, 84, 1, 1), (320, 240, 4, 2)])
def test_clearing_rays_soon_go_through_every_pixel(width, height, row_step, column_step):
    camera = Intrinsics.from_field_of_view(70, width, height)
    seen = np.zeros((height, width), bool)
    for turn in range(4 * row_step * column_step):
        grid = clearing_grid(camera, turn)
        assert (grid[0].step, grid[1].step) == (row_step, column_step)
        seen[grid] = True
    assert seen.mean() > 0.97


def test_ray_ends_that_do_not_fit_are_refused():
    grid = slice(None), slice(None)
    with pytest.raises(ValueError, match='154 points do not go'):
        fill_ray_ends(np.ones((11, 14), np.float32), CAMERA, grid, 8.0, np.empty((153, 3), 'f4'))
    with pytest.raises(ValueError, match=r'depth of 13x11 .* 14x11'):
        fill_ray_ends(np.ones((11, 13), np.float32), CAMERA, grid, 8.0, np.empty((154, 3), 'f4'))
