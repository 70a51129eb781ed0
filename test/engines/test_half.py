"""The precision of a GPU's default is found by comparing, the same way on a CPU."""
from dataclasses import replace

import pytest
import torch

from flashdepth_ros.engines import backends, half, open_engine, trust
from flashdepth_ros.engines.engine import Request
from flashdepth_ros.engines.half import trusted_precision
from flashdepth_ros.engines.pytorch import TorchEngine
from flashdepth_ros.models import model_spec
from flashdepth_ros.models.network import COUNT, RING

REQUEST = Request(model_spec('flashdepth-nano'), 'random', 'cpu', 'fp32', 0, 0)


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(half, 'CAMERA', (42, 56))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))


class Opened:
    """Opens PyTorch; in some precisions the last layer is off by a tenth."""

    def __init__(self, *wrong: str):
        self.wrong, self.precisions = wrong, []

    def __call__(self, request):
        self.precisions.append(request.precision)
        engine = TorchEngine(request)
        if request.precision in self.wrong:
            engine._model.depth_head.scratch.output_conv2[2].weight.data *= 1.1
        return engine


@pytest.mark.parametrize(('wrong', 'chosen'), [
    ((), 'fp16'), (('fp16',), 'bf16'), (('fp16', 'bf16'), 'fp32')])
def test_the_fastest_that_agrees(wrong, chosen, caplog):
    opened = Opened(*wrong)
    assert trusted_precision(REQUEST, opened, 'a GPU') == chosen
    assert opened.precisions[:2] == ['fp32', 'fp16']
    assert sum('departs from PyTorch' in each.message for each in caplog.records) == len(wrong)
    # found out once, for this device
    number = len(opened.precisions)
    assert trusted_precision(replace(REQUEST, height=84, width=84), opened, 'a GPU') == chosen
    assert len(opened.precisions) == number
    trusted_precision(REQUEST, opened, 'another GPU')
    assert len(opened.precisions) > number


def test_only_automatic_precision_on_cuda_is_found_out(monkeypatch):
    """A CPU computes in float32, and a precision that was asked for is not questioned."""
    asked = []
    monkeypatch.setattr(
        backends, 'trusted_precision', lambda *arguments: asked.append(arguments) or 'bf16')
    monkeypatch.setattr(backends, 'gpu', lambda device: f'GPU of {device}')
    size = {'height': 42, 'width': 56}
    assert open_engine('flashdepth-nano', 'random', 'torch', 'cpu', **size).precision == 'fp32'
    assert open_engine(
        'flashdepth-nano', 'random', 'torch', 'cpu', 'fp16', **size).precision == 'fp16'
    assert asked == []
    monkeypatch.setattr(backends, 'torch_device', lambda device: 'cuda:0')
    for backend in ('torch', 'auto'):
        monkeypatch.setattr(backends, 'choose', lambda device: 'torch')
        engine = open_engine('flashdepth-nano', 'random', backend, 'cpu', **size)
        assert engine.precision == 'bf16' and asked.pop()[2] == 'GPU of cuda:0'
    open_engine('flashdepth-nano', 'random', 'torch', 'cpu', 'fp32', **size)
    assert asked == []


@pytest.mark.parametrize('name', ['tiny-ovda', 'flashdepth-nano'])
def test_engines_are_compared_from_a_full_memory_too(name):
    """One that forgets at the ring's end is refused: no new stream would show it."""
    request = replace(REQUEST, spec=model_spec(name), height=42, width=56)
    engine = TorchEngine(request)
    assert max(trust.compare(engine, engine)['deviations']) < 1e-5
    full = trust.full_state(engine.initial_state())
    assert all(torch.equal(value, again) for value, again in zip(
        full.values(), trust.full_state(engine.initial_state()).values(), strict=True))
    if COUNT in full:
        slots = full['past_0_0'].shape[RING]
        assert full[COUNT] % slots == slots - 1
        _, after = engine.step(torch.zeros(1, 3, 42, 56), full)
        assert after[COUNT] == slots

    class Forgetful(TorchEngine):
        def step(self, frames, state):
            has_seen_much = (state[COUNT] >= 8 if COUNT in state else
                             state['ssm'].abs().max() > 0.3)
            if has_seen_much:
                state = self.initial_state()
            return super().step(frames, state)

    with pytest.raises(Exception, match='departs from PyTorch'):
        trust.compare(Forgetful(request), engine)
