"""Training lowers the loss, goes on where it stopped, and writes what it says."""
import csv
from dataclasses import replace
import subprocess
import sys

import pytest
from safetensors.torch import load_file
import torch

from flashdepth_ros.models import build_model, load_weights
from flashdepth_ros.tools import train_nano
from flashdepth_ros.training.batches import make_batch
from flashdepth_ros.training.effects import SINGLE
from flashdepth_ros.training.losses import LOSSES, total_loss
from flashdepth_ros.training.shards import Shards, write_shard
from flashdepth_ros.training.trainer import Plan, Trainer

pytestmark = pytest.mark.skipif(
    not hasattr(torch.optim, 'Muon'), reason='the optimiser Muon came with PyTorch 2.9')

PLAN = Plan(clips=2, frames=2, height=42, width=56, warm_up=5, average=0.5, bf16=False)


@pytest.fixture(autouse=True)
def one_thread():
    """With several, the order of PyTorch's sums changes from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loss_of(raw, depth):
    loss = LOSSES['log']
    return total_loss(loss.terms(raw, depth, depth > 0), loss.weights)


def test_some_steps_lower_the_loss_on_two_scenes(shards):
    plan = replace(PLAN, clips=4, frames=1, effects=0, muon_rate=1e-3, rate=5e-4)
    trainer = Trainer(plan, shards)
    frames, depth = make_batch(shards, 4, 4, (42, 56), SINGLE.scaled(0), (0,))

    def loss():
        with torch.no_grad():
            return float(loss_of(trainer.forward(frames), depth))
    before = loss()
    for _ in range(25):
        trainer.step()
    assert loss() < 0.8 * before


def test_frames_before_lead_the_state_in_without_a_gradient(shards):
    frames, depth = make_batch(shards, 2, 9, (42, 56), SINGLE.scaled(0), (1,))  # clips have four
    for clip in depth:  # there and back: what was three frames before or after comes again
        assert all(any(torch.equal(clip[i], clip[j]) for j in range(9) if j != i) for i in (0, 8))
    trainer = Trainer(replace(PLAN, bf16=True, lead=7), shards)
    torch.nn.init.normal_(trainer.model.mamba.final_layer[1].weight)  # zero: no memory yet
    whole = trainer.forward(frames)
    tail = trainer.forward(frames, 7)
    assert torch.equal(tail, whole[:, 7:])
    assert not torch.equal(tail, trainer.forward(frames[:, 7:]))
    loss_of(tail, depth[:, 7:]).backward()
    for parameter in trainer.parameters:  # none is lost to what was kept without one
        assert parameter.grad is None or parameter.grad.isfinite().all()
    assert sum(parameter.grad is not None for parameter in trainer.parameters) == len(
        trainer.parameters)
    assert trainer.step()['loss'] > 0


def test_a_clip_of_one_frame_is_a_camera_that_stands_still(shards, tmp_path):
    clip = shards[0]
    write_shard(tmp_path / 'shard_0', [replace(clip, rgb=clip.rgb[:1], depth=clip.depth[:1])])
    _, depth = make_batch(Shards(tmp_path), 1, 5, (42, 56), SINGLE.scaled(0), (3,))
    assert depth.shape[:2] == (1, 5) and torch.equal(depth[0, 0], depth[0, 4])


def test_going_on_gives_the_same_numbers(shards, tmp_path):
    whole = Trainer(PLAN, shards)
    expected = [whole.step() for _ in range(6)]
    first = Trainer(PLAN, shards)
    rows = [first.step() for _ in range(3)]
    first.save(tmp_path / 'last.pth')
    second = Trainer(PLAN, shards)
    second.load(tmp_path / 'last.pth')
    rows += [second.step() for _ in range(3)]
    assert rows == expected
    assert (second.step_number, second.frames_seen) == (6, 24)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
        assert torch.equal(whole.average[key], second.average[key]), key


def test_a_gradient_that_is_not_finite_changes_nothing(shards):
    trainer = Trainer(PLAN, shards)
    trainer.step()
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    plain = trainer.forward
    trainer.forward = lambda frames, lead: plain(frames, lead) * float('nan')
    trainer.step()
    assert trainer.skipped == 1
    assert all(torch.equal(value, before[key])
               for key, value in trainer.model.state_dict().items())


def run_alone(*arguments):
    """Run the tool in a process of its own: it forks, which PyTorch bears only before any work."""
    return subprocess.run([sys.executable, '-m', 'flashdepth_ros.tools.train_nano', *arguments],
                          capture_output=True, text=True)


def test_two_processes_in_two_pieces(scenes, tmp_path):
    run = tmp_path / 'run'
    arguments = [str(run), '--scenes', str(scenes), '--held-out', str(scenes), '--report', '1',
                 '--processes', '2', '--clips', '2', '--height', '42', '--width', '56']
    for more in (['--steps', '2'], ['--steps', '3', '--frames', '2']):
        ended = run_alone(*arguments, *more)
        assert ended.returncode == 0, ended.stderr
    with open(run / train_nano.PROGRESS, newline='') as file:
        rows = list(csv.DictReader(file))
    assert [int(row['step']) for row in rows] == [1, 2, 3]
    assert int(rows[-1]['frames']) == 2 + 2 + 4
    assert 0 < float(rows[-1]['delta1']) <= 1
    assert (run / train_nano.SHEET).stat().st_size > 1000
    target = tmp_path / 'nano.safetensors'
    assert train_nano.main([str(run), '--export', str(target)]) == 0
    assert target.stat().st_size < 12e6
    assert all(value.dtype == torch.float16 for value in load_file(target).values())
    model = build_model('flashdepth-nano')
    load_weights(model, target)


def test_scores_of_a_run(shards, scenes, tmp_path, capsys):
    run = tmp_path / 'run'
    arguments = [str(run), '--scenes', str(scenes), '--held-out', str(scenes), '--height', '42',
                 '--width', '56', '--processes', '1']
    assert train_nano.main([*arguments, '--score']) == 1
    assert 'there is no weights file' in capsys.readouterr().err
    assert run_alone(*arguments, '--clips', '1', '--steps', '1').returncode == 0
    assert train_nano.main([*arguments, '--score']) == 0
    table = capsys.readouterr().out
    assert table.count('| network, ') == 4 and 'best vertical ramp' in table
    assert (run / train_nano.CURVE).stat().st_size > 1000


def test_a_process_that_fails_ends_the_others(scenes, tmp_path):
    """Frames from all over a scene are no sequences, which each process finds for itself."""
    apart = tmp_path / 'apart'
    clip = replace(Shards(scenes)[0], interval=0)
    write_shard(apart / 'shard_0', [clip])
    ended = run_alone(str(tmp_path / 'run'), '--scenes', str(apart), '--held-out', str(scenes),
                      '--processes', '2', '--frames', '2')
    assert ended.returncode == 1 and 'do not follow each other' in ended.stderr


def test_no_scenes(tmp_path, capsys):
    assert train_nano.main([str(tmp_path / 'run'), '--scenes', str(tmp_path), '--held-out',
                            str(tmp_path), '--score']) == 1
    assert 'make_scenes' in capsys.readouterr().err
