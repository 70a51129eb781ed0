"""Sizes and values of the network's frame are those of each model's authors."""
import cv2
import numpy as np
import pytest
import torch

from flashdepth_ros.models import MODELS, FrameTooSmallError, model_spec, prepare_frame
from flashdepth_ros.models.preprocess import LONGEST_SIDE, MEAN, STD


@pytest.mark.parametrize(('name', 'camera', 'network'), [  # (width, height)
    ('flashdepth-s', (518, 518), (518, 518)),
    ('flashdepth-s', (1280, 720), (1288, 728)),
    ('flashdepth', (1920, 1080), (1932, 1092)),
    ('flashdepth-l', (2044, 1148), (2044, 1148)),
    ('flashdepth-s', (3840, 2160), (2044, 1162)),
    ('vda-s', (1920, 1080), (924, 518)),
    ('vda-l', (1242, 375), (924, 280)),
    ('vda-metric-s', (640, 480), (686, 518)),
    ('ovda-c16', (1242, 375), (924, 280)),
    ('ovda-c8', (480, 640), (518, 686)),
    ('flashdepth-nano', (640, 480), (182, 140)),
    ('flashdepth-nano', (1280, 720), (252, 140)),
    ('flashdepth-nano', (64, 48), (182, 140)),
    ('depth-anything-v2-s', (1242, 375), (1722, 518)),
    ('depth-anything-v2-b', (100, 100), (518, 518)),
])
def test_network_size(name, camera, network):
    width, height = camera
    assert model_spec(name).frame.network_size(height, width) == network[::-1]


@pytest.mark.parametrize('name', MODELS)
def test_prepared_frames(name):
    rgb = np.random.RandomState(0).randint(0, 256, (75, 101, 3)).astype(np.uint8)
    frame_format = model_spec(name).frame
    frame = prepare_frame(rgb, frame_format, short_side=70)
    assert frame.shape == (3, *frame_format.network_size(75, 101, 70))
    assert frame.dtype == torch.float32 and frame.is_contiguous()
    # the cubic overshoots between random pixels; FlashDepth alone cuts that off
    values = frame.permute(1, 2, 0).numpy() * STD + MEAN
    inside = values.min() > -1e-6 and values.max() < 1 + 1e-6
    assert inside == name.startswith('flashdepth')


@pytest.mark.parametrize('size', [(75, 101), (140, 98), (300, 400)])
@pytest.mark.parametrize('name', [
    name for name in MODELS if model_spec(name).frame.resample == 'opencv'])
def test_a_frame_is_what_the_authors_lines_make_of_it(name, size):
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    frame_format = model_spec(name).frame
    expected = rgb.astype(np.float32) / 255
    for height, width in frame_format.sizes(*size, 70):
        if expected.shape[:2] != (height, width):
            expected = cv2.resize(expected, (width, height), interpolation=cv2.INTER_CUBIC)
            if frame_format.clip:
                expected = expected.clip(0, 1)
    expected = ((expected - MEAN) / STD).transpose(2, 0, 1)
    np.testing.assert_allclose(
        prepare_frame(rgb, frame_format, 70).numpy(), expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize('name', MODELS)
def test_a_uniform_frame_keeps_its_value(name):
    rgb = np.full((518, 518, 3), (10, 128, 250), dtype=np.uint8)
    frame = prepare_frame(rgb, model_spec(name).frame)
    expected = ((np.array([10, 128, 250]) / 255 - MEAN) / STD).astype(np.float32)
    np.testing.assert_allclose(
        frame.numpy(), np.broadcast_to(expected[:, None, None], frame.shape), atol=1e-5)


@pytest.mark.parametrize(('name', 'least'), [
    ('flashdepth-s', 70), ('flashdepth', 70), ('flashdepth-l', 28)])
def test_small_frames(name, least):
    frame_format = model_spec(name).frame
    assert prepare_frame(np.zeros((least, least, 3), np.uint8), frame_format).shape[1] == least
    with pytest.raises(FrameTooSmallError, match='short_side'):
        prepare_frame(np.zeros((least - 14, 200, 3), np.uint8), frame_format)


def test_an_absurdly_wide_frame_is_refused():
    with pytest.raises(FrameTooSmallError):
        model_spec('vda-s').frame.network_size(2, 2000)


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('size', [(16384, 1), (1, 16384), (70, 16384), (16384, 600)])
def test_a_strip_is_refused_or_stays_small(name, size):
    rule = model_spec(name).frame
    try:
        assert max(rule.network_size(*size)) <= LONGEST_SIDE
    except FrameTooSmallError as error:
        assert f'{size[1]}x{size[0]}' in str(error)


@pytest.mark.parametrize('name', ['flashdepth-s', 'vda-s', 'ovda-c16'])
@pytest.mark.parametrize('size', [(720, 1280), (333, 501), (1148, 2044)])
def test_pytorch_prepares_the_same(name, size):
    """What a GPU would do, here on the CPU."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(0, 256, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
    rgb = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    frame_format = model_spec(name).frame
    torch.testing.assert_close(
        prepare_frame(rgb, frame_format, 252, 'cpu'), prepare_frame(rgb, frame_format, 252),
        rtol=0, atol=2e-4)
