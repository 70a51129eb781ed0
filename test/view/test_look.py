"""What the page does to a picture by its depth, and what it sends of a frame."""
import base64
import html
import json
import re

import cv2
import numpy as np
from numpy.testing import assert_allclose
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.images.points import unproject
from flashdepth_ros.view.look import BACKGROUNDS, Look, normals, relight, show
from flashdepth_ros.view.pictures import FAR, Colours, metres_grid, picked, prepare

HEIGHT, WIDTH = 60, 80
CAMERA = Intrinsics.from_field_of_view(60.0, WIDTH, HEIGHT)
GREY = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)


def plane(normal: tuple[float, float, float], distance: float) -> np.ndarray:
    """Depth (H, W) of a plane that lies at a distance along its normal."""
    x, y = CAMERA.rays()
    rays = np.stack([*np.meshgrid(x, y), np.ones((HEIGHT, WIDTH))], 2)
    return (distance / (rays @ np.asarray(normal))).astype(np.float32)


def test_normals_are_those_of_the_plane_and_look_at_the_camera():
    away = np.array([0.3, -0.2, 1.0])
    away /= np.linalg.norm(away)
    points = unproject(plane(tuple(away), 3.0), CAMERA)
    points[20, 30] = np.nan
    points[:, 40:] *= 1.5  # another surface, parallel: its edge has no normal of its own
    found = normals(points)
    assert not found[20, 30].any()
    found[20, 30] = -away
    assert_allclose(found, np.broadcast_to(-away, found.shape), atol=3e-3)


def test_a_lamp_lights_what_faces_it():
    wall = plane((0.0, 0.0, 1.0), 2.0)
    lit = relight(GREY, wall, CAMERA, (-0.8, 0.0, 1.0))
    left, right = lit[25:35, 5:15].mean(), lit[25:35, -15:-5].mean()
    assert left > 1.2 * right
    behind = relight(GREY, wall, CAMERA, (0.0, 0.0, 3.0))  # of the wall
    assert behind[5:-5, 5:-5].max() < right
    # a network's scale is not known: the same picture whatever it is
    assert_allclose(lit.astype(int), relight(
        GREY, wall * 10, CAMERA, (-8.0, 0.0, 10.0)).astype(int), atol=1)


@pytest.mark.parametrize('name', BACKGROUNDS)
def test_what_stands_behind_a_depth_is_replaced(name):
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    depth[:, 40:], depth[:20, 40:], depth[20:30, 40:] = 5.0, np.nan, np.inf
    rng = np.random.default_rng(0)
    rgb = rng.integers(50, 200, GREY.shape, dtype=np.uint8)
    shown = show(rgb, depth, CAMERA, Look(background=name, behind=4.0))
    assert (shown[:, :40] == rgb[:, :40]).all()
    assert (shown[:, 40:] == rgb[:, 40:]).all() == (name == 'camera')


def test_the_slice_is_green():
    depth = np.full((HEIGHT, WIDTH), 1.0, np.float32)
    depth[:, 40:], depth[:, :10] = 3.0, np.nan
    shown = show(GREY, depth, None, Look(slice=(0.5, 2.0))).astype(int)
    green = shown[..., 1] > shown[..., 0] + 40
    assert green[:, 10:40].all() and not green[:, 40:].any() and not green[:, :10].any()


def test_a_grid_cell_is_one_pixel_and_keeps_its_metres():
    depth = np.random.default_rng(0).uniform(0.2, 90.0, (HEIGHT, WIDTH)).astype(np.float32)
    depth[0, 0], depth[5, 5], depth[6, 6] = np.nan, np.inf, -np.inf
    levels, unit = metres_grid(depth)
    assert levels[0, 0] == levels[6, 6] == 0 and levels[5, 5] == FAR
    known = np.isfinite(depth)
    assert_allclose(levels[known] * unit, depth[known], atol=90 / FAR)
    assert np.isin(picked(depth, 7, 9)[np.isfinite(picked(depth, 7, 9))], depth).all()
    assert metres_grid(np.full((2, 2), np.nan, np.float32))[0].max() == 0


def test_a_frame_carries_pictures_metres_and_a_cloud():
    depth = plane((0.0, 0.0, 1.0), 2.0)
    depth[:, :8] = np.nan
    rgb = np.full((2 * HEIGHT, 2 * WIDTH, 3), (200, 30, 30), np.uint8)  # the camera's own size
    shown = prepare(depth, rgb, CAMERA, np.zeros_like(depth), Look(), Colours(), 40, 300, 7,
                    '<b>"&amp; caption</b>')
    frame = json.loads(html.unescape(re.search(r'data-frame="([^"]*)"', shown.html)[1]))
    assert frame['caption'] == '<b>"&amp; caption</b>' and '<b>' not in shown.html
    assert frame['stamp'] == '7' and (frame['width'], frame['height']) == (WIDTH, HEIGHT)
    camera, dark = (cv2.imdecode(np.frombuffer(base64.b64decode(frame[name]), np.uint8), 1)
                    for name in ('camera', 'depth'))
    assert camera.shape == dark.shape == (30, 40, 3)
    assert_allclose(camera[15, 20], (30, 30, 200), atol=12)
    assert dark.max() < 8  # of no confidence at all
    grid = np.frombuffer(base64.b64decode(frame['grid']), '<u2').reshape(
        frame['rows'], frame['columns'])
    assert_allclose(grid[15, 20] * frame['unit'], 2.0, rtol=1e-4)
    assert not grid[:, :3].any()
    assert 100 < len(shown.points) <= 300 and len(shown.colours) == len(shown.points)
    assert_allclose(shown.points[:, 2], 2.0, rtol=1e-5)
    assert abs(shown.points[:, 0]).max() < 2 * np.tan(np.radians(30))
    assert (shown.colours[:, 0] > 150).all()
    assert shown.reach == pytest.approx(2.0)


def test_a_frame_without_value_image_or_camera_is_shown():
    nothing = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    shown = prepare(nothing, None, None, None, Look(light=(0.0, 0.0, 0.0)), Colours(), 480, 1000,
                    1, '')
    assert len(shown.points) == 0 and shown.reach == 0
    assert len(prepare(nothing, GREY, CAMERA, None, Look(light=(0.0, 0.0, 0.0)), Colours(), 480,
                       1000, 1, '').points) == 0
