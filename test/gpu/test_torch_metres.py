"""Metres made by PyTorch are those that the loops over pixels make."""
import math

import numpy as np
from numpy.testing import assert_allclose
import pytest
import torch
from torch_metres import resize_to_depth_in_torch

from flashdepth_ros.images.resampling import DepthFormula, resize_to_depth


@pytest.mark.parametrize('formula', [
    DepthFormula(100.0, 1.0, 0.0, False, 0.0, math.inf),
    DepthFormula(1.0, 0.01, 0.02, False, 1.5, 30.0),
    DepthFormula(1.0, 0.02, -0.5, False, 0.0, math.inf),
    DepthFormula(1.0, 1.2, 0.0, True, 0.3, 20.0)])
@pytest.mark.parametrize('size', [(42, 56), (60, 101), (20, 30), (42, 57)])
def test_metres(formula, size):
    output = np.random.default_rng(0).uniform(0, 60, (42, 56)).astype(np.float32)
    output[5:9, 5:9] = 0
    wanted = np.empty(size, np.float32)
    with np.errstate(all='ignore'):
        resize_to_depth(output, formula, wanted)
    depth = resize_to_depth_in_torch(torch.from_numpy(output), formula, *size).numpy()
    assert depth.dtype == np.float32
    finite = np.isfinite(wanted)
    assert finite.any()
    # where the two sides of a limit or a zero meet, rounding decides
    near = np.isfinite(depth) == finite
    assert near.mean() > 0.999
    assert_allclose(1 / depth[finite & near], 1 / wanted[finite & near], rtol=1e-4, atol=2e-6)
    same = ~finite & near
    assert (depth[same] == wanted[same]).all()
