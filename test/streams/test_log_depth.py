"""Logarithms of inverse depth of every unit, and back; smoothing and confidence of streams."""
from types import SimpleNamespace

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest
import torch

from flashdepth_ros.engines import open_engine
from flashdepth_ros.models import Unit, model_spec
from flashdepth_ros.streams.depth_stream import DepthStream
from flashdepth_ros.streams.log_depth import LogDepth


@pytest.mark.parametrize('unit', list(Unit))
def test_logarithms_of_inverse_depth_and_back(unit):
    values = torch.tensor([[0.5, 1.0, 2.0, 8.0], [3.0, 1.0, torch.nan, torch.inf]])
    log_depth = LogDepth(SimpleNamespace(unit=unit, gives_focal=False))
    logs = log_depth.of(values)
    assert_array_equal(np.isnan(logs), ~np.isfinite(values.numpy()))
    assert (np.diff(logs[0]) > 0).all() != unit.is_depth
    new = logs + np.float32(0.01)
    new[0, 0] = logs[0, 0]
    changed = log_depth.changed(values, logs, new)
    assert values[0, 1] == 1 and changed[0, 0] == 0.5
    again = log_depth.of(changed)
    assert_allclose(again[0, 1:], new[0, 1:], atol=1e-6)
    assert_array_equal(changed[1, 2:], values[1, 2:])
    assert log_depth.changed(values, logs, logs) is values


def test_what_is_infinitely_far_keeps_its_value():
    for unit in (Unit.HUNDRED_PER_METRE, Unit.RELATIVE):
        log_depth = LogDepth(SimpleNamespace(unit=unit, gives_focal=False))
        values = torch.tensor([[0.0, -0.5, 1.0, 2.0]])
        logs = log_depth.of(values)
        assert np.isfinite(logs).all() and (logs[0, :2] <= logs[0, 2]).all()
        new = logs.copy()
        new[0, 2] += 0.1
        assert_array_equal(log_depth.changed(values, logs, new)[0, :2], values[0, :2])


def test_of_a_point_map_the_plane_of_depth_is_changed_alone():
    spec = model_spec('dyfn')
    output = torch.rand(4, 5, 6, generator=torch.Generator().manual_seed(0))
    output[3, :2] = 0.1  # sky
    log_depth = LogDepth(spec)
    logs = log_depth.of(output)
    assert np.isnan(logs[:2]).all()
    assert_array_equal(logs[output[3].numpy() > 0.5], -output[2].numpy()[output[3].numpy() > 0.5])
    changed = log_depth.changed(output, logs, logs + np.float32(0.5))
    assert_array_equal(changed[[0, 1, 3]], output[[0, 1, 3]])
    assert_array_equal(changed[2, :2], output[2, :2])
    assert_allclose(changed[2][output[3] > 0.5], output[2][output[3] > 0.5] - 0.5, atol=1e-6)


@pytest.mark.parametrize('model', ['flashdepth-nano', 'depth-anything-v2-s'])
def test_streams_do_not_mix_and_a_reset_forgets(model):
    engine = open_engine(model, 'random', 'torch', height=70, width=70)
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 250, (70, 70, 3), dtype=np.uint8)
    # more would make random weights so unsteady that nothing can be trusted
    pictures = [picture + rng.integers(0, 5, picture.shape, dtype=np.uint8) for _ in range(6)]

    def depth_of(stream: DepthStream, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = stream.step(stream.prepare(rgb))
        raw = output.clone()
        confidence = stream.confidence(output)
        smoothed = stream.smoothed(output, 0.3, 5.0)
        assert_array_equal(output, raw)
        return confidence, smoothed.numpy()

    def run(stream: DepthStream, others=()) -> list:
        results = []
        for picture in pictures:
            results.append(depth_of(stream, picture))
            for other in others:
                depth_of(other, picture[::-1].copy())
        return results

    alone, mixed = DepthStream(engine, 70), DepthStream(engine, 70)
    expected = run(alone)
    assert np.ptp(expected[-1][0]) > 0
    for one, other in zip(expected, run(mixed, [DepthStream(engine, 70)]), strict=True):
        assert_array_equal(one[0], other[0])
        assert_array_equal(one[1], other[1])
    mixed.reset()
    for one, other in zip(expected, run(mixed), strict=True):
        assert_array_equal(one[0], other[0])
        assert_array_equal(one[1], other[1])
