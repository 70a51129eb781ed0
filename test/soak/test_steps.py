"""An engine that steps for hours keeps PyTorch's depth and state, and its memory."""
import os

from growth import Growth
import pytest
import torch

from flashdepth_ros.engines import BACKENDS, open_engine
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.ros.memory import resident_memory

BACKENDS_HERE = ('onnx', 'openvino')
HEIGHT, WIDTH = 70, 84
FRAMES = 40
TOLERANCE = 1e-3  # of the largest value


@pytest.fixture(autouse=True)
def cache(cache_home, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache_home))


def departure(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


def same_steps(model, backend, steps, measured):
    for package in BACKENDS[backend].packages:
        pytest.importorskip(package)
    plain, other = (open_engine(model, 'random', name, height=HEIGHT, width=WIDTH)
                    for name in ('torch', backend))
    frames = natural_frames(FRAMES, 1, HEIGHT, WIDTH)
    plain_state, state = plain.initial_state(), other.initial_state()
    growth, worst = Growth(resident_memory, steps), 0.0
    for step in range(steps):
        frame = frames[step % FRAMES] * (0.5 + step % 1000 / 1000)  # the light changes slowly
        expected, plain_state = plain.step(frame, plain_state)
        output, state = other.step(frame, state)
        worst = max(worst, departure(output, expected))
        assert worst < TOLERANCE, f'step {step}: {worst}'
        growth.sample()
    last = max(departure(state[name].float(), plain_state[name].float()) for name in state)
    assert last < TOLERANCE
    measured(f'{model}, {steps} steps; depth departs by {worst:.1e} at most, the state by '
             f'{last:.1e} at the end; {growth.check()}')


@pytest.mark.parametrize('backend', BACKENDS_HERE)
def test_steps(backend, soak, measured):
    same_steps('flashdepth-s' if soak.full else 'flashdepth-nano', backend, soak.steps, measured)


@pytest.mark.skipif(os.environ.get('SOAK') != 'full', reason='make soak runs it: it takes minutes')
@pytest.mark.parametrize('backend', BACKENDS_HERE)
def test_steps_of_a_model_with_a_ring(backend, soak, measured):
    same_steps('vda-s', backend, soak.steps, measured)
