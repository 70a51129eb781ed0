"""Scores of sequences whose error is known, and the sources that evaluate takes them from."""
import json
import math

from egl import needs_egl
import numpy as np
import pytest

from flashdepth_ros.scoring.sequences import (
    FrameStore,
    ScoringError,
    mean_scores,
    plot,
    score,
    table,
)
from flashdepth_ros.tools import evaluate, record_simulation

rng = np.random.default_rng(0)
TRUE = [rng.uniform(1, 9, (12, 16)) for _ in range(4)]


@pytest.fixture
def stores(tmp_path):
    """Make stores of predicted inverse depth and of true depth from lists of depth."""
    def make(predicted: list, true: list = TRUE) -> tuple[FrameStore, FrameStore]:
        predictions, truth = FrameStore(tmp_path / 'p'), FrameStore(tmp_path / 't')
        for depth in predicted:
            predictions.add(1 / depth)
        for depth in true:
            truth.add(depth)
        return predictions, truth
    return make


def test_depth_ten_per_cent_too_large_has_an_abs_rel_of_a_tenth(stores):
    pair = stores([1.1 * depth for depth in TRUE])
    found = score(*pair, 'none')
    assert found.abs_rel == pytest.approx(0.1)
    assert (found.delta1, found.coverage, found.frames) == (1, 1, 4)
    assert found.boundary_f1 == pytest.approx(1)  # ratios of neighbours are the truth's
    for alignment in ('median', 'scale', 'scale-shift'):
        aligned = score(*pair, alignment)
        assert aligned.scale == pytest.approx(1.1)
        assert aligned.abs_rel == pytest.approx(0, abs=1e-6)
        assert aligned.change_error == pytest.approx(0, abs=1e-6)


def test_median_scale_stands_a_minority_of_wrong_pixels_that_least_squares_do_not(stores):
    predicted = [2 * depth for depth in TRUE]
    for depth in predicted:
        depth[:4] *= 0.02  # a third of the picture far too near
    pair = stores(predicted)
    assert score(*pair, 'median').scale == pytest.approx(2)
    assert score(*pair, 'median').delta1 == pytest.approx(2 / 3)
    assert score(*pair, 'scale').delta1 == pytest.approx(1 / 3)  # of those alone


def test_flicker_of_a_still_scene_is_the_change_error(stores):
    # at rest at 2 m, so that the nearest truth's inverse depth is 1 / 2; the predicted inverse
    # depth swings between 0.5 and 0.6: changes of 0.1, which is 0.2 with the nearest being 1
    wall = np.full((5, 5), 2.0)
    found = score(*stores([1 / np.full((5, 5), value) for value in (0.5, 0.6, 0.5)], [wall] * 3),
                  'none')
    assert found.change_error == pytest.approx(0.2)
    assert found.rows['change_error'] == pytest.approx([0.2, 0.2])
    assert found.rows['abs_rel'] == pytest.approx([0, 1 / 6, 0])


def test_sequences_that_do_not_belong_together_are_refused(stores):
    with pytest.raises(ScoringError, match='3 predicted and 4 true'):
        score(*stores(TRUE[:3]))


def test_table_and_plot_of_several_sequences(stores, tmp_path):
    first = score(*stores([1.1 * depth for depth in TRUE]), 'none')
    text = table(['one', 'two'], 'none', [first, first]).splitlines()
    assert len(text) == 5 and text[2].startswith('| one | none | 4 | 0.1000 | 1.0000 |')
    assert text[4].startswith('| mean | none | 8 | 0.1000')
    assert math.isnan(mean_scores([first, first]).tae_percent)
    plot(['one', 'two'], [first, first], tmp_path / 'plot.png', 'a title')
    assert (tmp_path / 'plot.png').stat().st_size > 10_000


# ---- the command's other sources --------------------------------------------------------------

MODEL = ('--model', 'flashdepth-nano', '--weights', 'random', '--backend', 'torch')
SMALL = ('--size', '98x84')


def run(tmp_path, *arguments) -> dict:
    result = tmp_path / 'scores.json'
    assert evaluate.main([*map(str, arguments), '--json', str(result)]) == 0
    return json.loads(result.read_text())


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    needs_egl()
    path = tmp_path_factory.mktemp('bags') / 'drive'
    assert record_simulation.main(
        ['--seed', '4', '--frames', '4', *SMALL, '--output', str(path)]) == 0
    return path


def test_simulated_seeds_and_a_recorded_bag_of_them_have_the_same_scores(bag, tmp_path):
    of_seed = run(tmp_path, '--seeds', '4', '--max-frames', 4, *SMALL, *MODEL)
    of_bag = run(tmp_path, '--bag', bag / 'drive.mcap', *MODEL)
    for name in ('abs_rel', 'delta1', 'boundary_f1', 'change_error', 'scale', 'frames'):
        assert of_bag[name] == pytest.approx(of_seed[name], rel=1e-4)
    assert of_seed['tae_percent'] > 0 and of_bag['tae_percent'] is None  # a bag has no poses


def test_several_seeds_have_a_row_each(tmp_path, capsys):
    needs_egl()
    picture = tmp_path / 'scores.svg'
    found = run(tmp_path, '--seeds', '1:3', '--max-frames', 2, *SMALL, *MODEL, '--align', 'median',
                '--plot', picture)
    assert [each['name'] for each in found['sequences']] == [
        'flashdepth-nano, seed 1', 'flashdepth-nano, seed 2']
    assert found['abs_rel'] == pytest.approx(
        np.mean([each['abs_rel'] for each in found['sequences']]))
    assert '| mean | median | 4 |' in capsys.readouterr().out
    assert picture.read_text().startswith('<?xml')


def test_a_network_whose_state_is_forgotten_scores_otherwise(bag, tmp_path):
    carried = run(tmp_path, '--bag', bag, *MODEL)
    forgotten = run(tmp_path, '--bag', bag, *MODEL, '--stateless')
    assert carried['change_error'] != forgotten['change_error']


def test_depth_that_a_bag_holds_is_compared(bag, tmp_path):
    found = run(tmp_path, '--bag', bag, '--depth-topic', '/truth/depth/image', '--align', 'none')
    assert found['abs_rel'] == pytest.approx(0, abs=1e-6)
    assert (found['frames'], found['delta1']) == (4, 1)


def test_what_a_bag_lacks_is_named(bag, tmp_path, capsys):
    assert evaluate.main(['--bag', str(bag)]) == 1
    assert ('no images on /depth/image'
            in capsys.readouterr().err)
    assert evaluate.main(['--bag', str(tmp_path / 'gone')]) == 1
    assert 'gone cannot be read as a bag' in capsys.readouterr().err
    assert record_simulation.main(['--frames', '1', '--output', str(bag)]) == 1
    assert 'exists already' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [
    [], ['--seeds', '1'], ['--seeds', '5:5', *MODEL], ['--live', *MODEL], ['folder'],
    ['folder', 'truth', '--live']])
def test_impossible_combinations_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate.main(arguments)
    assert ended.value.code == 2
