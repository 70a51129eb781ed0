"""Costmap scores of depth whose error is known, before a wall, with a box that comes and goes."""
import json
import math

from egl import needs_egl
import numpy as np
import pytest

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.scoring.costmap import (
    BoxVisit,
    CostmapScores,
    TrueCells,
    clouds_of_all,
    costmap_table,
    score_costmap,
)
from flashdepth_ros.scoring.scale_modes import metric_depths
from flashdepth_ros.scoring.sequences import FrameStore
from flashdepth_ros.tools import evaluate
from flashdepth_ros.tools.costmap_evaluation import shipped_configuration

CAMERA = Intrinsics.from_field_of_view(69, 320, 240)
HEIGHT = 0.5
POSE = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, HEIGHT], [0, 0, 0, 1]])
BOX = BoxVisit(np.array([2.2, 0.0]), (0.4, 0.4), 4, 8)
FRAMES = 12
LAYER, NODE = shipped_configuration()


def scores(depths: list, truth: TrueCells) -> CostmapScores:
    return score_costmap(clouds_of_all(depths, truth), truth)


def view(wall: float = 3.03, box: bool = False) -> np.ndarray:
    """Return the depth of a floor and a wall across the view, and of the box's front."""
    x, y = CAMERA.rays()
    with np.errstate(divide='ignore'):
        depth = np.repeat(np.where(y > 0, HEIGHT / y, np.inf)[:, None], CAMERA.width, 1)
    depth = np.minimum(depth, wall)
    if box:
        depth[(y * 2.0 > HEIGHT - 0.6)[:, None] & (np.abs(x * 2.0) < 0.2) & (depth > 2.0)] = 2.0
    return depth.astype(np.float32)


SCENE = [view(box=BOX.first <= frame < BOX.last) for frame in range(FRAMES)]


@pytest.fixture(scope='module')
def truth() -> TrueCells:
    return TrueCells(SCENE, np.repeat(POSE[None], FRAMES, 0), CAMERA, LAYER, NODE, BOX)


def test_true_cells_are_the_wall_and_the_box(truth):
    first = truth.centres[truth.obstacles[0]]
    assert np.abs(first[:, 0] - 3.03).max() <= 0.025 + 1e-6
    assert len(first) == pytest.approx(2 * 3.03 * math.tan(math.radians(34.5)) / 0.05, abs=2)
    box = truth.centres[truth.obstacles[4] & ~truth.obstacles[0]]
    assert np.abs(box[:, 0] - 2.0).max() <= 0.025 + 1e-6 and 8 <= len(box) <= 9
    seen = truth.centres[truth.seen[0]]
    assert seen[:, 0].max() < 3.03 and truth.seen[0].sum() > 0.8 * 3.03 ** 2 * 0.687 / 0.0025


def test_true_depth_marks_all_of_it_and_nothing_else(truth):
    found = scores(SCENE, truth)
    assert found.frames == FRAMES and found.blind == 0
    # but for half a voxel at the edge of the view
    assert (found.marked[1:] >= 0.95 * found.true[1:]).all() and found.true[1] > 500
    assert (found.near == found.true).all()
    assert (found.false, found.far_false) == (0, 0)
    assert np.abs(found.ahead).max() < 1e-6 and len(found.ahead) == FRAMES
    assert found.to_mark == [0.0] and found.to_clear[0] <= 0.1 and found.left == 0


def test_a_wall_that_seems_too_far_is_missed_and_one_that_seems_too_near_is_false(truth):
    far = scores([1.2 * depth for depth in SCENE], truth)
    assert far.marked[1] == far.near[1] == 0
    assert np.median(far.ahead) == pytest.approx(0.6, abs=0.06)
    # no ray sees what lies behind the wall, but some see over the box
    assert far.far_false <= 10 * (BOX.last - BOX.first)
    assert far.to_mark == [math.inf]    # 0.4 m behind itself
    near = scores([0.85 * depth for depth in SCENE], truth)
    assert near.marked[1] == 0 and np.median(near.ahead) == pytest.approx(-0.45, abs=0.06)
    assert near.far_false == near.false > 50 * FRAMES


def test_an_error_within_the_tolerance_is_told_apart_from_none(truth):
    found = scores([1.05 * depth for depth in SCENE], truth)
    assert found.marked[1] == 0 and found.near[1] == found.true[1]


def test_the_floor_is_no_obstacle_with_the_errors_that_the_heights_are_made_for():
    scene = [view(wall=np.inf)] * 3
    truth = TrueCells(scene, np.repeat(POSE[None], 3, 0), CAMERA, LAYER, NODE)
    assert not truth.ever.any()
    # what looks down by 2 degrees more than the pose says sees a floor that rises
    y = CAMERA.rays()[1] * math.cos(math.radians(2)) + math.sin(math.radians(2))
    with np.errstate(divide='ignore'):
        rising = np.repeat(np.where(y > 0, HEIGHT / y, np.inf)[:, None], CAMERA.width, 1)
    noise = np.random.default_rng(0).normal(1, 0.01, rising.shape)
    for depth in (0.95 * rising, 0.95 * rising * noise):
        assert score_costmap(
            clouds_of_all([depth.astype(np.float32)] * 3, truth), truth).false == 0


