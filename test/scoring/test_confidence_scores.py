"""Scores of a confidence, against what is known of made errors, and evaluate's two reports."""
import json

import numpy as np
import pytest

from flashdepth_ros.scoring.confidence import auroc, calibration, score_confidence
from flashdepth_ros.scoring.sequences import FrameStore
from flashdepth_ros.tools import evaluate

RNG = np.random.default_rng(0)
FRAMES, SIZE = 9, (20, 30)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Return predictions, truth and the relative errors of made frames."""
    folder = tmp_path_factory.mktemp('made')
    predictions, truth = FrameStore(folder / 'predictions'), FrameStore(folder / 'truth')
    errors = RNG.uniform(0, 0.4, (FRAMES, *SIZE)).astype(np.float32)
    for error in errors:
        depth = RNG.uniform(1, 9, SIZE).astype(np.float32)
        truth.add(depth)
        sign = np.where(RNG.uniform(size=SIZE) < 0.5, -1, 1)
        predictions.add(1 / (depth * (1 + sign * error)))
    return predictions, truth, errors


def of(made, tmp_path, confidences):
    predictions, truth, _ = made
    store = FrameStore(tmp_path / 'confidence')
    for each in confidences:
        store.add(each.astype(np.float32))
    return score_confidence(predictions, truth, store, 'none')


def test_an_oracle_a_random_order_and_the_worst(made, tmp_path):
    errors = made[2]
    oracle = of(made, tmp_path / 'a', 1 - 2 * errors)
    assert oracle.frames == 2  # the fifth and the ninth
    assert oracle.area == pytest.approx(0, abs=1e-6) and oracle.auroc == pytest.approx(1)
    assert oracle.abs_rel == pytest.approx(errors[4::4].mean(), rel=1e-4)
    assert oracle.delta1_kept > oracle.delta1 + 0.1
    for expected, actual in calibration([oracle]):
        assert actual == pytest.approx(expected, abs=1e-3)
    random = of(made, tmp_path / 'b', RNG.uniform(size=errors.shape))
    assert random.area == pytest.approx(random.random_area, rel=0.15)
    assert random.auroc == pytest.approx(0.5, abs=0.05)
    worst = of(made, tmp_path / 'c', errors)
    assert worst.area > 1.5 * worst.random_area and worst.auroc == pytest.approx(0)
    # of errors even from 0 to a, half of which are left out: a quarter of a is the mean of the rest
    assert oracle.oracle[10] == pytest.approx(0.5, abs=0.03)


def test_the_chance_of_ranks():
    bad = np.array([True, False, True, False])
    assert auroc(bad, np.array([3.0, 1.0, 2.0, 0.0])) == 1
    assert auroc(bad, np.array([1.0, 1.0, 1.0, 1.0])) == 0.5
    assert auroc(bad, np.array([3.0, 2.0, 0.0, 1.0])) == 0.5
    assert np.isnan(auroc(np.zeros(3, bool), np.arange(3.0)))


def test_reports_of_simulated_scenes(tmp_path, capsys):
    pytest.importorskip('mujoco')
    arguments = ['--model', 'flashdepth-nano', '--backend', 'torch', '--seeds', '930001:930003',
                 '--size', '112x84', '--short-side', '84', '--max-frames', '9', '--align', 'median',
                 '--json', str(tmp_path / 'numbers.json')]
    assert evaluate.main([*arguments, '--confidence', '--plot', str(tmp_path / 'curve.png')]) == 0
    tables = capsys.readouterr().out
    assert 'AUSE AbsRel' in tables and '| expected |' in tables and '| mean | 4 |' in tables
    assert (tmp_path / 'curve.png').stat().st_size > 1000
    numbers = json.loads((tmp_path / 'numbers.json').read_text())
    assert len(numbers['sequences']) == 2 and len(numbers['calibration']) == 8
    assert all(each['area'] >= 0 for each in numbers['sequences'])

    assert evaluate.main([*arguments, '--filter', '0.2', '0.4', '--stateless']) == 0
    assert 'TAE -' in capsys.readouterr().out
    numbers = json.loads((tmp_path / 'numbers.json').read_text())
    assert numbers['filtered']['tae_percent'] < 0.8 * numbers['no filter']['tae_percent']


def test_arguments_that_do_not_go_together(capsys):
    for arguments in (['a', 'b', '--confidence'],
                      ['--seeds', '1', '--model', 'flashdepth-nano', '--filter', '0', '0.4']):
        with pytest.raises(SystemExit):
            evaluate.main(arguments)
    assert 'alpha' in capsys.readouterr().err
