"""Weights rounded together lose less than weights rounded one by one."""
import pytest
import torch
from torch import nn

from flashdepth_ros.engines import cache, rounding
from flashdepth_ros.engines.export import load_model
from flashdepth_ros.engines.folding import fold
from flashdepth_ros.engines.trust import natural_frames
from flashdepth_ros.models import model_spec

SIZE = 70, 84
SPEC = model_spec('flashdepth-nano')


def one_by_one(layer: nn.Linear) -> torch.Tensor:
    return layer.weight.bfloat16().float()


def network():
    return load_model(SPEC, 'random')


@pytest.fixture(scope='module', autouse=True)
def few_pictures(tmp_path_factory):
    """And a cache of its own for what is made of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounding, 'PICTURES', 12)
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(scope='module')
def kept():
    return rounding.cached_rounding(SPEC.name, 'random', network)


@pytest.fixture(scope='module')
def networks(kept):
    """The network, and the same with rounded weights, both folded."""
    models = [network() for _ in range(2)]
    for model in models:
        fold(model, *SIZE)
    rounding.take_rounded(models[1], kept)
    return models


@torch.no_grad()
def test_every_layer_is_nearer_to_what_it_was(networks):
    """On a picture that it was not rounded for."""
    model = networks[0]
    inputs = {}
    layers, rounded_layers = map(rounding.rounded_layers, networks)
    for layer in layers.values():
        layer.register_forward_pre_hook(lambda layer, x: inputs.update({layer: x[0]}))
    model.step(natural_frames(1, 1, *SIZE)[0], model.initial_state(1, *SIZE))
    assert layers.keys() == rounded_layers.keys() and len(inputs) == len(layers) == 6 * 6
    for name, before in layers.items():
        after = rounded_layers[name]
        assert torch.equal(after.weight, one_by_one(after))  # so they are rounded
        x, wanted = inputs[before], before(inputs[before])
        exact = after(x)
        before.weight.data = one_by_one(before)
        plain = before(x)
        assert (exact - wanted).norm() < 0.8 * (plain - wanted).norm()


def test_what_is_not_rounded_stays(networks):
    model, rounded = networks
    theirs = {id(x) for layer in rounding.rounded_layers(rounded).values()
              for x in layer.parameters()}
    for value, after in zip(model.parameters(), rounded.parameters(), strict=True):
        assert id(after) in theirs or torch.equal(value, after)


def test_the_weights_are_kept_for_all_sizes(networks, kept):
    assert rounding.cached_rounding(SPEC.name, 'random', pytest.fail) == kept
    other = network()
    fold(other, 42, 98)
    rounding.take_rounded(other, kept)
    theirs = rounding.rounded_layers(other)
    for name, layer in rounding.rounded_layers(networks[1]).items():
        assert torch.equal(theirs[name].weight, layer.weight)
        assert torch.equal(theirs[name].bias, layer.bias)


def test_other_weights_or_code_are_rounded_anew(kept, monkeypatch):
    def load():
        raise LookupError

    with pytest.raises(LookupError):
        rounding.cached_rounding(SPEC.name, 'other weights', load)
    monkeypatch.setattr(cache, 'code_digest', lambda *_: 'other code')
    with pytest.raises(LookupError):
        rounding.cached_rounding(SPEC.name, 'random', load)


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
