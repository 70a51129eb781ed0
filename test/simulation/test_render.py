"""Rendered pictures and depths agree with optics and with the geometry of the scene."""
from egl import needs_egl
import numpy as np
import pytest

needs_egl()

import mujoco  # noqa: E402

from flashdepth_ros.images.poses import OPTICAL  # noqa: E402
from flashdepth_ros.simulation import KINDS, Renderer, make_scene  # noqa: E402
from flashdepth_ros.simulation.paths import Path  # noqa: E402
from flashdepth_ros.simulation.render import average_depth  # noqa: E402
from flashdepth_ros.simulation.scene import Carriage, Scene  # noqa: E402

STILL = Carriage(height=1.0, pitch=0, nod=0, roll=0, bob=0, sway=0, frequency=1)


@pytest.fixture
def renderer():
    """A camera whose pictures are neither square nor of even halves."""
    with Renderer(width=102, height=78, hfov=80) as renderer:
        yield renderer


def scene_of(*geoms: dict) -> Scene:
    """A scene of geoms alone, its camera at (0, 0, 1) and looking along x."""
    spec = mujoco.MjSpec()
    spec.stat.extent = 1.0
    spec.visual.map.znear, spec.visual.map.zfar = 0.03, 100.0
    spec.visual.quality.offsamples = 0
    spec.visual.headlight.ambient = [0.6, 0.6, 0.6]
    for geom in geoms:
        spec.worldbody.add_geom(**geom)
    path = Path(np.zeros((2, 2)), np.zeros(2), 10.0)
    return Scene(0, 'room', spec.compile(), path, STILL, [], np.zeros((0, 3)))


def box(center, half, color=(1, 0, 0)) -> dict:
    return {'type': mujoco.mjtGeom.mjGEOM_BOX, 'pos': center, 'size': half, 'rgba': [*color, 1]}


@pytest.mark.parametrize('distance', [0.5, 2.0, 20.0])
def test_wall_ahead_is_at_its_distance_along_the_axis_in_every_pixel(renderer, distance):
    frame = renderer.render(scene_of(box((distance + 1, 0, 1), (1, 60, 60))), 0.0)
    # planar depth: a ray's length would be 1.5 times as large in the corners
    np.testing.assert_allclose(frame.depth, distance, rtol=2e-4)


def test_floor_and_slanted_wall_are_where_each_pixels_ray_meets_them(renderer):
    scene = scene_of(box((0, 0, -1), (60, 60, 1)))  # the floor: 1 m below the camera
    camera = renderer.intrinsics
    depth = renderer.render(scene, 0.0).depth
    rows = np.arange(camera.height)
    down = (rows - camera.cy) / camera.fy
    seen = down > 0.07  # up to 14 m; beyond, two samples of a pixel are metres apart
    np.testing.assert_allclose(depth[seen], np.broadcast_to(
        (1 / down[seen])[:, None], depth[seen].shape), rtol=1e-3)
    assert np.isinf(depth[rows < camera.cy - 1]).all()  # nothing above the horizon


def test_sphere_and_box_lie_where_the_intrinsics_project_them(renderer):
    camera = renderer.intrinsics
    radius, center = 0.15, np.array([3.0, 0.8, 1.6])  # ahead, left, above
    scene = scene_of({'type': mujoco.mjtGeom.mjGEOM_SPHERE, 'pos': center, 'rgba': [0, 1, 0, 1],
                      'size': [radius, 0, 0]}, box((4, -1, 0.5), (0.001, 0.4, 0.2)))
    frame = renderer.render(scene, 0.0)
    sphere = OPTICAL.T @ (center - [0, 0, 1])
    green = (frame.rgb[..., 1] > 60) & (frame.rgb[..., 0] < 30)
    v, u = np.nonzero(green)
    assert u.mean() == pytest.approx(camera.cx + camera.fx * sphere[0] / sphere[2], abs=0.3)
    assert v.mean() == pytest.approx(camera.cy + camera.fy * sphere[1] / sphere[2], abs=0.3)
    ray = np.array([(round(u.mean()) - camera.cx) / camera.fx,
                    (round(v.mean()) - camera.cy) / camera.fy, 1])
    a, b, c = ray @ ray, ray @ sphere, sphere @ sphere - radius ** 2
    assert frame.depth[round(v.mean()), round(u.mean())] == pytest.approx(
        (b - np.sqrt(b * b - a * c)) / a, rel=1e-2)  # the sphere is drawn with facets
    # the box's face, 3.999 m ahead: 1 m to the right, 0.5 m below, 0.8 by 0.4 m
    red = np.where(frame.rgb[..., 1] < 30, frame.rgb[..., 0], 0)  # without the sphere's shine
    cover = red / red.max()
    v, u = np.mgrid[:camera.height, :camera.width]
    assert np.average(u, weights=cover) == pytest.approx(
        camera.cx + camera.fx * 1.0 / 3.999, abs=0.3)
    assert np.average(v, weights=cover) == pytest.approx(
        camera.cy + camera.fy * 0.5 / 3.999, abs=0.3)
    assert cover.max(0).sum() == pytest.approx(camera.fx * 0.8 / 3.999, abs=0.5)
    assert cover.max(1).sum() == pytest.approx(camera.fy * 0.4 / 3.999, abs=0.5)


