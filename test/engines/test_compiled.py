"""The compiled step gives PyTorch's depth and hands on PyTorch's state."""
import os

import pytest
from reference import assert_same, reference
import torch

from flashdepth_ros.engines import open_engine


@pytest.mark.skipif(os.environ.get('SOAK') != 'full', reason='make soak runs it: it is slow')
def test_compiled_step_equals_eager():
    frames, expected, last = reference('flashdepth-s', 70, 84)
    engine = open_engine('flashdepth-s', 'random', 'torch_compile', height=70, width=84)
    assert engine.resized(70, 84) is engine
    state = engine.initial_state()
    for frame, wanted in zip(frames, expected, strict=True):
        before = {name: x.clone() for name, x in state.items()}
        output, new = engine.step(frame, state)
        assert_same(output, wanted, 1e-3)
        for name in state:
            assert torch.equal(state[name], before[name])  # the given state is not changed
        state = new
    for name in last:
        assert_same(state[name].float(), last[name].float(), 1e-3)
    engine.close()
