"""Every engine that runs here gives PyTorch's depth and hands on PyTorch's state."""
import os

import psutil
import pytest
from reference import STEPS, assert_same, assert_same_stream, reference
import torch

from flashdepth_ros.engines import BACKENDS, EngineError, open_engine
from flashdepth_ros.engines.cores import physical_cores
from flashdepth_ros.engines.export import load_model
from flashdepth_ros.engines.folding import fold_gains
from flashdepth_ros.engines.trust import deviation
from flashdepth_ros.models import model_spec
from flashdepth_ros.models.vit import LayerScale

ON_CPU = ('onnx', 'openvino')
CASES = [(backend, *case) for case in (
    ('flashdepth-nano', 70, 84), ('flashdepth-nano', 140, 182), ('tiny-vda', 84, 112),
    ('tiny-ovda', 84, 112)) for backend in ON_CPU]
MORE_CASES = [(backend, *case) for case in (
    ('flashdepth-s', 70, 84), ('flashdepth-s', 140, 182), ('flashdepth', 84, 112),
    ('flashdepth', 140, 182), ('vda-s', 84, 112), ('vda-s', 140, 182), ('ovda-c16', 84, 112),
    ('ovda-c16', 140, 182)) for backend in ON_CPU]


@pytest.mark.parametrize('model', ['flashdepth-nano', 'tiny-vda', 'tiny-ovda'])
def test_pytorch_equals_the_plain_network(model):
    frames, outputs, last = reference(model, 84, 112)
    network = load_model(model_spec(model), 'random')
    with torch.inference_mode():
        state = network.initial_state(1, 84, 112)
        for frame, output in zip(frames, outputs, strict=True):
            expected, state = network.step(frame, state)
            assert_same(output, expected, 1e-5)
    for name, value in state.items():
        assert_same(last[name], value, 1e-5)


@pytest.mark.parametrize('model', ['flashdepth-nano', 'tiny-vda'])
def test_gains_in_the_projections_change_nothing(model):
    """As PyTorch has them on a GPU."""
    frames, outputs, _ = reference(model, 84, 112)
    network = load_model(model_spec(model), 'random')
    gains = [layer for layer in network.modules() if isinstance(layer, LayerScale)]
    assert gains and all(float((gain.gamma - 1).abs().max()) > 0.1 for gain in gains)
    for _ in range(2):
        fold_gains(network)
    assert not [layer for layer in network.modules() if isinstance(layer, LayerScale)]
    with torch.inference_mode():
        state = network.initial_state(1, 84, 112)
        for frame, output in zip(frames, outputs, strict=True):
            expected, state = network.step(frame, state)
            assert_same(output, expected, 1e-5)


def opened(model: str, backend: str, height: int, width: int, **options):
    for package in BACKENDS[backend].packages:
        pytest.importorskip(package)
    return open_engine(model, 'random', backend, 'cpu', height=height, width=width, **options)


@pytest.mark.parametrize(('backend', 'model', 'height', 'width'), CASES)
def test_fp32_equals_pytorch_over_a_stream(backend, model, height, width):
    frames, expected, last = reference(model, height, width)
    engine = opened(model, backend, height, width)
    assert (engine.precision, engine.height, engine.width) == ('fp32', height, width)
    state = engine.initial_state()
    assert {name: (x.shape, x.dtype) for name, x in state.items()} == {
        name: (x.shape, x.dtype) for name, x in last.items()}
    assert_same_stream(engine, frames, expected, last)
    engine.close()


def processor_times() -> dict[int, float]:
    """Return what each thread of this process has computed so far, in seconds."""
    return {thread.id: thread.user_time + thread.system_time
            for thread in psutil.Process().threads()}


@pytest.mark.skipif(physical_cores() < 2, reason='there is only one core to compute on')
@pytest.mark.parametrize('backend', ['torch', *ON_CPU])
def test_as_many_threads_as_asked_for(backend):
    frames, expected, last = reference('flashdepth-nano', 140, 182)
    engine = opened('flashdepth-nano', backend, 140, 182, threads=1)
    engine.warm_up()
    number, before = torch.get_num_threads(), processor_times()
    assert_same_stream(engine, frames, expected, last)
    taken = [time - before.get(thread, 0) for thread, time in processor_times().items()]
    assert max(taken) > 0.85 * sum(taken)  # two threads: 0.5 to 0.6
    assert torch.get_num_threads() == number  # of the process's other networks
    engine.close()


@pytest.mark.parametrize(('chosen', 'height', 'width', 'threads'), [
    (0, 140, 182, 1), (2, 140, 182, 2), (0, 140, 196, None)])
