"""Engines that compute something else are refused, and what is refused says why."""
from pathlib import Path
import subprocess
import sys

import pytest
from reference import graph_file
import torch

from flashdepth_ros.engines import EngineError, open_engine, store, trust

SIZE = {'height': 70, 'width': 84}
ROOT = Path(__file__).parents[2]


def test_made_frames_are_deterministic_and_like_photographs():
    frames = trust.natural_frames(3, 2, 70, 84)
    assert frames.shape == (3, 2, 3, 70, 84) and frames.dtype == torch.float32
    assert torch.equal(frames, trust.natural_frames(3, 2, 70, 84))
    assert frames.isfinite().all() and frames.min() > -2.2 and frames.max() < 2.7
    neighbours = (frames[..., 1:] - frames[..., :-1]).std()
    assert neighbours < 0.6 * frames.std()                    # smooth
    assert (frames[0] - frames[1]).abs().mean() > 0.05        # moving
    assert torch.equal(frames[1, :, :, :-2, :-4], frames[0, :, :, 2:, 4:])


def test_deviation():
    expected = torch.tensor([[0., 0.01, 1., 2.]])
    assert trust.deviation(expected, expected) == 0
    assert trust.deviation(torch.tensor([[9., 9., 1.1, 2.]]), expected) == pytest.approx(0.05)
    assert trust.deviation(torch.tensor([[0., 0., float('nan'), 2.]]), expected) == float('inf')
    assert trust.deviation(expected[:, 1:], expected) == float('inf')
    assert trust.deviation(torch.zeros(1, 4), torch.zeros(1, 4)) == 0


def test_deviation_of_several_planes():
    expected = torch.ones(1, 4, 2, 2) * torch.tensor([-0.5, 0.5, 3, 1])[None, :, None, None]
    assert trust.deviation(expected, expected) == 0
    wrong = expected.clone()
    wrong[:, 0] += 0.05  # the worst plane counts, whatever its sign
    assert trust.deviation(wrong, expected) == pytest.approx(0.1)
    wrong[0, 3, 0, 0] = float('nan')
    assert trust.deviation(wrong, expected) == float('inf')


@pytest.fixture(scope='module')
def wrong_engine(tmp_path_factory) -> Path:
    """A graph with other weights than its metadata say."""
    onnx = pytest.importorskip('onnx')
    wrong = onnx.load(graph_file('flashdepth-nano', 70, 84))
    tensor = next(x for x in wrong.graph.initializer if x.name.endswith('output_conv1.weight'))
    values = onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), tensor.name))
    path = tmp_path_factory.mktemp('wrong') / 'step.onnx'
    onnx.save(wrong, path)
    return path


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_an_engine_with_other_weights_is_refused_with_numbers(backend, wrong_engine):
    pytest.importorskip({'onnx': 'onnxruntime'}.get(backend, backend))
    for _ in range(2):  # the refusal is no verdict that a second try would trust
        with pytest.raises(EngineError, match=r'departs from PyTorch by \d.*0\.001 is allowed'):
            open_engine('flashdepth-nano', 'random', backend, path=str(wrong_engine), **SIZE)
    engine = open_engine('flashdepth-nano', 'random', backend, path=str(wrong_engine),
                         fallback=True, **SIZE)
    assert engine.backend == 'torch' and 'departs from PyTorch' in engine.fell_back


def test_the_verdict_is_remembered(monkeypatch, engine_cache):
    pytest.importorskip('onnxruntime')
    open_engine('flashdepth-nano', 'random', 'onnx', **SIZE).close()

    def never(*_):
        raise AssertionError('the network was run again')

    monkeypatch.setattr(store, 'load_model', never)
    monkeypatch.setattr(store, 'TorchEngine', never)
    engine = open_engine('flashdepth-nano', 'random', 'onnx', **SIZE)
    engine.warm_up()


