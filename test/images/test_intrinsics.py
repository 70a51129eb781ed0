"""Unprojection and rescaled intrinsics."""
import numpy as np
from numpy.testing import assert_allclose
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.images.points import unproject

CAMERA = Intrinsics(300.0, 310.0, 159.5, 119.5, 320, 240)


def plane_depth(camera: Intrinsics, normal: np.ndarray, offset: float) -> np.ndarray:
    """Depth of the plane normal . point = offset, ray by ray."""
    v, u = np.mgrid[:camera.height, :camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy,
                     np.ones(u.shape)], -1)
    return (offset / (rays @ normal)).astype(np.float32)


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_points_of_a_plane_lie_on_it(stride):
    normal = np.array([0.1, -0.3, 0.9])
    points = unproject(plane_depth(CAMERA, normal, 4.0), CAMERA, stride)
    assert points.shape == (-(-240 // stride), -(-320 // stride), 3)
    assert_allclose(points @ normal, 4.0, rtol=1e-5)


def test_a_known_pixel():
    depth = np.full((240, 320), 3.0, np.float32)
    # 30 columns right of the centre and 31 rows below, at 3 m: x = 30 / 300 * 3, y = 31 / 310 * 3
    camera = Intrinsics(300.0, 310.0, 160.0, 120.0, 320, 240)
    assert_allclose(unproject(depth, camera)[151, 190], [0.3, 0.3, 3.0], rtol=1e-6)


def test_a_resized_view_sees_the_same_plane():
    normal = np.array([0.2, 0.1, 1.0])
    small = CAMERA.resized(160, 120)
    points = unproject(plane_depth(small, normal, 2.0), small)
    assert_allclose(points @ normal, 2.0, rtol=1e-5)
    # the edges of the view stay: u = -0.5 is its left edge at any size
    left = (-0.5 - CAMERA.cx) / CAMERA.fx
    assert (-0.5 - small.cx) / small.fx == pytest.approx(left)
    assert small.resized(320, 240) == CAMERA


def test_no_value_is_no_point():
    depth = np.array([[1.0, np.nan], [np.inf, -np.inf]], np.float32)
    points = unproject(depth, Intrinsics(1.0, 1.0, 0.0, 0.0, 2, 2))
    assert np.isfinite(points[0, 0]).all()
    assert np.isnan(points.reshape(4, 3)[1:]).all()


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_points_are_those_of_each_pixel_by_itself(stride):
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 30, (240, 320)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf):
        depth[rng.random(depth.shape) < 0.1] = value
    points = unproject(depth, CAMERA, stride)
    assert points.dtype == np.float32 and points.flags.c_contiguous
    for _ in range(500):
        i, j = (int(rng.integers(side)) for side in points.shape[:2])
        v, u = i * stride, j * stride
        z = depth[v, u] if np.isfinite(depth[v, u]) else np.nan
        assert_allclose(points[i, j], [(u - CAMERA.cx) / CAMERA.fx * z,
                                       (v - CAMERA.cy) / CAMERA.fy * z, z], rtol=1e-5)


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (7, 1)])
def test_images_of_one_row_or_column(size):
    points = unproject(np.ones(size, np.float32), Intrinsics(1.0, 1.0, 0.0, 0.0, *size[::-1]))
    assert points.shape == (*size, 3)


@pytest.mark.parametrize('values', [
    (0.0, 1.0, 0.0, 0.0), (1.0, -1.0, 0.0, 0.0), (1.0, 1.0, np.nan, 0.0), (np.inf, 1.0, 0.0, 0.0)])
def test_impossible_cameras_are_refused(values):
    with pytest.raises(ValueError, match='no camera'):
        Intrinsics(*values, 10, 10)


def test_depth_of_another_size_is_refused():
    with pytest.raises(ValueError, match='320x240'):
        unproject(np.ones((10, 10), np.float32), CAMERA)
