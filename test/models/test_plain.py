"""What was rewritten to be faster equals what the authors write."""
import pytest
import torch

from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.models import build_model, randomise
from flashdepth_ros.models.dpt import FeatureFusionBlock
from flashdepth_ros.models.plain import PLAIN, write_plainly
from flashdepth_ros.models.temporal import TemporalAttention
from flashdepth_ros.models.vit import ScaledProduct


@pytest.mark.parametrize(('name', 'steps', 'layers'), [
    ('flashdepth-s', 4, {ScaledProduct: 12, FeatureFusionBlock: 4}),
    # past the age of the key frame, and round the ring
    ('vda-s', 46, {ScaledProduct: 12, FeatureFusionBlock: 4, TemporalAttention: 8}),
    ('ovda-c16', 20, {ScaledProduct: 12, FeatureFusionBlock: 4, TemporalAttention: 8})])
@torch.inference_mode()
def test_rewritten_layers_equal_the_plain_ones(name, steps, layers):
    model, plain = build_model(name), build_model(name)
    for each in (model, plain):
        randomise(each)
    write_plainly(plain)
    found = [type(module) for module in plain.modules()]
    assert {kind: found.count(PLAIN[kind]) for kind in PLAIN if PLAIN[kind] in found} == layers
    assert not set(found) & set(PLAIN)

    state, plain_state = (each.initial_state(2, 70, 84) for each in (model, plain))
    for step, frames in enumerate(natural_frames(steps, 2, 70, 84)):
        if step == steps // 2:  # one stream is behind from now on
            for value in (*state.values(), *plain_state.values()):
                value[1] = 0
        output, state = model.step(frames, state)
        expected, plain_state = plain.step(frames, plain_state)
        assert (output - expected).abs().max() <= 1e-5 * expected.max()
    for name, value in state.items():
        scale = max(plain_state[name].abs().max(), 1)
        assert (value - plain_state[name]).abs().max() <= 1e-5 * scale
