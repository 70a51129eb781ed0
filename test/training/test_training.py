"""Training lowers the loss, and its state is all that going on takes."""
from dataclasses import replace

from accelerate.state import AcceleratorState
import pytest
import torch

from flashdepth_ros.models import build_model
from flashdepth_ros.training.effects import SEQUENCE
from flashdepth_ros.training.losses import total_loss
from flashdepth_ros.training.mixture import Mixture, Truth
from flashdepth_ros.training.network import learner_of
from flashdepth_ros.training.parts import PartError, parameters_by_part
from flashdepth_ros.training.recordings import of_shards
from flashdepth_ros.training.trainer import Plan, Trainer, TrainingError, accelerator

SIZE = 42, 56
ALL = {'encoder': 1e-3, 'decoder': 1e-3, 'temporal': 1e-3}
PLAN = Plan(clips=2, frames=2, steps=6, warm_up=2, average=0.5, learn=('all',), rates=ALL,
            muon_rate=2e-3)


@pytest.fixture(autouse=True)
def one_thread():
    """With several, the order of PyTorch's sums changes from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(recordings, plan=PLAN, model='flashdepth-nano', weights=None, effects=1.0, **more):
    AcceleratorState._reset_state(reset_partial_state=True)  # it allows one precision a process
    mixture = Mixture([(1.0, recordings)], SIZE, SEQUENCE.scaled(effects), Truth(), plan.seed,
                      **more)
    return Trainer(plan, learner_of(model, weights), mixture, accelerator(plan.precision, 'cpu'))


@pytest.fixture
def recordings(shards):
    return of_shards(shards)


@pytest.mark.skipif(not hasattr(torch.optim, 'Muon'), reason='Muon came with PyTorch 2.9')
def test_some_steps_lower_the_loss_on_two_scenes(recordings):
    plan = replace(PLAN, clips=4, frames=1, steps=200, cool_down=0.0, warm_up=5, muon_rate=1e-3,
                   rates=dict.fromkeys(ALL, 5e-4))
    learning = trainer(recordings, plan, effects=0)
    batch = learning.mixture.batch(1000, 0, 4, 4)

    def loss():
        with torch.no_grad():
            return float(total_loss(learning.losses(batch), learning.weights))
    before = loss()
    for _ in range(15):
        learning.step()
    assert loss() < 0.85 * before


def test_frames_before_lead_the_state_in_without_a_gradient(recordings):
    learning = trainer(recordings, replace(PLAN, lead=5, muon_rate=0.0))
    batch = learning.mixture.batch(0, 0, 2, 7)
    with torch.no_grad():  # zero: no memory yet
        learning.learner.network.mamba.final_layer[1].weight.copy_(torch.eye(32))
        whole = learning.forward(batch)
        alone = learning.forward(replace(batch, frames=batch.frames[:, 5:],
                                         depth=batch.depth[:, 5:], mask=batch.mask[:, 5:]))
    tail = learning.forward(batch, 5)
    torch.testing.assert_close(tail, whole[:, 5:], rtol=1e-3, atol=1e-2)
    assert (alone - tail).abs().max() > 0.3


def test_no_gradient_is_lost_to_what_the_frames_before_left_in_half_precision(recordings):
    """Autocast keeps the weights that it has converted, also those without a gradient."""
    learning = trainer(recordings, replace(PLAN, precision='bf16', lead=5, muon_rate=0.0))
    learning.forward(learning.mixture.batch(0, 0, 2, 7), 5).sum().backward()
    for parameter in learning.parameters:
        assert parameter.grad is not None and parameter.grad.isfinite().all()
    assert learning.step()['loss'] > 0


@pytest.mark.skipif(not hasattr(torch.optim, 'Muon'), reason='Muon came with PyTorch 2.9')
def test_going_on_gives_the_same_numbers(recordings, tmp_path):
    whole = trainer(recordings)
    expected = [whole.step() for _ in range(4)]
    first = trainer(recordings)
    rows = [first.step() for _ in range(2)]
    first.save(tmp_path / 'state.safetensors', {'best': 0.5})
    second = trainer(recordings)
    assert second.load(tmp_path / 'state.safetensors')['best'] == 0.5
    rows += [second.step() for _ in range(2)]
    assert rows == expected
    assert (second.step_number, second.frames_seen) == (4, 16)
    for key, value in whole.learner.network.state_dict().items():
        assert torch.equal(value, second.learner.network.state_dict()[key]), key
        assert torch.equal(whole.average[key], second.average[key]), key
    other = trainer(recordings, model='depth-anything-v2-s', plan=replace(
        PLAN, loss='vda', muon_rate=0.0))
    with pytest.raises(TrainingError, match='another training'):
        other.load(tmp_path / 'state.safetensors')


def test_weights_that_keep_a_share_of_the_beginning_also_after_going_on(recordings, tmp_path):
    plan = replace(PLAN, muon_rate=0.0, keep=0.25)
    learning, resumed = trainer(recordings, plan), trainer(recordings, plan)
    beginning = learning.weights_now()
    learning.step()
    ended = learning.learner.exported(learning.average)
    learning.save(tmp_path / 'state.safetensors', {})
    resumed.load(tmp_path / 'state.safetensors')
    again = resumed.weights_now()
    for key, value in learning.weights_now().items():
        torch.testing.assert_close(value, 0.75 * ended[key] + 0.25 * beginning[key])
        assert torch.equal(value, again[key]), key
    assert any((value - beginning[key]).abs().max() > 1e-4 for key, value in again.items())


def test_parts_that_go_one_after_the_other_are_the_batch_at_once(recordings):
    plan = replace(PLAN, muon_rate=0.0, clips=4)
    at_once, in_parts = trainer(recordings, plan), trainer(recordings, replace(plan, accumulate=2))
    for _ in range(2):
        one, two = at_once.step(), in_parts.step()
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=2e-3), name


def test_a_gradient_that_is_not_finite_changes_nothing(recordings):
    learning = trainer(recordings, replace(PLAN, muon_rate=0.0))
    learning.step()
    before = {key: value.clone() for key, value in learning.learner.network.state_dict().items()}
    plain = learning.forward
    learning.forward = lambda batch, lead: plain(batch, lead) * float('nan')
    learning.step()
    assert learning.skipped == 1
    assert all(torch.equal(value, before[key])
               for key, value in learning.learner.network.state_dict().items())
    learning._bad_steps = 20
    with pytest.raises(TrainingError, match='not finite 21 times'):
        learning.step()


def test_only_the_parts_that_are_named_learn(recordings):
    plan = Plan(learn=('temporal',), clips=2, frames=2, rates={'temporal': 1e-2}, warm_up=1)
    learning = trainer(recordings, plan)
    torch.nn.init.normal_(learning.learner.network.mamba.final_layer[1].weight, std=0.1)
    before = {key: value.clone() for key, value in learning.learner.network.state_dict().items()}
    learning.step()
    changed = {key for key, value in learning.learner.network.state_dict().items()
               if not torch.equal(value, before[key])}
    assert changed and all(key.startswith('mamba.') for key in changed)
    with pytest.raises(PartError, match="no part 'fusion'"):
        parameters_by_part(learning.learner.network, ('fusion',))


def test_every_parameter_that_matters_has_a_part():
    with torch.device('meta'):
        for name in ('flashdepth', 'vda-s', 'ovda-c8', 'depth-anything-v2-s', 'dyfn'):
            network = build_model(name)
            parts = parameters_by_part(network, ('all',))
            assert parts.keys() >= {'encoder', 'decoder'}
            frozen = [key for key, p in network.named_parameters() if not p.requires_grad]
            assert all('mask_token' in key or 'refinenet4.resConfUnit1' in key
                       or 'context_proj' in key or key.startswith('teacher_model.')
                       for key in frozen), name


@pytest.mark.parametrize(('change', 'message'), [
    ({'clips': 3, 'accumulate': 2}, 'take a multiple of 2'),
    ({'keep': 1.0}, 'kept is 1; it must be'),
    ({'loss_weights': {'sky': 1.0}}, 'has no term sky, but: scale'),
    ({'frames': 2, 'loss': 'l1', 'loss_weights': {'change': 1.0}}, 'no term change')])
def test_plans_that_cannot_be(change, message, recordings):
    with pytest.raises(TrainingError, match=message):
        trainer(recordings, replace(PLAN, muon_rate=0.0, **change))


def test_a_relative_model_has_no_metres_to_learn(recordings):
    with pytest.raises(TrainingError, match='take --loss vda'):
        trainer(recordings, replace(PLAN, loss='l1', muon_rate=0.0), 'depth-anything-v2-s')
