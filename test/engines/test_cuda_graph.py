"""A captured step gives what the network gives, for every state, and ends with it.

On a CPU: test/gpu/verify.py runs the same on a GPU.
"""
import gc
import logging

import pytest
from replay import record
import torch

from flashdepth_ros.engines import cuda_graph
from flashdepth_ros.engines.cuda_graph import IDLE, MOST_GRAPHS, STEADY, GraphedSteps
from flashdepth_ros.engines.engine import Request
from flashdepth_ros.engines.export import load_model
from flashdepth_ros.engines.onnx import OnnxEngine
from flashdepth_ros.engines.pytorch import TorchEngine
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.models import model_spec
from flashdepth_ros.streams.depth_stream import DepthStream, step_together


@pytest.fixture(scope='module', params=['flashdepth-nano', 'tiny-ovda'])
def model(request):
    return load_model(model_spec(request.param), 'random')


@pytest.fixture(scope='module')
def with_rings():
    return load_model(model_spec('tiny-ovda'), 'random')


@pytest.fixture(scope='module')
def without_rings():
    return load_model(model_spec('flashdepth-nano'), 'random')


@pytest.fixture(autouse=True)
def as_engines_step():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # enough for pictures of this size
    with torch.inference_mode():
        yield
    torch.set_num_threads(threads)


def graphed(model, capture=record):
    return GraphedSteps(model, capture, 'fp32')


def assert_same_state(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, rtol=0, atol=1e-5)


def test_a_graph_gives_what_the_network_gives(model):
    steps, size = graphed(model), (42, 56)
    state, wanted = model.initial_state(1, *size), model.initial_state(1, *size)
    outputs = []
    for number, frame in enumerate(natural_frames(11, 1, *size)):  # the ring comes round
        given = state
        output, state = steps.step(frame, given)
        expected, wanted = model.step(frame, wanted)
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
        assert_same_state(state, wanted)
        assert steps.graphs == (number + 1 >= STEADY)
        outputs.append((output, output.clone()))
    again, after = steps.step(frame, given)  # which is still what it was
    assert torch.equal(again, output)
    assert_same_state(after, wanted)
    assert all(torch.equal(*pair) for pair in outputs)  # a later step leaves them alone


def test_states_of_one_size_do_not_mix(model):
    """Two cameras that step one after the other, and one of them anew."""
    steps, size = graphed(model), (42, 56)
    frames = natural_frames(8, 2, *size)
    states = [model.initial_state(1, *size) for _ in range(2)]
    wanted = [model.initial_state(1, *size) for _ in range(2)]
    for number, both in enumerate(frames):
        for i, frame in enumerate(both):
            if (number, i) == (5, 1):
                for value in states[1].values():  # a reset, in place
                    value.zero_()
                wanted[1] = model.initial_state(1, *size)
            output, states[i] = steps.step(frame[None], states[i])
            expected, wanted[i] = model.step(frame[None], wanted[i])
            torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    assert steps.graphs == (2 if any(value.dim() == 4 for value in states[0].values()) else 1)


def test_a_ring_is_not_copied_and_its_graph_ends_with_it(with_rings):
    steps, size = graphed(with_rings), (42, 56)
    state = with_rings.initial_state(1, *size)
    rings = {name: value for name, value in state.items() if value.dim() == 4}
    for frame in natural_frames(STEADY + 2, 1, *size):
        _, state = steps.step(frame, state)
    assert steps.graphs == 1 and all(state[name] is ring for name, ring in rings.items())
    del state, rings
    gc.collect()
    steps.step(frame, with_rings.initial_state(1, *size))
    assert steps.graphs == 0


def test_there_are_only_so_many_graphs_and_idle_ones_make_room(without_rings, monkeypatch):
    most = 2
    monkeypatch.setattr(cuda_graph, 'MOST_GRAPHS', most)
    monkeypatch.setattr(cuda_graph, 'IDLE', 4)
    assert most < MOST_GRAPHS and IDLE > 4
    steps = graphed(without_rings, lambda warm_up, step: step)
    sizes = [(42, 42 + 14 * i) for i in range(most + 1)]

    def run(size, number=STEADY):
        for _ in range(number):
            steps.step(torch.zeros(1, 3, *size), without_rings.initial_state(1, *size))

    for size in sizes[:-1]:
        run(size)
    for size in sizes[:-1]:  # none is idle
        run(size, 1)
    run(sizes[-1])
    assert steps.graphs == most and ((1, 3, *sizes[0]), 0) in steps._candidates
    run(sizes[-1])
    assert steps.graphs == most and ((1, 3, *sizes[0]), 0) not in steps._candidates
    for width in range(8 * most + 2):  # and what is remembered of sizes that do not stay is little
        run((56, 42 + 14 * width), 1)
    assert len(steps._candidates) <= 8 * most


