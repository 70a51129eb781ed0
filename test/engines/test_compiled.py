"""The compiled step gives PyTorch's depth and hands on PyTorch's state."""
import os

import pytest
from reference import assert_same_stream, reference

from flashdepth_ros.engines import EngineError, open_engine

pytestmark = pytest.mark.skipif(
    os.environ.get('SOAK') != 'full', reason='make soak runs it: it is slow')


def test_compiled_step_equals_eager():
    frames, expected, last = reference('flashdepth-s', 70, 84)
    engine = open_engine('flashdepth-s', 'random', 'torch_compile', height=70, width=84)
    assert engine.resized(70, 84) is engine
    assert_same_stream(engine, frames, expected, last)
    engine.close()


def test_another_size_is_compiled_when_it_comes():
    engine = open_engine('flashdepth-nano', 'random', 'torch_compile', height=42, width=56)
    engine.warm_up()
    frames, expected, last = reference('flashdepth-nano', 56, 70)
    assert_same_stream(engine.resized(56, 70), frames, expected, last)


def test_a_missing_compiler_is_told(monkeypatch, tmp_path):
    config = pytest.importorskip('torch._inductor.config')
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', str(tmp_path))  # nothing compiled before
    monkeypatch.setattr(config.cpp, 'cxx', (None, str(tmp_path / 'no_compiler')))
    engine = open_engine('flashdepth-nano', 'random', 'torch_compile', height=42, width=84)
    with pytest.raises(EngineError, match=r'engine\.backend to torch.*No working C\+\+ compiler'):
        engine.warm_up()
