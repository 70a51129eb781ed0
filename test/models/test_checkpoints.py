"""Weights that are not the model's are refused with a reason; no file can run code."""
import os
import pickle

import pytest
import torch

from flashdepth_ros.engines.export import load_model
from flashdepth_ros.engines.folding import fold
from flashdepth_ros.models import (
    MODELS,
    CheckpointError,
    build_model,
    load_checkpoint,
    load_weights,
    model_spec,
    randomise,
)


def save(path, name, wrap=False):
    """Save a checkpoint of the model's keys and shapes; a tensor takes one number of space."""
    with torch.device('meta'):
        shapes = {key: v.shape for key, v in build_model(name).state_dict().items()}
    state = {key: torch.full((1,) * len(shape), 0.25).expand(shape)
             for key, shape in shapes.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({'model': state, 'step': 3} if wrap else state, path)
    return path


def meta_model(name):
    with torch.device('meta'):
        return build_model(name)


@pytest.mark.parametrize('name', ['flashdepth-nano', 'vda-s'])
def test_a_blank_network_takes_the_same_weights(name):
    before = torch.get_rng_state()
    blank = build_model(name, blank=True)
    assert torch.equal(torch.get_rng_state(), before)  # none were drawn in vain
    whole = build_model(name)
    assert not torch.equal(torch.get_rng_state(), before)
    for model in blank, whole:
        randomise(model)
    values = [dict([*model.named_parameters(), *model.named_buffers()]) for model in (blank, whole)]
    assert list(values[0]) == list(values[1])
    assert all(torch.equal(value, values[1][key]) for key, value in values[0].items())


@pytest.mark.parametrize('wrap', [False, True])
def test_loads_its_own(tmp_path, wrap):
    model = build_model('flashdepth-s')
    load_weights(model, save(tmp_path / 'iter_14001.pth', 'flashdepth-s', wrap))
    assert (model.pretrained.cls_token == 0.25).all()


def test_loads_safetensors(tmp_path):
    safetensors = pytest.importorskip('safetensors.torch')
    model, other = build_model('depth-anything-v2-s'), build_model('depth-anything-v2-s')
    randomise(other, 3)
    safetensors.save_file(other.state_dict(), tmp_path / 'x.safetensors')
    load_weights(model, tmp_path / 'x.safetensors')
    assert torch.equal(model.pretrained.pos_embed, other.pretrained.pos_embed)


@pytest.mark.parametrize(('model', 'weights'), [
    ('flashdepth-s', 'flashdepth-l'), ('flashdepth-s', 'flashdepth'), ('flashdepth-l', 'vda-l'),
    ('ovda-c16', 'vda-s'), ('vda-s', 'ovda-c16'), ('ovda-c8', 'ovda-c16'), ('vda-s', 'vda-b'),
    ('vda-s', 'depth-anything-v2-s'), ('flashdepth-s', 'depth-anything-v2-s'),
])
def test_another_models_weights_are_refused(tmp_path, model, weights):
    path = save(tmp_path / 'weights.pth', weights)
    with pytest.raises(CheckpointError, match=f'is not for {model}: it holds .*{weights}'):
        load_weights(meta_model(model), path)


@pytest.mark.parametrize('size', 'sbl')
@pytest.mark.parametrize('prefixes', [('vda-metric', 'vda'), ('vda', 'vda-metric')])
def test_metric_and_relative_are_told_apart_by_the_file_name(tmp_path, prefixes, size):
    weights, model = (f'{prefix}-{size}' for prefix in prefixes)
    path = save(tmp_path / MODELS[weights].file, weights)
    with pytest.raises(CheckpointError, match=f'has the name of the weights of {weights}'):
        load_weights(meta_model(model), path)


def test_unknown_weights_are_described(tmp_path):
    state = {'pretrained.cls_token': torch.zeros(1, 1, 384), 'decoder.x': torch.zeros(3)}
    torch.save(state, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=r'missing.*1 not of this model, such as decoder\.x'):
        load_weights(meta_model('vda-s'), tmp_path / 'x.pth')


def test_damaged_files(tmp_path):
    path = save(tmp_path / 'x.pth', 'vda-s')
    content = path.read_bytes()
    (tmp_path / 'half.pth').write_bytes(content[:len(content) // 2])
    (tmp_path / 'half.safetensors').write_bytes(content[:100])
    (tmp_path / 'empty.pth').write_bytes(b'')
    (tmp_path / 'page.pth').write_text('<html>404</html>')
    torch.save([torch.zeros(2)], tmp_path / 'list.pth')
    for name in ('half.pth', 'half.safetensors', 'empty.pth', 'page.pth', 'list.pth', 'no.pth'):
        with pytest.raises(CheckpointError, match=name):
            load_checkpoint(tmp_path / name)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_bomb_does_not_go_off(tmp_path):
    torch.save({'model': Bomb(tmp_path / 'boom')}, tmp_path / 'zip.pth')
    (tmp_path / 'raw.pth').write_bytes(pickle.dumps(Bomb(tmp_path / 'boom'), protocol=2))
    for name in ('zip.pth', 'raw.pth'):
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / 'boom').exists()


@pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
def test_a_mapped_file_is_read_and_never_written(tmp_path, name):
    """What an export does to the weights stays in memory."""
    spec, path = model_spec('flashdepth-nano'), tmp_path / name
    model = build_model(spec.name)
    randomise(model)
    if path.suffix == '.safetensors':
        pytest.importorskip('safetensors.torch').save_file(model.state_dict(), path)
    else:
        torch.save(model.state_dict(), path)
    before = path.read_bytes()
    mapped = load_model(spec, str(path), mapped=True)
    for key, value in model.state_dict().items():
        assert torch.equal(mapped.state_dict()[key], value), key
    fold(mapped, 42, 56)
    frames, state = torch.zeros(1, 3, 42, 56), model.initial_state(1, 42, 56)
    wanted = model.step(frames, state)[0]
    torch.testing.assert_close(
        mapped.step(frames, state)[0], wanted, rtol=0, atol=1e-4 * float(wanted.max()))
    assert path.read_bytes() == before