def test_pose_is_the_optical_frame_in_the_world(renderer):
    # a camera that is turned and moved sees a wall at the distance that its pose says
    scene = scene_of(box((5, 0, 0), (1, 60, 60)))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = OPTICAL, (1.5, 3, 2)
    np.testing.assert_allclose(renderer.render(scene, 0.0, pose).depth, 2.5, rtol=2e-4)
    turned = pose.copy()
    turned[:3, :3] = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ OPTICAL  # to the left
    frame = renderer.render(scene, 0.0, turned)
    camera = renderer.intrinsics
    x, y = camera.rays()
    rays = np.stack(np.broadcast_arrays(x[None], y[:, None], 1.0), -1) @ turned[:3, :3].T
    np.testing.assert_allclose(frame.depth, 2.5 / rays[..., 0], rtol=1e-3)


def test_edges_leave_no_depth_in_the_air(renderer):
    scene = scene_of(box((2.5, 0.031, 1), (0.5, 0.2, 0.2)), box((9, 0, 1), (1, 60, 60)))
    depth = renderer.render(scene, 0.0).depth
    assert ((np.abs(depth - 2) < 0.01) | (np.abs(depth - 8) < 0.01)).all()


def test_samples_of_one_surface_are_averaged_as_inverse_depth():
    plane = average_depth(np.array([[0.50, 0.52], [0.52, 0.54]]))
    assert plane == pytest.approx(1 / 0.52)
    edge = average_depth(np.array([[1.0, 0.1], [1.0, 0.1]]))
    assert edge == pytest.approx(1.0)
    corner = average_depth(np.array([[1.0, 0.1], [0.1, 0.1]]))
    assert corner == pytest.approx(10.0)
    assert np.isinf(average_depth(np.zeros((2, 2)))).all()


@pytest.mark.parametrize('kind', KINDS)
def test_one_seed_gives_one_picture_and_another_seed_another(renderer, kind):
    first, again = (renderer.render(make_scene(7, kind), 1.5) for _ in range(2))
    np.testing.assert_array_equal(first.rgb, again.rgb)
    np.testing.assert_array_equal(first.depth, again.depth)
    np.testing.assert_array_equal(first.pose, again.pose)
    other = renderer.render(make_scene(8, kind), 1.5)
    assert (first.rgb != other.rgb).any()


def test_camera_stays_clear_of_walls_and_things_and_sees_no_hole(renderer):
    for seed in range(12):
        scene = make_scene(seed)
        for turn in np.arange(0, 1, 0.2):
            frame = renderer.render(scene, turn * scene.period)
            assert frame.depth.min() > 0.25, (seed, turn)
            assert frame.depth.max() < 40, (seed, turn)  # rooms are closed; +Inf would be a hole


def test_scene_comes_again_after_its_period(renderer):
    scene = make_scene(3)
    first, again = (renderer.render(scene, time) for time in (2.0, 2.0 + scene.period))
    np.testing.assert_allclose(first.pose, again.pose, atol=1e-9)
    assert np.abs(first.rgb.astype(int) - again.rgb).mean() < 0.5


def test_moving_things_and_light_change_the_view_from_one_place(renderer):
    changes = []
    for seed in range(8):
        scene = make_scene(seed, 'hall')
        pose = scene.pose(0)
        first, later = (renderer.render(scene, time, pose) for time in (0.0, 1.7))
        changes.append((bool(scene.movers), (first.depth != later.depth).mean()))
    assert max(change for _, change in changes) > 0.001
    assert all(change == 0 for moves, change in changes if not moves)


def test_a_visitor_stands_before_the_camera_for_its_time_and_changes_nothing_else(renderer):
    scene, without = make_scene(1, visit=(0.95, 1.95)), make_scene(1)
    for time, there in ((0.9, False), (1.0, True), (1.9, True), (2.0, False)):
        frame, other = renderer.render(scene, time), renderer.render(without, time)
        np.testing.assert_array_equal(frame.pose, other.pose)
        changed = frame.depth != other.depth
        assert changed.any() == there
        if there:
            distance = np.linalg.norm(scene.visit.place - frame.pose[:2, 3])
            nearer = frame.depth < 0.9 * other.depth
            assert nearer.sum() > 0.7 * changed.sum()
            assert distance - 0.6 < frame.depth[nearer].min() < distance + 0.3
    assert 1.0 <= np.linalg.norm(scene.visit.place - scene.pose(1.95)[:2, 3]) <= 1.8 + 1e-9


def test_the_fullest_corridor_leaves_a_place_for_the_camera(renderer):
    scene = make_scene(7945)  # one of 8,000 has no place that is free for 0.4 m to each side
    depth = renderer.render(scene, 0.0).depth
    assert np.isfinite(depth).all() and depth.min() > 0.1


def test_unknown_kinds_and_seeds_are_refused():
    with pytest.raises(ValueError, match=r"'garden'; it must be room, corridor, hall"):
        make_scene(0, 'garden')
    with pytest.raises(ValueError, match='-1'):
        make_scene(-1)
