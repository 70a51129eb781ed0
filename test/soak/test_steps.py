"""An engine that steps for hours keeps PyTorch's depth and state, and its memory."""
from growth import Growth
import pytest
import torch

from flashdepth_ros.engines import BACKENDS, open_engine
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.process import resident_memory

HEIGHT, WIDTH = 70, 84
FRAMES = 40
TOLERANCE = 1e-3  # of the largest value


def departure(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_steps(backend, soak, measured, cache_home, monkeypatch):
    for package in BACKENDS[backend].packages:
        pytest.importorskip(package)
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache_home))
    plain, other = (open_engine('flashdepth-s', 'random', name, height=HEIGHT, width=WIDTH)
                    for name in ('torch', backend))
    frames = natural_frames(FRAMES, 1, HEIGHT, WIDTH)
    plain_state, state = plain.initial_state(), other.initial_state()
    growth, worst = Growth(resident_memory, soak.steps), 0.0
    for step in range(soak.steps):
        frame = frames[step % FRAMES] * (0.5 + step % 1000 / 1000)  # the light changes slowly
        expected, plain_state = plain.step(frame, plain_state)
        output, state = other.step(frame, state)
        worst = max(worst, departure(output, expected))
        assert worst < TOLERANCE, f'step {step}: {worst}'
        growth.sample()
    last = departure(state['ssm'], plain_state['ssm'])
    assert last < TOLERANCE
    measured(f'{soak.steps} steps; depth departs by {worst:.1e} at most, the state by {last:.1e} '
             f'at the end; {growth.check()}')
