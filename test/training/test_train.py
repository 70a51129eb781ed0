"""The command: one process and two, killed and taken up again, and what it leaves for the node."""
import csv
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from accelerate.state import AcceleratorState
import pytest
import torch

from flashdepth_ros.models import build_model, load_checkpoint, load_weights
from flashdepth_ros.tools import train
from flashdepth_ros.training import run as runs

STEPS = 4


@pytest.fixture(scope='module')
def data(scenes, tmp_path_factory):
    """Return the options of a small training, and where it goes without an interruption."""
    folder = tmp_path_factory.mktemp('train')
    options = ['--data', str(scenes), '--held-out', str(scenes), '--steps', str(STEPS),
               '--every', '2', '--report', '1', '--clips', '2', '--frames', '2', '--lead', '1',
               '--held-out-frames', '2', '--rate', 'all=1e-3', '--warm-up', '1',
               *(['--device', 'cpu'] if torch.cuda.is_available() else [])]
    run_here(folder / 'whole', options)
    return folder / 'whole', options


def run_here(folder, options):
    """Train in this process, in one thread: with several, sums may differ from run to run."""
    AcceleratorState._reset_state(reset_partial_state=True)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert train.main([str(folder), *options]) == 0
    finally:
        torch.set_num_threads(before)


def process(folder, options):
    return subprocess.Popen(
        [sys.executable, '-m', 'flashdepth_ros.tools.train', str(folder), *options],
        env={**os.environ, 'OMP_NUM_THREADS': '1'}, stderr=subprocess.PIPE, text=True)


def progress(folder):
    with open(folder / runs.PROGRESS, newline='') as file:
        return [{name: value for name, value in row.items() if name != 'minutes'}
                for row in csv.DictReader(file)]


def test_what_a_training_leaves(data):
    folder, _ = data
    rows = progress(folder)
    assert [int(row['step']) for row in rows] == list(range(STEPS + 1))
    assert [bool(row['delta1']) for row in rows] == [True, False] * 2 + [True]
    assert all((folder / name).stat().st_size > 1000 for name in (runs.CURVE, runs.SHEET))
    assert any(folder.glob('events.*'))
    network = build_model('flashdepth-nano')
    load_weights(network, folder / runs.WEIGHTS)  # what the node does
    card = (folder / runs.CARD).read_text()
    for words in ('license: apache-2.0', 'the official weights', 'held out, before',
                  'held out, after', 'seed 0, seed 1'):
        assert words in card


def test_bags_alone_need_ros():
    """A machine with GPUs has none."""
    code = ('import sys; sys.modules.update(rclpy=None, sensor_msgs=None); '
            'import flashdepth_ros.tools.train as t, flashdepth_ros.training.run')
    subprocess.run([sys.executable, '-c', code], check=True)


def test_killed_and_taken_up_again_it_goes_on_as_if_nothing_had_been(data, tmp_path):
    whole, options = data
    killed = process(tmp_path, options)
    try:
        deadline = time.monotonic() + 300
        while not (tmp_path / runs.PROGRESS).exists() or len(progress(tmp_path)) < 4:
            assert time.monotonic() < deadline and killed.poll() is None
            time.sleep(0.02)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    assert len(progress(tmp_path)) <= STEPS + 1
    run_here(tmp_path, options)
    assert progress(tmp_path) == progress(whole)
    first, second = (load_checkpoint(folder / runs.WEIGHTS) for folder in (whole, tmp_path))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_two_processes_have_the_loss_curve_of_one_with_twice_the_batch(data, tmp_path):
    whole, options = data
    both = process(tmp_path, [*options, '--processes', '2'])
    _, errors = both.communicate(timeout=600)
    assert both.returncode == 0, errors
    rows = progress(tmp_path)
    assert len(rows) == STEPS + 1
    for one, two in zip(progress(whole), rows, strict=True):
        for name in one:
            if one[name]:
                assert float(two[name]) == pytest.approx(float(one[name]), rel=2e-3), (name, one)


def test_it_ends_when_nothing_gets_better(data, tmp_path):
    _, options = data
    run_here(tmp_path, [*options, '--steps', '50', '--every', '1', '--rate', 'all=0',
                        '--patience', '2'])
    assert int(progress(tmp_path)[-1]['step']) == 2


@pytest.mark.parametrize(('more', 'message'), [
    (['--model', 'ovda-c8', '--weights', 'none', '--loss', 'l1'], 'take --loss vda'),
    (['--rate', 'neck=1'], '--rate neck: the parts are'),
    (['--data', '/nowhere'], 'there is no /nowhere')])
def test_errors_are_told(data, tmp_path, more, message, capsys):
    _, options = data
    AcceleratorState._reset_state(reset_partial_state=True)
    assert train.main([str(tmp_path / 'run'), *options, *more]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('name', list(train.PRESETS))
def test_a_preset_sets_options_that_there_are_and_the_command_line_has_the_last_word(name):
    parser = train.make_parser()
    plain = vars(parser.parse_args(['run', '--data', 'drives']))
    assert train.PRESETS[name].keys() <= plain.keys()
    parser.set_defaults(**train.PRESETS[name])
    assert parser.parse_args(['run', '--data', 'drives', '--crop', '0.9']).crop == 0.9


def test_one_recording_cannot_be_split(scenes, tmp_path, capsys):
    shard = next(Path(scenes).glob('shard_*'))
    (tmp_path / 'one').mkdir()
    (tmp_path / 'one' / shard.name).symlink_to(shard)
    AcceleratorState._reset_state(reset_partial_state=True)
    assert train.main([str(tmp_path / 'run'), '--data', str(tmp_path / 'one'), '--device',
                       'cpu']) == 1
    assert 'give a second drive' in capsys.readouterr().err
