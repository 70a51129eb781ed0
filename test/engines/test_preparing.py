"""PyTorch at once, and the faster engine when it is ready: one stream, no break."""
import contextlib
import os
import subprocess
import sys
import time

from patience import patience
import psutil
import pytest
from reference import assert_same, reference
import torch

from flashdepth_ros.engines import EngineError, NotReadyError, Request, open_engine
from flashdepth_ros.engines import preparing as preparing_module
from flashdepth_ros.engines.preparation import prepare_apart
from flashdepth_ros.engines.preparing import PreparingEngine
from flashdepth_ros.models import model_spec
from flashdepth_ros.streams.depth_stream import DepthStream, step_together

pytest.importorskip('openvino')


def test_the_faster_engine_takes_over_with_the_state(monkeypatch):
    frames, expected, _ = reference('flashdepth-nano', 70, 84)
    engine = open_engine('flashdepth-nano', 'random', height=70, width=70, at_once=True)
    try:
        stream = DepthStream(engine)
        ran = []
        for frame, wanted in zip(frames, expected, strict=True):
            if len(ran) == 5:  # the third frame of this size had it prepared; wait for it
                end = time.monotonic() + 40 * patience()
                while not all(future.done() for future in engine._prepared.values()):
                    assert time.monotonic() < end
                    time.sleep(0.1)
            output, = step_together([stream], [frame[0]])
            ran.append(stream.engine.backend)
            assert_same(output[None], wanted, 1e-3)
        assert ran[:5].count('torch') >= 3 and set(ran[5:]) == {'openvino'}
        # two cameras are another engine: until it is ready they step apart, or through PyTorch
        other = DepthStream(engine)
        assert stream.engine.steps_apart(70, 84, 2) and not stream.engine.steps_apart(70, 98, 2)
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
        state, others, end = engine.initial_state(), set(), time.monotonic() + 40 * patience()
        while engine.backend == 'torch':
            assert time.monotonic() < end
            engine = engine.resized(70, 84)
            _, state = engine.step(frames[0], state)
            others.update(preparing(here))
            time.sleep(0.3)
        used.append(len(others))
        engine.close()
    assert used == [1, 0]


def test_pytorch_goes_on_where_that_process_is_killed(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    frames, expected, _ = reference('flashdepth-nano', 70, 84)
    engine = open_engine('flashdepth-nano', 'random', height=70, width=84, at_once=True)
    state, end = engine.initial_state(), time.monotonic() + 20 * patience()
    for _ in range(3):
        engine = engine.resized(70, 84)
    while not (children := preparing(psutil.Process())):
        assert time.monotonic() < end
    children[0].kill()
    for future in engine._prepared.values():
        assert isinstance(future.result(20 * patience()), EngineError)
    assert 'torch keeps running' in caplog.text and 'out of memory' in caplog.text
    for frame, wanted in zip(frames, expected, strict=True):
        engine = engine.resized(70, 84)
        output, state = engine.step(frame, state)
        assert_same(output, wanted, 1e-5)
    assert engine.backend == 'torch'
    engine.close()


def wait_for(engine, condition) -> None:
    end = time.monotonic() + 40 * patience()
    while not condition():
        assert time.monotonic() < end, engine.preparing
        time.sleep(0.05)


def test_a_backend_that_is_named_is_waited_for(cache_home):
    frames, expected, _ = reference('flashdepth-nano', 70, 84)
    engine = open_engine('flashdepth-nano', 'random', 'openvino', at_once=True)
    stream, other = DepthStream(engine), DepthStream(engine)
    try:
        assert (engine.backend, engine.height) == ('openvino', 0)
        begin = time.monotonic()
        with pytest.raises(NotReadyError, match='openvino is being prepared for frames of 84x70'):
            step_together([stream], [frames[0][0]])
        assert time.monotonic() - begin < patience() and engine.preparing == '84x70'
        wait_for(engine, lambda: not engine.preparing)
        for frame, wanted in zip(frames, expected, strict=True):  # no frame is missing in its state
            output, = step_together([stream], [frame[0]])
            assert_same(output[None], wanted, 1e-3)
        assert stream.engine.backend == 'openvino'
        # two cameras step apart, and nobody waits, while their common engine is prepared
        assert stream.engine.steps_apart(70, 84, 2) and engine.preparing == '84x70 of 2 cameras'
        output, = step_together([other], [frames[0][0]])
        assert_same(output[None], expected[0], 1e-3)
        wait_for(engine, lambda: not engine.preparing)
        assert not stream.engine.steps_apart(70, 84, 2)
        output = step_together([stream, other], [frames[1][0], frames[1][0]])[1]
        assert_same(output[None], expected[1], 1e-3)
    finally:
        engine.close()


def test_what_a_named_backend_cannot_do_is_told(monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    engine = open_engine('flashdepth-nano', 'random', 'openvino', at_once=True)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    try:
        with pytest.raises(NotReadyError):
            engine.resized(70, 84)
        wait_for(engine, lambda: not engine.preparing)
        for _ in range(2):
            with pytest.raises(EngineError, match='XDG_CACHE_HOME') as raised:
                engine.resized(70, 84)
            assert not isinstance(raised.value, NotReadyError)
    finally:
        engine.close()
    engine = open_engine('flashdepth-nano', 'random', 'openvino', at_once=True, fallback=True)
    try:
        for _ in range(4):
            assert engine.resized(70, 84).backend == 'torch'
        wait_for(engine, lambda: not engine.preparing)
        assert 'XDG_CACHE_HOME' in engine.resized(70, 84).fell_back
    finally:
        engine.close()


def test_many_sizes_by_turns_are_bounded_and_told(monkeypatch, caplog):
    opened = []

    def open_one(request):
        opened.append((request.height, request.width, request.streams))
        raise EngineError('not in this test')
    engine = PreparingEngine(open_one, Request(
        model_spec('flashdepth-nano'), 'random', 'cpu', 'fp32', 0, 0))
    try:
        for _ in range(5):  # as when seven cameras of one size come by ones, twos, ...
            for streams in range(1, 8):
                assert engine.resized(70, 84, streams).backend == 'torch'
        wait_for(engine, lambda: not engine.preparing)
        assert sorted(opened) == [(70, 84, streams) for streams in range(1, 7)]
        assert caplog.text.count('no more engines are prepared: 84x70 of 7 cameras') == 1
        monkeypatch.setattr(preparing_module, 'IN_USE', 0.0)  # later, when the others are gone
        engine.resized(70, 84, 7)
        wait_for(engine, lambda: not engine.preparing)
        assert opened[-1] == (70, 84, 7)
    finally:
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
        end = time.monotonic() + 20 * patience()
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
