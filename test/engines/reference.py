"""What PyTorch makes of the frames of these tests, and the graphs that they look into."""
import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flashdepth_ros.engines import Engine, State, open_engine
from flashdepth_ros.engines.export import GraphKey, load_model
from flashdepth_ros.engines.store import GRAPH, cached_graph
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.models import model_spec

STEPS = 10


@functools.lru_cache(maxsize=16)
def reference(
    model: str, height: int, width: int, steps: int = STEPS, streams: int = 1,
) -> tuple[Tensor, list[Tensor], State]:
    """Return frames, PyTorch's outputs and its last state, with random weights."""
    engine = open_engine(
        model, 'random', 'torch', 'cpu', height=height, width=width, streams=streams)
    frames = natural_frames(steps, streams, height, width)
    state, outputs = engine.initial_state(), []
    for frame in frames:
        output, state = engine.step(frame, state)
        outputs.append(output)
    return frames, outputs, state


def assert_same(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare relative to the largest value: the final ReLU leaves many zeros."""
    torch.testing.assert_close(
        actual, expected, rtol=0, atol=tolerance * max(float(expected.abs().max()), 1e-6))


def assert_same_stream(
    engine: Engine, frames: Tensor, expected: list[Tensor], last: State, tolerance: float = 1e-3,
) -> None:
    """Step an engine through the reference's frames: outputs and last state."""
    state = engine.initial_state()
    for frame, wanted in zip(frames, expected, strict=True):
        given = state
        # a frame may lie in memory as the picture does that it was made of: pixel by pixel
        frame = frame.contiguous(memory_format=torch.channels_last)
        output, state = engine.step(frame, state)
        assert_same(output, wanted, tolerance)
    again, state = engine.step(frame, given)  # which is still what it was
    assert torch.equal(again, output)
    for name in last:
        assert_same(state[name].float(), last[name].float(), tolerance)


def graph_file(model: str, height: int, width: int, precision: str = 'fp32') -> Path:
    """Return the file of a model's graph with random weights."""
    pytest.importorskip('onnx')
    spec = model_spec(model)
    key = GraphKey.of(spec, 'random', height, width, 1, precision)
    return cached_graph(key, lambda: load_model(spec, 'random')).folder / GRAPH