@pytest.mark.parametrize(('failing', 'words'), [
    (torch.OutOfMemoryError('CUDA out of memory'), 'out of memory'),
    (RuntimeError('operation not permitted when stream is capturing'), 'not permitted')])
def test_what_cannot_be_captured_goes_on_as_it_is(without_rings, caplog, failing, words):
    def capture(warm_up, step):
        raise failing

    steps = graphed(without_rings, capture)
    state, frames = without_rings.initial_state(1, 42, 56), natural_frames(6, 1, 42, 56)
    wanted = state
    for frame in frames:
        output, state = steps.step(frame, state)
        expected, wanted = without_rings.step(frame, wanted)
        assert torch.equal(output, expected)
    told = [record.message for record in caplog.records]
    assert len(told) == 1 and words in told[0] and 'without a CUDA graph' in told[0]
    assert steps.graphs == 0


def test_a_graph_that_departs_is_not_used(without_rings, caplog):
    """One that computes from what it was captured with, whatever it is given."""
    def capture(warm_up, step):
        step()
        return lambda: None

    class Frozen(GraphedSteps):
        def _captured(self, frames, state, rings, output):
            return super()._captured(frames, state, rings, output + 1)

    steps = Frozen(without_rings, capture, 'fp32')
    state = without_rings.initial_state(1, 42, 56)
    with caplog.at_level(logging.ERROR):
        for frame in natural_frames(5, 1, 42, 56):
            _, state = steps.step(frame, state)
    assert steps.graphs == 0 and sum('departs' in each.message for each in caplog.records) == 1


class Placed(OnnxEngine):
    """Another library's steps, each computed where a graph would compute it; as TensorRT's are."""

    backend = 'onnx_placed'

    def _load(self, file):
        super()._load(file)
        self.seen = []
        self._steps = GraphedSteps(self, lambda warm_up, step: step, self.precision)

    @torch.inference_mode()
    def _advance(self, frames, state):
        return self._steps.step(frames, state)

    def _run(self, inputs, outputs):
        self.seen.append({name: tensor.data_ptr() for name, tensor in inputs.items()})
        super()._run(inputs, outputs)


@pytest.mark.parametrize('name', ['flashdepth-nano', 'tiny-ovda'])
def test_steps_of_another_library(name):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    request = Request(model_spec(name), 'random', 'cpu', 'fp32', 42, 56, threads=1)
    placed, plain = Placed(request), OnnxEngine(request)
    with torch.inference_mode(False):  # as the worker steps, other than the comparison before
        state, wanted = placed.initial_state(), plain.initial_state()
        for frame in natural_frames(11, 1, 42, 56):  # the ring comes round
            output, state = placed.step(frame, state)
            expected, wanted = plain.step(frame, wanted)
            assert torch.equal(output, expected)
            assert all(torch.equal(value, wanted[key]) for key, value in state.items())
    assert placed._steps.graphs
    assert placed.seen[-1] == placed.seen[-2] != placed.seen[0]  # the addresses stay
    placed.close()
    plain.close()


class Recorded(TorchEngine):
    """PyTorch whose steps are captured as on a GPU."""

    def __init__(self, request: Request):
        super().__init__(request)
        self.frame_device = 'cpu'
        self._steps = GraphedSteps(self._model, record, request.precision)


@pytest.mark.parametrize(('name', 'precision'), [
    ('flashdepth-nano', 'fp16'), ('tiny-ovda', 'fp32')])
def test_cameras_that_step_together_and_apart(name, precision):
    engines = [kind(Request(model_spec(name), 'random', 'cpu', precision, 42, 56))
               for kind in (Recorded, TorchEngine)]
    streams = [[DepthStream(engine, short_side=42) for _ in range(3)] for engine in engines]
    frames = iter(natural_frames(28, 3, 42, 56))
    for turn in (4 * [(0, 1)] + [(0,), (1,)] + 4 * [(0, 1, 2)] + 4 * [(2,)] + [(0, 1)]):
        shown = [next(frames)[i] for i in turn]
        if len(turn) == 3:
            streams[0][1].reset()
            streams[1][1].reset()
        recorded, plain = (step_together([each[i] for i in turn], shown) for each in streams)
        for output, wanted in zip(recorded, plain, strict=True):
            torch.testing.assert_close(output, wanted, rtol=0, atol=1e-5 * float(wanted.max()))
    assert engines[0]._steps.graphs
    engines[0].warm_up()
    engines[0].close()
    engines[0].close()
