"""Every model computes what its authors' code computes, in float32."""
import re

from goldens import assert_close, authors_shapes, golden, run, seeded_model
import numpy as np
import pytest
import torch

from flashdepth_ros.models import MODELS, build_model, prepare_frame
from flashdepth_ros.models.dpt import upsample
from flashdepth_ros.models.video_window import WindowedDepth


def model_of(name):
    return seeded_model(name, int(golden(name)['seed']))


def camera_sized(outputs, rgb):
    return upsample(torch.from_numpy(outputs)[:, None], rgb.shape[1:3])[:, 0].numpy()


@pytest.mark.parametrize('name', ['flashdepth-s', 'flashdepth-l', 'flashdepth', 'ovda-c16'])
@torch.inference_mode()
def test_stream(name):
    data, model = golden(name), model_of(name)
    outputs, state = run(model, data['inputs'])
    assert_close(outputs, data['outputs'])
    if 'ssm' in data:
        assert_close(state['ssm'].numpy(), data['ssm'])

    # two streams, one of which was reset after the first frame
    _, state = run(model, data['inputs'][:1])
    both = {key: torch.cat([value, torch.zeros_like(value)]) for key, value in state.items()}
    frame = torch.from_numpy(data['inputs'][1:2])
    together, _ = model.step(frame.expand(2, -1, -1, -1), both)
    assert_close(together[0].numpy(), data['outputs'][1])
    if 'reset_frame1' in data:
        assert_close(together[1].numpy(), data['reset_frame1'].reshape(together[1].shape))
    assert (together[0] - together[1]).abs().max() > 0.1


def test_video_depth_anything_from_camera_frames():
    data, model = golden('vda-s'), model_of('vda-s')
    frames = torch.stack([
        prepare_frame(rgb, model.spec.frame, int(data['input_size'])) for rgb in data['rgb']])
    outputs = camera_sized(run(model, frames)[0], data['rgb'])
    assert_close(outputs[data['stream_frames']], data['stream_outputs'])


def test_online_vda_from_camera_frames():
    data, model = golden('ovda-c16'), model_of('ovda-c16')
    frames = torch.stack([
        prepare_frame(rgb, model.spec.frame, int(data['input_size'])) for rgb in data['rgb']])
    outputs = camera_sized(run(model, frames)[0], data['rgb'])
    assert_close(outputs, data['rgb_outputs'])


def test_video_depth_anything_over_windows():
    data, model = golden('vda-s'), model_of('vda-s')
    windowed = WindowedDepth(model, data['rgb'].shape[1:3])
    outputs = []
    for rgb in data['rgb'][:40]:
        outputs += windowed.push(
            prepare_frame(rgb, model.spec.frame, int(data['input_size'])))
    outputs += windowed.finish()
    assert len(outputs) == 40
    assert_close(torch.stack(outputs).numpy()[data['window_frames']], data['window_outputs'])


@pytest.mark.parametrize('name', MODELS)
def test_checkpoint_keys(name):
    with torch.device('meta'):
        shapes = {key: tuple(v.shape) for key, v in build_model(name).state_dict().items()}
    if name.startswith('depth-anything'):
        if name.endswith('-b'):  # no model of the lists has a ViT-B under a plain decoder
            expected = {key.replace('head.', 'depth_head.', 1) if key.startswith('head') else key: v
                        for key, v in authors_shapes('vda-b').items() if 'motion' not in key}
        else:
            expected = {key: v for key, v in authors_shapes(f'flashdepth-{name[-1]}').items()
                        if not key.startswith('mamba')}
    elif name == 'flashdepth-nano':
        # FlashDepth-S's keys, as far as the blocks go; the shapes are its own
        pattern = re.compile(r'pretrained\.blocks\.([6-9]|1.)\.|mamba\.blocks\.0\.[23]\.')
        kept = [key for key in authors_shapes('flashdepth-s') if not pattern.match(key)]
        assert sorted(shapes) == sorted(kept)
        return
    elif name == 'moge-l':
        expected = {key: v for key, v in authors_shapes('dyfn').items() if 'stabilizer' not in key}
    else:
        expected = authors_shapes(name.replace('-metric', ''))
    assert expected
    assert shapes == expected


def test_half_precision_memory():
    """float16 memories depart by no more than the documented 5e-4 of the range."""
    data, model = golden('vda-s'), build_model('vda-s')
    model.load_state_dict(model_of('vda-s').state_dict())
    model.cache_dtype = torch.float16
    frames = torch.stack([
        prepare_frame(rgb, model.spec.frame, int(data['input_size'])) for rgb in data['rgb'][:6]])
    outputs, state = run(model, frames)
    assert all(v.dtype == torch.float16 for key, v in state.items() if key != 'count')
    expected = data['stream_outputs'][:6]
    difference = np.abs(camera_sized(outputs, data['rgb']) - expected)
    assert 1e-5 < difference.max() < 5e-4 * np.ptp(expected)
