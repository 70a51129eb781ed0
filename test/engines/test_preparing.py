"""PyTorch at once, and the faster engine when it is ready: one stream, no break."""
import time

import pytest
from reference import assert_same, reference
import torch

from flashdepth_ros.engines import open_engine
from flashdepth_ros.stream import DepthStream, step_together

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