def test_short_steps_of_pytorch_take_one_thread(chosen, height, width, threads):
    engine = open_engine('flashdepth-nano', 'random', 'torch', 'cpu', threads=chosen)
    engine = engine.resized(height, width)
    seen = []
    layer = next(engine._model.children())
    layer.register_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    engine.warm_up()
    assert seen == [threads or torch.get_num_threads()]
    engine.close()


@pytest.mark.parametrize('backend', ON_CPU)
def test_a_model_of_several_planes(backend, small_dyfn):
    frames, expected, last = reference(small_dyfn, 56, 70, 4)
    assert expected[0].shape == (1, 4, 56, 70)
    engine = opened(small_dyfn, backend, 56, 70)  # and it is found to agree
    assert_same_stream(engine, frames, expected, last)
    engine.close()


@pytest.mark.skipif(os.environ.get('SOAK') != 'full', reason='make soak runs it: it takes minutes')
@pytest.mark.parametrize(('backend', 'model', 'height', 'width'), MORE_CASES)
def test_fp32_equals_pytorch_at_more_sizes(backend, model, height, width):
    test_fp32_equals_pytorch_over_a_stream(backend, model, height, width)


@pytest.mark.parametrize('backend', ON_CPU)
@pytest.mark.parametrize(('model', 'before'), [('tiny-vda', 80), ('tiny-ovda', 12)])
def test_a_full_memory_is_written_again_from_its_start(backend, model, before):
    """The ring and the count of frames come round, as after 84 and 16 frames of a stream."""
    engines = [opened(model, name, 84, 112) for name in ('torch', backend)]
    generator = torch.Generator().manual_seed(0)
    full = {name: torch.randn(value.shape, generator=generator)
            for name, value in engines[0].initial_state().items()}
    full['count'] = torch.tensor([before], dtype=torch.int32)
    states = [{name: value.clone() for name, value in full.items()} for _ in engines]
    for frame in reference(model, 84, 112)[0][:8]:
        expected, states[0] = engines[0].step(frame, states[0])
        output, states[1] = engines[1].step(frame, states[1])
        assert_same(output, expected, 1e-3)
    assert states[1]['count'] == before + 8 - before // 2 - 2
    for name, value in states[0].items():
        assert_same(states[1][name].float(), value.float(), 1e-3)


@pytest.mark.parametrize('backend', ON_CPU)
def test_resized_streams_and_states_of_two_cameras(backend):
    small = opened('flashdepth-nano', backend, 70, 84)
    engine = small.resized(140, 182)
    assert (engine.height, engine.width) == (140, 182)
    assert engine.resized(140, 182) is engine
    frames, expected, _ = reference('flashdepth-nano', 140, 182)
    first, second = engine.initial_state(), engine.initial_state()
    for step in range(3):  # the second camera sees the same a step later, in between
        output, first = engine.step(frames[step], first)
        assert_same(output, expected[step], 1e-3)
        if step:
            output, second = engine.step(frames[step - 1], second)
            assert_same(output, expected[step - 1], 1e-3)
    with pytest.raises(EngineError, match=r'frames \(1, 3, 140, 182\) and was given'):
        engine.step(frames[0][..., :70], first)


def deviations(engine, frames, expected) -> list[float]:
    """Return the deviation at each step of a stream."""
    found, state = [], engine.initial_state()
    for frame, wanted in zip(frames, expected, strict=True):
        output, state = engine.step(frame, state)
        found.append(deviation(output, wanted))
    return found


@pytest.mark.parametrize('backend', ['openvino', 'torch'])
def test_bf16_stays_close(backend):
    try:
        engine = opened('flashdepth-nano', backend, 140, 182, precision='bf16')
    except EngineError as error:
        if 'does not have' in str(error):
            pytest.skip(str(error))
        raise
    frames, expected, _ = reference('flashdepth-nano', 140, 182)
    found = deviations(engine, frames, expected)
    # not zero: something is computed in bf16
    assert 1e-4 < max(found) < 3e-2, found
    assert sum(found) / len(found) < 2e-2, found


@pytest.mark.parametrize(('model', 'height', 'width'), [
    ('flashdepth-nano', 140, 182), ('dyfn', 56, 70)])
def test_fp16_in_pytorch(model, height, width, small_dyfn):
    engine = opened(model, 'torch', height, width, precision='fp16')
    frames, expected, _ = reference(model, height, width, 4 if model == small_dyfn else STEPS)
    found = deviations(engine, frames[:3], expected[:3])
    assert 1e-5 < max(found) < 1e-2, found
