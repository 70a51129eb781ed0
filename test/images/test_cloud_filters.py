"""What is taken out of depth images and clouds, counted against truth."""
import cv2
import numpy as np
from numpy.testing import assert_array_equal
import pytest

from flashdepth_ros.images.cloud_filters import flying_pixels, voxel_filter
from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.images.points import unproject

WIDTH, HEIGHT = 640, 360
CAMERA = Intrinsics(350.0, 350.0, 319.5, 179.5, WIDTH, HEIGHT)


def surfaces() -> list[np.ndarray]:
    """Return the inverse depth (H, W) in 1/m of each surface of the scene, were it everywhere."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    return [
        np.full(x.shape, 1 / 40),        # the far end
        np.maximum(y / 1.2, 1e-9),       # the floor, up to the horizon
        (x + 0.1) / 1.5,                 # a wall along the view
        (0.8 - 0.2 * y + x) / 2.5,       # a slanted board
        np.full(x.shape, 1 / 1.2),       # a box
        np.full(x.shape, 1 / 3.0),       # a ball's disc
        np.full(x.shape, 1 / 2.0),       # a pole of 7 pixels
    ]


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse depth (H, W) and the number of the surface seen in each pixel."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    everywhere = np.ones(u.shape, bool)
    extents = [everywhere, everywhere, everywhere,
               (u > 50) & (u < 200) & (v > 75) & (v < 280),
               (u > 300) & (u < 360) & (v > 100) & (v < 325),
               (u - 260) ** 2 + (v - 150) ** 2 < 30 ** 2,
               (u > 420) & (u < 428) & (v > 50)]
    stack = np.stack([np.where(extent, surface, 0)
                      for surface, extent in zip(surfaces(), extents, strict=True)])
    return stack.max(0).astype(np.float32), stack.argmax(0)


def through_a_network(inverse: np.ndarray) -> np.ndarray:
    small = cv2.resize(inverse, (WIDTH * 2 // 3, HEIGHT * 2 // 3), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def off_every_surface(inverse: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the relative depth error (H, W) against the best of the surfaces seen near by."""
    error = np.full(inverse.shape, np.inf)
    for number, surface in enumerate(surfaces()):
        near = cv2.dilate((seen == number).astype(np.uint8), np.ones((13, 13))) > 0
        error[near] = np.minimum(error, np.abs(surface / inverse - 1))[near]
    return error


@pytest.mark.parametrize('smear', [
    lambda inverse: cv2.GaussianBlur(inverse, (0, 0), 1.2),
    lambda inverse: cv2.GaussianBlur(inverse, (0, 0), 1.8),
    lambda inverse: cv2.blur(inverse, (5, 5)),
    lambda inverse: cv2.blur(inverse, (7, 7)),
    through_a_network,
])
@pytest.mark.parametrize('noise', [0.0, 0.003])
def test_flying_pixels_are_found_and_surfaces_stay(smear, noise):
    inverse, seen = scene()
    smeared = smear(inverse)
    smeared *= 1 + noise * np.random.default_rng(0).normal(size=inverse.shape).astype(np.float32)
    error = off_every_surface(smeared, seen)
    flying, true = error > 0.1, error < 0.04
    assert np.count_nonzero(flying) > 2000
    found = flying_pixels(1 / smeared)
    assert found[flying].mean() > 0.98
    assert found[true].mean() < 0.01
    for number in range(1, 7):    # none pays for the others, not the grazing ones, not the pole
        assert found[true & (seen == number)].mean() < 0.03, number


def test_planes_lose_nothing():
    for plane in surfaces()[1:4]:
        depth = np.where(plane > 0.01, 1 / np.maximum(plane, 0.01), np.nan).astype(np.float32)
        assert not flying_pixels(depth).any()


@pytest.mark.parametrize('noise', [0.0, 0.003, 0.01])
def test_a_floor_at_a_grazing_angle_stays(noise):
    v = np.arange(HEIGHT, dtype=np.float32)[:, None] - CAMERA.cy
    floor = np.where(v > 0, 0.42 * CAMERA.fy / v, np.inf) + np.zeros((1, WIDTH), np.float32)
    seen = floor * (1 + noise * np.random.default_rng(0).standard_normal(floor.shape, np.float32))
    far = (floor > 4) & (floor < 8)
    assert far.any() and flying_pixels(seen)[far].mean() < 0.001
    seen[:, 200:210] = 2.0    # a pole on it, its sides smeared, is told from it all the same
    with np.errstate(divide='ignore'):
        smeared = 1 / cv2.blur(1 / seen, (5, 1))
    flying = far & (smeared < 0.85 * floor) & (smeared > 2.3)
    assert flying_pixels(smeared)[flying].mean() > 0.98


