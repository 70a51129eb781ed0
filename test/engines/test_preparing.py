"""PyTorch at once, and the faster engine when it is ready: one stream, no break."""
import contextlib
import os
import subprocess
import sys
import time

import psutil
import pytest
from reference import assert_same, reference
import torch

from flashdepth_ros.engines import EngineError, open_engine
from flashdepth_ros.engines.preparation import prepare_apart
from flashdepth_ros.streams.depth_stream import DepthStream, step_together

pytest.importorskip('openvino')


def test_the_faster_engine_takes_over_with_the_state(monkeypatch):
    frames, expected, _ = reference('flashdepth-s', 70, 84)
    engine = open_engine('flashdepth-s', 'random', height=70, width=70, at_once=True)
    try:
        stream = DepthStream(engine)
        ran = []
        for frame, wanted in zip(frames, expected, strict=True):
            if len(ran) == 5:  # the third frame of this size had it prepared; wait for it
                end = time.monotonic() + 120
                while not all(future.done() for future in engine._prepared.values()):
                    assert time.monotonic() < end
                    time.sleep(0.1)
            output, = step_together([stream], [frame[0]])
            ran.append(stream.engine.backend)
            assert_same(output[None], wanted, 1e-3)
        assert ran[:5].count('torch') >= 3 and set(ran[5:]) == {'openvino'}
        # two cameras are another engine, which PyTorch stands in for
        other = DepthStream(engine)
        outputs = step_together([stream, other], [frames[0][0], frames[0][0]])
        assert stream.engine.backend == 'torch' and stream.engine.streams == 2
        assert_same(outputs[1][None], expected[0], 1e-3)
        assert torch.isfinite(outputs[0]).all()
    finally:
        engine.close()


def preparing(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that prepare an engine for this one."""
    found = []
    for child in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile
            if 'flashdepth_ros.engines.preparation' in ' '.join(child.cmdline()):
                found.append(child)
    return found


def test_it_is_prepared_in_another_process(monkeypatch, tmp_path):
    """Where it takes no turns with the step; opened from the cache, it needs none."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    frames, _, _ = reference('flashdepth-nano', 70, 84)
    here, used = psutil.Process(), []
    for _ in range(2):
        engine = open_engine('flashdepth-nano', 'random', height=70, width=84, at_once=True)
        state, others, end = engine.initial_state(), set(), time.monotonic() + 120
        while engine.backend == 'torch':
            assert time.monotonic() < end
            engine = engine.resized(70, 84)
            _, state = engine.step(frames[0], state)
            others.update(preparing(here))
        used.append(len(others))
        engine.close()
    assert used == [1, 0]


def test_pytorch_goes_on_where_that_process_is_killed(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    frames, expected, _ = reference('flashdepth-nano', 70, 84)
    engine = open_engine('flashdepth-nano', 'random', height=70, width=84, at_once=True)
    state, end = engine.initial_state(), time.monotonic() + 60
    for _ in range(3):
        engine = engine.resized(70, 84)
    while not (children := preparing(psutil.Process())):
        assert time.monotonic() < end
    children[0].kill()
    for future in engine._prepared.values():
        assert future.result(60) is None
    assert 'torch keeps running' in caplog.text and 'out of memory' in caplog.text
    for frame, wanted in zip(frames, expected, strict=True):
        engine = engine.resized(70, 84)
        output, state = engine.step(frame, state)
        assert_same(output, wanted, 1e-5)
    assert engine.backend == 'torch'
    engine.close()


START = """
import time
from flashdepth_ros.engines import open_engine
engine = open_engine('flashdepth-nano', 'random', height=70, width=84, at_once=True)
for _ in range(4):
    engine = engine.resized(70, 84)
time.sleep(100)
"""


def test_the_other_process_ends_with_this_one(tmp_path):
    with subprocess.Popen(
            [sys.executable, '-c', START],
            env={**os.environ, 'XDG_CACHE_HOME': str(tmp_path),
                 'PYTHONPATH': os.pathsep.join(sys.path)}) as process:
        end = time.monotonic() + 60
        while not (children := preparing(psutil.Process(process.pid))):
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(1.0)  # while it still imports PyTorch, or exports
        assert children[0].is_running()
        process.kill()
    _, left = psutil.wait_procs(children, 5)
    assert not left


def test_why_it_cannot_be_prepared(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    (tmp_path / 'file').write_text('')
    with pytest.raises(EngineError, match='XDG_CACHE_HOME'):
        prepare_apart('openvino', {
            'spec': 'flashdepth-nano', 'weights': 'random', 'device': 'auto', 'precision': 'fp32',
            'height': 70, 'width': 84})