def test_a_later_start_reads_what_openvino_has_compiled(monkeypatch, tmp_path):
    pytest.importorskip('openvino')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))  # other tests share a cache

    def start() -> tuple[bool, torch.Tensor]:
        engine = open_engine('flashdepth-nano', 'random', 'openvino', **SIZE)
        state = engine.initial_state()
        for frame in trust.natural_frames(2, 1, *SIZE.values()):
            depth, state = engine.step(frame, state)
        return engine._inference.get_compiled_model().get_property('LOADED_FROM_CACHE'), depth

    compiled, depth = start()
    again, same_depth = start()
    assert (compiled, again) == (False, True) and torch.equal(depth, same_depth)
    kept, = tmp_path.rglob('*.blob')
    content = kept.read_bytes()
    assert len(content) < 2e6  # without the weights, which are 15 MB
    for damaged in (content[:len(content) // 2], b'', bytes(len(content))):
        kept.write_bytes(damaged)
        again, same_depth = start()
        assert not again and torch.equal(depth, same_depth)
        assert start()[0]  # it was written anew


@pytest.mark.parametrize('content', [b'', b'no model at all', None])
def test_files_that_are_no_engine(tmp_path, content):
    pytest.importorskip('onnxruntime')
    path = tmp_path / 'a.onnx'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EngineError, match=r'a\.onnx'):
        open_engine('flashdepth-nano', 'random', 'onnx', path=str(path), **SIZE)


MISSING = {  # what cannot be imported: what is said
    'onnxruntime': ('onnx', 'pip install onnxruntime'),
    'openvino': ('openvino', 'pip install openvino'),
    'tensorrt': ('tensorrt', 'pip install tensorrt'),
    'tensorrt_rtx,tensorrt_rtx_bindings': ('tensorrt_rtx', 'tensorrt-rtx-cu12-libs'),
    'onnx': ('onnx', 'pip install onnx'),
}

OPEN_WITHOUT = """
import sys
from flashdepth_ros.engines import EngineError, open_engine
for argument in sys.argv[1:]:
    backend, modules = argument.split(':')
    sys.modules.update(dict.fromkeys(modules.split(',')))
    try:
        open_engine('flashdepth-nano', 'random', backend, height=70, width=70)
    except EngineError as error:
        print(error)
    for name in modules.split(','):
        del sys.modules[name]
"""


def test_missing_libraries_are_named(tmp_path):
    """In a process that has imported none of them."""
    pytest.importorskip('onnxruntime')
    done = subprocess.run(
        [sys.executable, '-c', OPEN_WITHOUT,
         *(f'{backend}:{modules}' for modules, (backend, _) in MISSING.items())],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={'PATH': '', 'XDG_CACHE_HOME': str(tmp_path), 'PYTHONPATH': str(ROOT)})
    told = done.stdout.splitlines()
    assert len(told) == len(MISSING), (done.stdout, done.stderr)
    for line, (_, words) in zip(told, MISSING.values(), strict=True):
        assert words in line and 'engine.backend to torch' in line


def test_auto_takes_what_is_installed(monkeypatch):
    import importlib.util

    from flashdepth_ros import engines
    absent = {'openvino'}
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: name not in absent or None)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert engines.choose('auto') == 'onnx'
    absent.add('onnx')
    assert engines.choose('auto') == engines.choose('cpu') == 'torch'
    absent.clear()
    assert engines.choose('cpu') == 'openvino'
    assert engines.choose('cuda:0') == 'torch'


@pytest.mark.parametrize(('options', 'words'), [
    ({'backend': 'abacus'}, 'one of: torch, onnx, openvino, tensorrt'),
    ({'backend': 'torch', 'precision': 'int8'}, 'offers auto and fp32, fp16, bf16'),
    ({'backend': 'onnx', 'device': 'cuda'}, 'engine.device'),
    ({'backend': 'onnx', 'device': 'tpu'}, 'engine.device'),
    ({'backend': 'onnx', 'precision': 'fp16'}, 'engine.precision'),
    ({'backend': 'openvino', 'device': 'npu'}, 'engine.device'),
    ({'backend': 'openvino', 'path': '/no/such.onnx'}, '/no/such.onnx'),
    ({'backend': 'torch', 'path': '/no/such.onnx'}, 'engine.path'),
])
def test_what_cannot_be_is_refused(options, words):
    if options['backend'] in ('onnx', 'openvino'):
        pytest.importorskip({'onnx': 'onnxruntime'}.get(options['backend'], 'openvino'))
    if torch.cuda.is_available() and 'cuda' in options.values():
        pytest.skip('there is a CUDA device')
    with pytest.raises(EngineError, match=words):
        open_engine('flashdepth-nano', 'random', **options, **SIZE)


def test_fallback_where_the_size_cannot_be_built(monkeypatch):
    pytest.importorskip('onnxruntime')
    engine = open_engine('flashdepth-nano', 'random', 'onnx', fallback=True, **SIZE)
    assert engine.backend == 'onnx' and engine.fell_back is None

    def fail(*_):
        raise EngineError('cannot')

    monkeypatch.setattr(store, 'cached_graph', fail)
    engine = engine.resized(98, 98)
    assert (engine.backend, engine.height, engine.fell_back) == ('torch', 98, 'cannot')
    engine.warm_up()


def test_nothing_is_made_before_the_size_is_known(monkeypatch, tmp_path):
    pytest.importorskip('onnxruntime')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    engine = open_engine('flashdepth-nano', 'random', 'onnx', device='cpu')
    engine.warm_up()
    assert not list(tmp_path.iterdir())
    sized = engine.resized(42, 56)
    sized.warm_up()
    assert (sized.height, sized.width) == (42, 56) and engine.resized(42, 56) is sized
    made = {tuple(path.name.split('-')[:4]) for path in tmp_path.glob('*/engines/*/')
            if not path.name.startswith('.')}
    assert made == {('flashdepth', 'nano', '56', '42')}
    engine.close()
