"""What takes over from PyTorch is faster than that on this machine, or does not take over."""
from dataclasses import replace
import logging

from patience import patience
import pytest
from reference import reference

from flashdepth_ros.engines import BACKENDS, backends, open_engine, store
from flashdepth_ros.engines.backends import FASTER_ON_CUDA
from flashdepth_ros.engines.engine import Request, SlowerError
from flashdepth_ros.engines.onnx import OnnxEngine
from flashdepth_ros.engines.preparing import PreparingEngine
from flashdepth_ros.engines.pytorch import TorchEngine
from flashdepth_ros.engines.tensorrt import TensorRtEngine
from flashdepth_ros.engines.trust import race
from flashdepth_ros.models import model_spec

# one thread: on a busy machine two wait for each other, in one library more than in the other
REQUEST = Request(model_spec('flashdepth-nano'), 'random', 'cpu', 'fp32', 70, 84, threads=1,
                  apart=True, rival='fp32')


class SlowEngine(OnnxEngine):
    """ONNX Runtime that computes every step thirty times."""

    backend = 'onnx_thirty_times'

    def _run(self, inputs, outputs):
        for _ in range(30):
            super()._run(inputs, outputs)


def test_the_least_time_of_each():
    pytest.importorskip('onnxruntime')
    fast, slow = (kind(replace(REQUEST, rival='', apart=False))
                  for kind in (OnnxEngine, SlowEngine))
    for pair in ((fast, slow), (slow, fast)):
        times = dict(zip(pair, race(*pair, steps=3), strict=True))
        assert 0 < 5 * times[fast] < times[slow]


def test_a_slower_engine_does_not_take_over(monkeypatch, caplog):
    pytest.importorskip('onnxruntime')
    for _ in range(2):  # the second finds in the cache that it is slower
        with pytest.raises(SlowerError, match=r'onnx_thirty_times is not faster here \(.* ms a '):
            SlowEngine(replace(REQUEST, apart=False))
    SlowEngine(replace(REQUEST, rival='')).close()  # who names it gets it

    def never(*_):
        raise AssertionError('it was loaded, or compared again')

    monkeypatch.setattr(SlowEngine, '_load', never)
    monkeypatch.setattr(store, 'TorchEngine', never)
    engine = PreparingEngine(SlowEngine, REQUEST)
    frames, _, _ = reference('flashdepth-nano', 70, 84)
    with caplog.at_level(logging.INFO):
        state = engine.initial_state()
        for frame in frames[:4]:
            engine = engine.resized(70, 84)
            _, state = engine.step(frame, state)
        future, = engine._prepared.values()
        assert isinstance(future.result(20 * patience()), SlowerError)
    assert engine.resized(70, 84).backend == 'torch'
    assert 'torch keeps running: onnx_thirty_times is not faster here' in caplog.text
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    engine.close()


@pytest.mark.parametrize(('trusted', 'wanted'), [
    ('fp16', 'fp16'), ('bf16', 'fp32'), ('fp32', 'fp32')])
def test_what_may_take_over_on_cuda(monkeypatch, trusted, wanted):
    """TensorRT, from PyTorch in the precision that agrees on this GPU."""
    installed = {'tensorrt', 'tensorrt_rtx'}
    for name in FASTER_ON_CUDA:
        monkeypatch.setattr(
            BACKENDS[name], 'is_installed', classmethod(lambda cls: cls.backend in installed))
    monkeypatch.setattr(backends, 'choose', lambda device: 'torch')
    monkeypatch.setattr(backends, 'torch_device', lambda device: 'cuda:0')
    monkeypatch.setattr(backends, 'gpu', lambda device: 'a GPU')
    monkeypatch.setattr(backends, 'trusted_precision', lambda *_: trusted)
    arguments = ('flashdepth-nano', 'random', 'auto', 'cpu')
    engine = open_engine(*arguments, at_once=True)
    assert isinstance(engine, PreparingEngine) and engine._open is BACKENDS['tensorrt']
    assert (engine._request.precision, engine._request.rival) == (wanted, trusted)
    assert (engine.backend, engine.precision) == ('torch', trusted)  # meanwhile
    engine.close()
    installed.remove('tensorrt')
    assert open_engine(*arguments, at_once=True)._open is BACKENDS['tensorrt_rtx']
    # who does not wait, or says what is wanted, gets PyTorch
    assert isinstance(open_engine(*arguments), TorchEngine)
    assert isinstance(open_engine(*arguments, trusted, at_once=True), TorchEngine)
    installed.clear()
    assert isinstance(open_engine(*arguments, at_once=True), TorchEngine)


def test_tensorrt_is_installed_where_its_modules_are(monkeypatch):
    import importlib.util
    absent = {'tensorrt'}
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: name not in absent or None)
    assert not TensorRtEngine.is_installed() and BACKENDS['tensorrt_rtx'].is_installed()
    absent.add('tensorrt_rtx')
    assert BACKENDS['tensorrt_rtx'].is_installed()  # older wheels name it otherwise
    absent.add('tensorrt_rtx_bindings')
    assert not BACKENDS['tensorrt_rtx'].is_installed()
    absent.clear()
    absent.add('onnx')
    assert not TensorRtEngine.is_installed()


def test_pytorch_on_cuda_is_timed_for_itself(monkeypatch):
    """In its own precision, as a graph: not in the comparison's float32."""
    request = replace(REQUEST, rival='fp16', apart=False)
    raced = []
    monkeypatch.setattr(store.trust, 'race', lambda engine, rival: raced.append(
        (engine.backend, rival.precision)) or (2.0, 1.0))
    engine = TorchEngine(replace(REQUEST, rival=''))
    on_gpu = store.Store(request, 'onnx', 'cuda:0', {})
    assert on_gpu._compare(engine)['seconds'] == [2.0, 1.0] and raced == [('torch', 'fp16')]
    on_cpu = store.Store(request, 'onnx', 'cpu', {})
    assert min(on_cpu._compare(engine)['seconds']) > 0 and len(raced) == 1
    keys = [each._verdict_key(each._graph_key, '')['rival'] for each in (on_gpu, on_cpu)]
    assert keys == ['fp16', '']