def test_values_beside_none_are_judged_by_what_is_known():
    inverse, _ = scene()
    depth = 1 / cv2.blur(inverse, (5, 5))
    found = flying_pixels(depth)
    depth[:, 100:110] = np.nan
    depth[20:24] = -np.inf
    away = np.ones(depth.shape, bool)
    away[:, 88:122] = False
    away[8:36] = False
    assert_array_equal(flying_pixels(depth)[away], found[away])
    assert flying_pixels(depth)[~away].sum() <= found[~away].sum()


def test_sharp_edges_and_the_sky_lose_nothing():
    inverse, _ = scene()
    assert flying_pixels(1 / inverse).mean() < 0.006
    depth = np.full((40, 60), np.inf, np.float32)    # a wall before the sky
    depth[:, :30] = 2
    assert not flying_pixels(depth).any()
    # a pixel between them hangs before the sky; the one that is too near has no value to judge
    depth[:, 30] = 8
    depth[20, 10] = -np.inf
    expected = np.zeros(depth.shape, bool)
    expected[:, 30] = True
    assert_array_equal(flying_pixels(depth), expected)


def test_a_pixel_between_a_wall_and_a_far_one_flies():
    depth = np.full((40, 60), 20.0, np.float32)
    depth[:, :30] = 2
    depth[:, 30] = 4
    expected = np.zeros(depth.shape, bool)
    expected[:, 30] = True
    assert_array_equal(flying_pixels(depth), expected)
    depth[:, 45:] = np.inf     # the sky elsewhere changes nothing
    assert_array_equal(flying_pixels(depth), expected)


def test_images_without_values_have_no_flying_pixels():
    for value in (np.nan, np.inf, -np.inf):
        assert not flying_pixels(np.full((9, 9), value, np.float32)).any()
    assert flying_pixels(np.ones((1, 1), np.float32)).shape == (1, 1)


def test_the_cloud_of_an_edge_has_no_points_in_the_air():
    depth = np.full((HEIGHT, WIDTH), 5.0, np.float32)
    depth[:, 300:] = 1.5
    depth = 1 / cv2.GaussianBlur(1 / depth, (0, 0), 1.2)
    assert np.count_nonzero((depth > 1.65) & (depth < 4.5)) > 1000
    depth[flying_pixels(depth)] = np.nan
    z = unproject(depth, CAMERA)[..., 2]
    z = z[np.isfinite(z)]
    assert ((z < 1.65) | (z > 4.5)).all()
    assert z.size > 0.98 * depth.size


def test_voxels_keep_the_first_point_of_each():
    points = np.array([
        [0.01, 0.01, 1.01], [0.09, 0.02, 1.05],       # one cube of 0.1 m
        [-0.01, 0.01, 1.01],                          # across 0 is another
        [np.nan, 0, 1], [0, np.inf, 1], [np.inf, -np.inf, 1],
        [0.05, 0.05, 1.15], [0.02, 0.02, 1.09], [0.11, 0.0, 1.0]], np.float32)
    colours = np.arange(27, dtype=np.uint8).reshape(9, 3)
    kept, kept_colours = voxel_filter(points, colours, 0.1)
    assert_array_equal(kept, points[[0, 2, 6, 8]])
    assert_array_equal(kept_colours, colours[[0, 2, 6, 8]])
    assert_array_equal(voxel_filter(points[None], None, 0.1)[0], kept)
    assert voxel_filter(points[3:5], colours[3:5], 0.1)[0].shape == (0, 3)


@pytest.mark.parametrize('far', [0.0, 1e4])    # the second has more cubes than numbers
def test_voxels_against_a_slow_way(far):
    points = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    points[-1] = far
    seen, expected = set(), []
    for point in points.astype(np.float64):
        cube = tuple(np.floor(point * 4).astype(int))
        if cube not in seen:
            expected.append(point)
            seen.add(cube)
    assert_array_equal(voxel_filter(points, None, 0.25)[0], expected)


def test_small_voxels_of_a_large_cloud():
    points = np.random.default_rng(0).uniform(-100, 100, (20000, 3)).astype(np.float32)
    points[1::2] = points[::2] + np.float32(1e-5)
    kept, colours = voxel_filter(points, np.arange(20000, dtype=np.uint32)[:, None], 0.01)
    assert 10000 <= len(kept) < 10200    # some pairs lie across a cube's side
    assert_array_equal(kept, points[colours[:, 0]])
    assert len(voxel_filter(points, None, 1e-6)[0]) > 15000


@pytest.mark.parametrize('size', [0.0, -1.0, float('nan')])
def test_impossible_voxels_are_refused(size):
    with pytest.raises(ValueError, match='no size'):
        voxel_filter(np.array([[0, 0, 0], [99, 99, 99]], np.float32), None, size)
