"""DyFN and MoGe-1: what the authors' code computes, of network frames and of a camera's."""
import functools

from goldens import assert_close, golden, run
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from flashdepth_ros.images.focal_shift import camera_of, solve
from flashdepth_ros.models import (
    MODELS,
    CheckpointError,
    build_model,
    load_weights,
    prepare_frame,
    randomise,
)
from flashdepth_ros.models.dyfn import DyFN
from flashdepth_ros.models.preprocess import FrameFormat, token_sizes
from flashdepth_ros.streams.point_maps import PointMaps, resized, samples


@functools.cache
def small_model():
    """Return the network with the smallest encoder, which the tests of everything else take."""
    model = DyFN('vits').eval().requires_grad_(False)
    randomise(model, int(golden('dyfn-vits')['seed']))
    return model


@pytest.fixture(scope='module')
def large_model():
    with torch.device('meta'):  # without PyTorch's own random weights, which take seconds
        model = build_model('dyfn')
    model.to_empty(device='cpu')
    randomise(model, int(golden('dyfn')['seed']))
    return model


def made_frames():
    """Make the frames that the authors' code was given: a picture that moves, with noise."""
    data = golden('dyfn')
    count, height, width = (int(data[name]) for name in ('frames', 'height', 'width'))
    generator = torch.Generator().manual_seed(int(data['input_seed']))
    rows, columns = height // 7 + 4, width // 7 + count + 4
    picture = F.interpolate(torch.randn(1, 3, rows, columns, generator=generator),
                            (7 * rows, 7 * columns), mode='bilinear', align_corners=True)[0]
    noise = torch.randn(count, 3, height, width, generator=generator)
    views = [picture[:, :height, 5 * i:5 * i + width] for i in range(count)]
    return torch.stack(views) + noise / 10


def test_point_maps_of_a_stream(large_model):
    data, frames = golden('dyfn'), made_frames()
    planes, _ = run(large_model, frames[:2])
    assert_close(planes[:, :3, ::2, ::2], data['points'])
    assert_close(planes[:, 3, ::2, ::2], data['mask'])
    for i, plane in enumerate(planes):
        found = solve(*samples(torch.from_numpy(plane), plane.shape[1:]))
        np.testing.assert_allclose(found, [data['focal'][i], data['shift'][i]], atol=1e-3)
    with torch.device('meta'):
        moge = build_model('moge-l')
    weights = large_model.state_dict()
    moge.load_state_dict({key: weights[key] for key in moge.state_dict()}, assign=True)
    planes, state = run(moge, frames[1:2])
    assert state == {}
    assert_close(planes[0, :3, ::2, ::2], data['moge_points'])
    assert_close(planes[0, 3, ::2, ::2], data['moge_mask'])


@pytest.fixture(scope='module')
def camera_frames():
    """Return the planes of the golden's camera frames, and the last state."""
    data = golden('dyfn-vits')
    frame_format = FrameFormat(
        functools.partial(token_sizes, tokens=int(data['tokens'])), resample='antialiased')
    frames = torch.stack([prepare_frame(rgb, frame_format) for rgb in data['rgb']])
    assert_close(frames[0, :, ::3, ::3].numpy(), data['network_input'])
    return run(small_model(), frames)


def test_depth_of_camera_frames(camera_frames):
    """Frame by frame, as the authors' code does it: each with its own focal length and shift."""
    data, (planes, state) = golden('dyfn-vits'), camera_frames
    size = data['rgb'].shape[1:3]
    assert_close(state['hidden'][0].numpy(), data['hidden'])
    for frame, expected, mask, k in zip(
            planes, data['depth'], data['mask'], data['intrinsics'], strict=True):
        frame, points = torch.from_numpy(frame), PointMaps()
        # from the sigmoid that the authors return
        np.testing.assert_allclose(resized(frame[3:], size)[0], mask, atol=1e-3)
        depth = points.read(frame, size, size).numpy()
        seen = np.abs(mask - 0.5) > 1e-3  # their solver stops at 1e-3 of the shift
        assert (np.isinf(depth) == (mask <= 0.5))[seen].all()
        there = np.isfinite(depth) & seen
        np.testing.assert_allclose(depth[there], expected[there].clip(0), atol=3e-3, rtol=1e-4)
        camera = camera_of(points.focal, size[1], size[0])
        np.testing.assert_allclose([camera.fx / size[1], camera.fy / size[0]],
                                   [k[0, 0], k[1, 1]], rtol=2e-3)
    focal = size[1] / np.hypot(*size) / np.tan(np.radians(data['fov_given']) / 2)
    depth = PointMaps().read(frame, size, size, float(focal)).numpy()
    np.testing.assert_allclose(
        depth[there], data['depth_given'][there].clip(0), atol=3e-3, rtol=1e-4)


@torch.inference_mode()
def test_streams_that_reset_at_different_times_do_not_touch():
    model, frames = small_model(), torch.randn(
        3, 2, 3, 56, 70, generator=torch.Generator().manual_seed(0))
    state, alone = model.initial_state(2, 56, 70), [model.initial_state(1, 56, 70)] * 2
    for step, pair in enumerate(frames):
        if step == 2:
            state['hidden'][1] = 0
            alone[1] = model.initial_state(1, 56, 70)
        together, state = model.step(pair, state)
        for i in range(2):
            single, alone[i] = model.step(pair[i:i + 1], alone[i])
            assert (together[i] - single[0]).abs().max() <= 1e-5 * single.abs().max()
    fresh, _ = model.step(frames[2, :1], model.initial_state(1, 56, 70))
    assert (fresh[0] - together[0]).abs().max() > 1e-2  # it remembers


@pytest.mark.parametrize(('camera', 'short_side', 'network'), [  # (width, height)
    ((640, 480), 0, (798, 602)), ((848, 480), 0, (924, 518)), ((1280, 720), 0, (924, 518)),
    ((1242, 374), 0, (1274, 378)), ((1024, 436), 0, (1064, 448)), ((640, 480), 420, (560, 420)),
    ((1280, 720), 364, (644, 364)), ((480, 640), 98, (98, 126))])
def test_network_size(camera, short_side, network):
    size = MODELS['dyfn'].frame.network_size(*camera[::-1], short_side)
    assert size == network[::-1]


@pytest.mark.filterwarnings('ignore:for .*meta parameter')
def test_moge_reads_dyfns_file(tmp_path):
    """And DyFN does not take MoGe's, whose memory is missing."""
    with torch.device('meta'):
        models = {name: build_model(name) for name in ('dyfn', 'moge-l')}
    for name, model in models.items():
        state = {key: torch.full((1,) * value.ndim, 0.25).expand(value.shape)
                 for key, value in model.state_dict().items()}
        torch.save({'model_config': {'encoder': 'dinov2_vitl14', 'num_tokens_range': [1200, 2500]},
                    'model': state}, tmp_path / f'{name}.pt')
    for name in models:
        load_weights(models['moge-l'], tmp_path / f'{name}.pt')
    load_weights(models['dyfn'], tmp_path / 'dyfn.pt')
    with pytest.raises(CheckpointError, match='is not for dyfn: it holds the weights of moge-l'):
        load_weights(models['dyfn'], tmp_path / 'moge-l.pt')
