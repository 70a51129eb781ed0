"""A camera that is covered, freezes or has its state spoilt: what is published, told, forgotten."""
import itertools

import numpy as np
from numpy.testing import assert_allclose
import pytest
from ros_rig import SECOND, street
import torch

from flashdepth_ros.ros.message import stamp_to_ns

FRAMES = street(6)
BLACK, WHITE = np.zeros_like(FRAMES[0]), np.full_like(FRAMES[0], 255)
FINGER = np.random.default_rng(3).normal([120, 60, 50], 2, FRAMES[0].shape).astype(np.uint8)
WARN, ERROR = b'\1', b'\2'


@pytest.fixture
def stamps():
    return (round((1 + i / 10) * SECOND) for i in itertools.count())


def reasons(node) -> dict:
    return dict(zip(node.status.reset_reasons, node.status.reset_counts, strict=True))


def told(node) -> str | None:
    health = node.health('input')
    return health and {value.key: value.value for value in health.values}['camera health']


def said(node) -> str:
    health = node.health('input')
    return health.message if health else ''


def test_a_cover_has_no_depth_and_the_state_starts_anew_after_it(rig, reference, stamps):
    node = rig(**{'points.organized': True}).activate()
    reference.reset()
    for frame in FRAMES[:2]:
        assert_allclose(node.depth_of(frame, next(stamps), info=True), reference.depth(frame),
                        rtol=1e-4)
    assert node.spin_until(lambda: len(node.received['points']) == 2)
    # a finger after what was black is one however slow this machine is
    for state, picture in (('over-exposed', WHITE), ('black', BLACK), ('covered', FINGER)):
        depth = node.depth_of(picture, next(stamps), info=True)
        assert depth.shape == (84, 98) and np.isnan(depth).all()  # from the first one on
        assert node.status.health == state and np.isnan(node.status.model_ms)
        assert node.status.resets == 0
        assert node.spin_until(lambda state=state: told(node) == state)
        assert node.health('input').level in (WARN, ERROR)
    # what was seen before is of another place; the first good frame has depth
    assert_allclose(node.depth_of(FRAMES[2], next(stamps), info=True),
                    reference.reset().depth(FRAMES[2]), rtol=1e-4)
    assert node.status.health == 'good' and node.status.reset
    assert reasons(node) == {'camera covered': 1}
    assert_allclose(node.depth_of(FRAMES[3], next(stamps), info=True), reference.depth(FRAMES[3]),
                    rtol=1e-4)
    assert (node.status.processed, node.status.blind) == (4, 3)
    assert node.spin_until(lambda: len(node.received['points']) == 4)  # a blind camera has none
    assert node.spin_until(lambda: told(node) == 'good')
    assert 'lens' not in said(node)


def test_one_black_frame_forgets_nothing(rig, reference, stamps):
    node = rig().activate()
    reference.reset()
    node.depth_of(FRAMES[0], next(stamps))
    reference.depth(FRAMES[0])
    assert np.isnan(node.depth_of(BLACK, next(stamps))).all()
    assert_allclose(node.depth_of(FRAMES[1], next(stamps)), reference.depth(FRAMES[1]), rtol=1e-4)
    assert node.status.resets == 0 and not node.status.reset


def test_a_long_cover_is_an_error_until_it_is_over(rig, stamps):
    node = rig().activate()
    node.depth_of(FRAMES[0], next(stamps), info=True)
    node.depth_of(BLACK, next(stamps))
    assert node.spin_until(lambda: 'cap off the lens' in said(node))
    assert node.spin_until(lambda: node.depth_of(BLACK, next(stamps)) is not None and (
        node.health('input').level == ERROR))
    assert node.status.health_age >= 1
    assert 'cap off the lens' in said(node)
    node.depth_of(FRAMES[1], next(stamps))
    assert node.spin_until(lambda: node.health('input').level != ERROR)
    assert 'cap off the lens' not in said(node)


def test_without_health_act_it_is_only_told(rig, reference, stamps):
    node = rig(**{'health.act': False}).activate()
    reference.reset()
    for frame in (FRAMES[0], BLACK, BLACK, FRAMES[1]):
        assert_allclose(node.depth_of(frame, next(stamps)), reference.depth(frame), rtol=1e-4)
        assert node.status.health == ('black' if frame is BLACK else 'good')
    assert node.status.resets == 0 and node.status.blind == 0


def test_a_frozen_picture_is_told_and_its_depth_goes_on(rig, stamps):
    node = rig().activate()
    assert node.spin_until(lambda: np.isfinite(node.depth_of(FRAMES[0], next(stamps))).any() and (
        node.status.health == 'frozen'))
    assert node.spin_until(lambda: 'repeats' in said(node))
    assert node.health('input').level == WARN
    node.depth_of(FRAMES[1], next(stamps))
    assert node.status.health == 'good' and node.status.resets == 0
    assert node.spin_until(lambda: 'repeats' not in said(node))


def test_a_scene_cut_begins_anew(rig, reference, stamps):
    node = rig(**{'stream.scene_cut': 0.8}).activate()
    other = street(40)[39][::-1].copy()
    reference.reset()
    for frame in FRAMES[:3]:
        assert_allclose(node.depth_of(frame, next(stamps)), reference.depth(frame), rtol=1e-4)
    assert_allclose(node.depth_of(other, next(stamps)), reference.reset().depth(other), rtol=1e-4)
    assert node.status.reset and reasons(node) == {'scene cut': 1}
    node.set_parameter('stream.scene_cut', 0.0)
    for frame in FRAMES:  # no cut back, now
        assert_allclose(node.depth_of(frame, next(stamps)), reference.depth(frame), rtol=1e-4)
    assert node.status.resets == 1


def test_a_state_that_is_not_finite_is_left_behind(rig, reference, stamps):
    node = rig().activate()
    depths = node.received['depth/image']
    for failures in 1, 2:
        node.depth_of(FRAMES[0], next(stamps))
        state, _ = node.depth_node._cameras[0].stream._state
        with torch.inference_mode():
            state['ssm'].fill_(torch.inf)
        before, counts = len(depths), node.depth_node._cameras[0].input.arrivals.counts
        node.send(FRAMES[1], next(stamps))
        assert node.spin_until(lambda failures=failures, counts=counts: counts.failed == failures)
        last = next(stamps)
        assert_allclose(node.depth_of(FRAMES[2], last), reference.reset().depth(FRAMES[2]),
                        rtol=1e-4)
        assert len(depths) == before + 1 and stamp_to_ns(depths[-1].header.stamp) == last
        assert reasons(node) == {'output not finite': failures}
    assert node.spin_until(lambda: node.health('output') and (
        node.health('output').level == ERROR))
    assert 'engine.precision' in node.health('output').message
