"""A network of point maps in the node: its sky is far, and it tells the camera's focal length."""
import numpy as np
from numpy.testing import assert_allclose
import pytest
from ros_rig import SECOND, camera, street

from flashdepth_ros.engines import open_engine
from flashdepth_ros.images.focal_shift import camera_of, relative_focal
from flashdepth_ros.streams.depth_stream import DepthStream
from flashdepth_ros.streams.point_maps import FIRST_FRAMES

OPTIONS = {'model.name': 'dyfn', 'scale.mode': 'fixed', 'scale.factor': 2.0,
           'input.short_side': 70, 'output.min_range': 0.0, 'points.stride': 1,
           'points.organized': True}
FRAMES = street(FIRST_FRAMES + 1)
SIZE = FRAMES[0].shape[:2]


def by_hand(focal):
    """Return depth up to scale of all frames, and the stream that made it."""
    stream = DepthStream(open_engine('dyfn', 'random', 'torch'), short_side=70)
    return [stream.read(stream.step(stream.prepare(rgb)), SIZE, focal=focal).numpy()
            for rgb in FRAMES], stream


def test_a_camera_that_nobody_knows(rig, small_dyfn):
    expected, stream = by_hand(None)
    assert stream.points.settled and 0 < np.isfinite(expected[-1]).mean() < 1
    node = rig(**OPTIONS).activate()
    for i, (rgb, wanted) in enumerate(zip(FRAMES, expected, strict=True)):
        depth = node.depth_of(rgb, (i + 1) * SECOND // 10)
        assert_allclose(depth, np.where(wanted > 500, np.inf, wanted / 2), rtol=1e-3, atol=1e-3)
    assert node.spin_until(lambda: node.received['depth/camera_info'] and node.received['points'])
    known = camera_of(stream.points.focal, *SIZE[::-1])
    assert node.spin_until(lambda: node.received['depth/camera_info'][-1].k[0] == pytest.approx(
        known.fx, rel=1e-3))
    cloud = node.received['points'][-1]
    points = np.frombuffer(cloud.data, np.float32).reshape(*SIZE, -1)
    assert np.isfinite(points[..., 2]).any()
    assert node.spin_until(lambda: node.health('input') and (
        "network's own estimate" in node.health('input').message))
    assert 'no camera_info' not in node.health('input').message


def test_a_calibration_that_cannot_be_right(rig, small_dyfn):
    expected, stream = by_hand(relative_focal(camera(*SIZE[::-1])))
    apart = relative_focal(camera(*SIZE[::-1])) / stream.points.focal
    assert not 0.8 < apart < 1.2  # of what the random weights see
    node = rig(**OPTIONS).activate()
    for i, rgb in enumerate(FRAMES):
        depth = node.depth_of(rgb, (i + 1) * SECOND // 10, info=True)
    wanted = expected[-1]
    assert_allclose(depth, np.where(wanted > 500, np.inf, wanted / 2), rtol=1e-3, atol=1e-3)
    pixels = camera_of(stream.points.focal, *SIZE[::-1]).fx
    assert node.spin_until(lambda: node.health('input') and node.health('input').level == b'\1')
    words = f'in use is {0.8 * SIZE[1]:.0f} pixels, and the network sees {pixels:.0f}'
    assert node.spin_until(lambda: words in node.health('input').message)
    assert node.received['depth/camera_info'][-1].k[0] == pytest.approx(0.8 * SIZE[1])
    # which ends when the network's is taken
    assert node.set_parameter('camera.focal', 'model').successful
    node.depth_of(FRAMES[0], 2 * SECOND, info=True)
    assert node.spin_until(lambda: node.received['depth/camera_info'][-1].k[0] == pytest.approx(
        pixels, rel=1e-3))
    assert node.spin_until(lambda: words not in node.health('input').message)


def test_what_such_a_model_cannot_do_and_others_cannot(rig, small_dyfn):
    node = rig(**{'model.name': 'dyfn'})
    assert not node.change_state('configure')
    assert 'depth up to an unknown scale' in node.depth_node.problem
    node.set_parameter('model.name', 'flashdepth-nano')
    node.set_parameter('camera.focal', 'model')
    assert not node.change_state('configure')
    assert 'tells no focal length' in node.depth_node.problem and (
        'dyfn, moge-l' in node.depth_node.problem)
