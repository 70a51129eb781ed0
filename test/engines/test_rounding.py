"""Weights rounded together lose less than weights rounded one by one."""
import pytest
import torch
from torch import nn

from flashdepth_ros.engines import rounding
from flashdepth_ros.engines.export import load_model
from flashdepth_ros.engines.folding import fold
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.models import model_spec
from flashdepth_ros.models.vit import Block

SIZE = 70, 84


def linear_layers(model: nn.Module) -> list[nn.Linear]:
    return [layer for block in model.modules() if isinstance(block, Block)
            for layer in block.modules() if isinstance(layer, nn.Linear)]


def one_by_one(layer: nn.Linear) -> torch.Tensor:
    return layer.weight.bfloat16().float()


@pytest.fixture(scope='module', autouse=True)
def few_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounding, 'PICTURES', 12)
        yield


@pytest.fixture(scope='module')
def networks():
    """The network, and the same with rounded weights, both folded."""
    models = [load_model(model_spec('flashdepth-nano'), 'random') for _ in range(2)]
    moments = rounding.input_moments(models[1])
    for model in models:
        fold(model, *SIZE)
    rounding.round_weights(models[1], moments)
    return models


@torch.no_grad()
def test_every_layer_of_the_transformer_is_nearer_to_what_it_was(networks):
    """On a picture that it was not rounded for."""
    model, rounded = networks
    inputs = {}
    for layer in linear_layers(model):
        layer.register_forward_pre_hook(lambda layer, x: inputs.update({layer: x[0]}))
    model.step(natural_frames(1, 1, *SIZE)[0], model.initial_state(1, *SIZE))
    pairs = list(zip(linear_layers(model), linear_layers(rounded), strict=True))
    assert len(pairs) == 6 * 6 and len(inputs) == len(pairs)
    for before, after in pairs:
        assert torch.equal(after.weight, one_by_one(after))  # so they are rounded
        x, wanted = inputs[before], before(inputs[before])
        plain = nn.functional.linear(x, one_by_one(before), before.bias)
        assert (after(x) - wanted).norm() < 0.8 * (plain - wanted).norm()


def test_what_is_not_of_the_transformer_stays(networks):
    model, rounded = networks
    theirs = {id(x) for layer in linear_layers(rounded) for x in layer.parameters()}
    for value, after in zip(model.parameters(), rounded.parameters(), strict=True):
        assert id(after) in theirs or torch.equal(value, after)


def test_inputs_that_were_never_seen():
    """Of a layer with more inputs than examples, and one that is always zero, nothing explodes."""
    torch.manual_seed(0)
    layer = nn.Linear(40, 8)
    before = layer.weight.detach().clone()
    x = nn.functional.pad(torch.randn(10, 39), (1, 1))
    x[:, -1] = 1
    rounding.round_layer(layer, rounding.compensation(x.T @ x))
    assert torch.equal(layer.weight, one_by_one(layer))
    assert (layer.weight - before).abs().max() < 0.02 * before.abs().max()