def test_what_is_uncertain_does_not_mark_but_clears(truth):
    left = np.zeros((CAMERA.height, CAMERA.width), bool)
    left[:, :CAMERA.width // 2] = True
    frames = list(clouds_of_all(SCENE[:2], truth, lambda frame: left if frame else None))
    for topic, both in (('points', False), ('points/clearing', True)):
        sides = [np.sign(clouds[topic][:, 0]) for clouds in frames]    # x to the right
        assert (sides[0] < 0).any() and (sides[0] > 0).any()
        assert (sides[1] > 0).any() and (sides[1] < 0).any() == both


@pytest.mark.parametrize(('distance', 'half_width', 'height', 'cells'), [
    (1.5, 0.2, 0.15, 8),    # a low box
    (2.0, 0.02, 1.0, 1),    # a pole
    (5.0, 0.25, 1.7, 9)])   # a person
def test_small_and_far_things_are_marked_and_stay(distance, half_width, height, cells):
    x, y = CAMERA.rays()
    depth = view(wall=np.inf)
    depth[(y * distance > HEIGHT - height)[:, None] & (np.abs(x * distance) < half_width)
          & (depth > distance)] = distance
    truth = TrueCells([depth] * FRAMES, np.repeat(POSE[None], FRAMES, 0), CAMERA, LAYER, NODE)
    found = scores([depth] * FRAMES, truth)
    assert found.marked.sum() >= cells * FRAMES
    assert found.near.sum() == found.true.sum() and found.false == 0


def test_without_metres_nothing_is_marked_or_cleared(truth):
    late: list = [None if frame < 6 else depth for frame, depth in enumerate(SCENE)]
    found = scores(late, truth)
    assert found.blind == 6 and found.to_mark == [pytest.approx(0.2)]
    # while nav2 waits, nothing that is missing counts
    assert found.frames == FRAMES and found.ahead[0] == pytest.approx(0, abs=0.03)
    assert (found.near == found.true).all()
    held: list = [depth if frame < 8 else None for frame, depth in enumerate(SCENE)]
    found = scores(held, truth)
    assert found.to_clear == [math.inf] and found.left >= 8


def test_sequences_add_up_and_make_a_row(truth):
    one = scores(SCENE, truth)
    total = CostmapScores()
    total += one
    total += one
    assert total.frames == 2 * FRAMES and total.true[1] == 2 * one.true[1]
    row = costmap_table(['true depth'], [total]).splitlines()[2]
    assert '| true depth | - / - |' in row.replace('nan', '-')
    assert '/ 1.00 |' in row and '(2 of 2)' in row


@pytest.fixture
def stores(tmp_path):
    """Make stores of inverse depth that is made of true depth, and of it."""
    def make(change) -> tuple[FrameStore, FrameStore]:
        predictions, truth = FrameStore(tmp_path / 'p'), FrameStore(tmp_path / 't')
        for depth in SCENE:
            predictions.add(change(1 / depth))
            truth.add(depth)
        return predictions, truth
    return make


@pytest.mark.parametrize(('mode', 'factor', 'shift', 'error'), [
    ('nominal', 1.0, 0.0, 1e-6), ('fixed', 1.7, 0.0, 1e-5), ('fixed', 1.7, 0.1, 0.01),
    ('reference', 1.7, 0.1, 0.02), ('ground', 1.7, 0.0, 0.02)])
def test_metres_come_back_in_each_mode(stores, mode, factor, shift, error):
    predictions, truth = stores(lambda inverse: ((inverse - shift) / factor).astype(np.float32))
    depths = list(metric_depths(predictions, truth, mode, CAMERA, HEIGHT, shift != 0))
    for depth, true in zip(depths, SCENE, strict=True):
        np.testing.assert_allclose(depth, true, rtol=error)


def test_metres_of_the_floor_need_one(stores):
    predictions, truth = stores(lambda inverse: np.full_like(inverse, 0.2))
    assert list(metric_depths(predictions, truth, 'ground', CAMERA, HEIGHT, False)) == (
        [None] * FRAMES)


def test_the_command_compares_modes_and_memory_with_the_truth(tmp_path, capsys):
    needs_egl()
    result = tmp_path / 'scores.json'
    assert evaluate.main([
        '--costmap', '--seeds', '2000000000', '--size', '98x84', '--max-frames', '6', '--stateless',
        '--model', 'flashdepth-nano', '--weights', 'random', '--backend', 'torch',
        '--scale-mode', 'nominal', 'fixed', '--min-confidence', '0.8', '--json', str(result)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(' | ')[0] for line in lines[2:]] == [
        '| true depth', *[
            f'| flashdepth-nano, {mode}{memory}{least}' for memory in ('', ', stateless')
            for mode in ('nominal', 'fixed') for least in ('', ', confidence 0.8')]]
    found = json.loads(result.read_text())
    assert found['true depth']['far_false'] == 0
    assert sum(found['true depth']['near']) > 0.9 * sum(found['true depth']['true'])
    assert found['flashdepth-nano, fixed']['frames'] == 6


def test_modes_that_a_model_has_not_and_other_sources_are_refused(capsys):
    assert evaluate.main(['--costmap', '--seeds', '0', '--model', 'vda-s', '--weights', 'random',
                          '--scale-mode', 'nominal']) == 1
    assert 'vda-s gives relative inverse depth' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate.main(['--costmap', '--bag', 'drive'])
    assert 'need --seeds' in capsys.readouterr().err
