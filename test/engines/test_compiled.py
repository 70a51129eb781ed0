"""The compiled step gives PyTorch's depth and hands on PyTorch's state."""
import os

import pytest
from reference import assert_same_stream, reference

from flashdepth_ros.engines import open_engine


@pytest.mark.skipif(os.environ.get('SOAK') != 'full', reason='make soak runs it: it is slow')
def test_compiled_step_equals_eager():
    frames, expected, last = reference('flashdepth-s', 70, 84)
    engine = open_engine('flashdepth-s', 'random', 'torch_compile', height=70, width=84)
    assert engine.resized(70, 84) is engine
    assert_same_stream(engine, frames, expected, last)
    engine.close()
