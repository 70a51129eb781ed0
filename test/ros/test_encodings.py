"""Images of every encoding, from bytes laid out by hand."""
import importlib.util

from images_by_hand import ALPHA, GRAY, RGB, make
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest
from sensor_msgs.msg import Image

from flashdepth_ros.images.encodings import ENCODINGS
from flashdepth_ros.images.levels import Levels
from flashdepth_ros.ros import bridge
from flashdepth_ros.ros.image_messages import check_image, image_to_rgb
from flashdepth_ros.ros.message import MessageError


@pytest.mark.parametrize('padding', [0, 5, 64])
@pytest.mark.parametrize(('encoding', 'pixels', 'rgb'), [
    ('rgb8', RGB, RGB),
    ('bgr8', RGB[..., ::-1], RGB),
    ('8UC3', RGB[..., ::-1], RGB),
    ('rgba8', np.concatenate([RGB, ALPHA], 2), RGB),
    ('bgra8', np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
    ('mono8', GRAY, np.stack([GRAY] * 3, 2)),
    ('8UC1', GRAY, np.stack([GRAY] * 3, 2)),
    ('8UC4', np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
    ('BGR8', RGB[..., ::-1], RGB),
    ('Mono8', GRAY, np.stack([GRAY] * 3, 2)),
    ('8uc3', RGB[..., ::-1], RGB),
])
def test_8_bit_encodings(encoding, pixels, rgb, padding):
    decoded = image_to_rgb(make(encoding, pixels, padding=padding))
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous
    assert_array_equal(decoded, rgb)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 3, 6])
def test_16_bit_encodings(big_endian, padding):
    order = '>u2' if big_endian else '<u2'
    # the lower byte is lost
    low = np.random.default_rng(2).integers(0, 256, (5, 7), dtype=np.uint16)
    gray = (GRAY.astype(np.uint16) << 8 | low).astype(order)
    expected = np.stack([GRAY] * 3, 2)
    assert_array_equal(image_to_rgb(make('mono16', gray, big_endian, padding)), expected)
    assert_array_equal(image_to_rgb(make('16UC1', gray, big_endian, padding)), expected)
    wide = (RGB.astype(np.uint16) << 8 | low[..., None]).astype(order)
    assert_array_equal(image_to_rgb(make('rgb16', wide, big_endian, padding)), RGB)
    assert_array_equal(image_to_rgb(make('bgr16', wide[..., ::-1], big_endian, padding)), RGB)
    assert_array_equal(image_to_rgb(make('16UC3', wide[..., ::-1], big_endian, padding)), RGB)
    alpha = ALPHA.astype(order)
    for encoding, colours in (('rgba16', wide), ('bgra16', wide[..., ::-1]),
                              ('16UC4', wide[..., ::-1])):
        four = np.concatenate([colours, alpha], 2).astype(order)
        assert_array_equal(image_to_rgb(make(encoding, four, big_endian, padding)), RGB)


def blocks() -> np.ndarray:
    """Return an RGB image (8, 12, 3) of 2 x 2 blocks, so that shared colours lose nothing."""
    small = np.random.default_rng(3).integers(40, 216, (4, 6, 3), dtype=np.uint8)
    return np.repeat(np.repeat(small, 2, 0), 2, 1)


def to_yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convert to BT.601 in video range, by its definition."""
    red, green, blue = np.moveaxis(rgb.astype(float) / 255, 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = (blue - luma) / 1.772, (red - luma) / 1.402
    return tuple(np.rint(x).astype(np.uint8)
                 for x in (16 + 219 * luma, 128 + 224 * u, 128 + 224 * v))


@pytest.mark.parametrize('padding', [0, 2, 5])
@pytest.mark.parametrize(('encoding', 'order'), [
    ('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv'),
    ('YUY2', 'yuyv'), ('yvyu', 'yvyu')])
def test_yuv_422_encodings(encoding, order, padding):
    rgb = blocks()
    y, u, v = to_yuv(rgb)
    pixels = np.empty((*y.shape, 2), np.uint8)
    pixels[..., order.index('y')] = y
    for name, chroma in (('u', u), ('v', v)):
        column, byte = divmod(order.index(name), 2)
        pixels[:, column::2, byte] = chroma[:, 0::2]
    decoded = image_to_rgb(make(encoding, pixels, padding=padding))
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous
    assert_allclose(decoded.astype(int), rgb, atol=4)


@pytest.mark.parametrize('padding', [0, 2, 5])
@pytest.mark.parametrize(('encoding', 'order'), [('nv12', (1, 2)), ('nv21', (2, 1))])
def test_yuv_420_encodings(encoding, order, padding):
    rgb = blocks()
    planes = to_yuv(rgb)
    chroma = np.stack([planes[i][::2, ::2] for i in order], 2).reshape(4, 12)
    message = make(encoding, np.concatenate([planes[0], chroma]), padding=padding)
    message.height = 8    # of the image, as drivers have it; the data goes on for 4 more rows
    decoded = image_to_rgb(message)
    assert decoded.shape == rgb.shape
    assert_allclose(decoded.astype(int), rgb, atol=4)


@pytest.mark.parametrize('size', [(8, 12), (7, 9)])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_encodings(pattern, size):
    rgb = np.zeros((*size, 3), np.uint8)
    rgb[:] = (200, 120, 30)    # red, green and blue cannot be taken for each other
    mosaic = np.empty(size, np.uint8)
    for i, colour in enumerate(pattern):
        row, column = divmod(i, 2)
        mosaic[row::2, column::2] = rgb[row::2, column::2, 'rgb'.index(colour)]
    for padding in (0, 4):
        assert_array_equal(
            image_to_rgb(make(f'bayer_{pattern}8', mosaic, padding=padding)), rgb)
        for big_endian in (False, True):
            wide = (mosaic.astype(np.uint16) << 8 | 77).astype('>u2' if big_endian else '<u2')
            assert_array_equal(
                image_to_rgb(make(f'bayer_{pattern}16', wide, big_endian, padding)), rgb)


@pytest.mark.parametrize('padding', [0, 2, 6])
@pytest.mark.parametrize(('encoding', 'order'), [
    ('i420', (1, 2)), ('yuv420', (1, 2)), ('I420', (1, 2)), ('yv12', (2, 1))])
def test_yuv_420_in_three_planes(encoding, order, padding):
    rgb = blocks()
    planes = to_yuv(rgb)
    data = b''.join(row.tobytes() + b'\x55' * padding for row in planes[0])
    for i in order:    # chroma has half the step
        data += b''.join(row.tobytes() + b'\x55' * (padding // 2) for row in planes[i][::2, ::2])
    message = Image(height=8, width=12, encoding=encoding, step=12 + padding, data=data)
    decoded = image_to_rgb(message)
    assert decoded.shape == rgb.shape and decoded.flags.c_contiguous
    assert_allclose(decoded.astype(int), rgb, atol=4)
    message.data = data[:-12 - padding - 1]
    with pytest.raises(MessageError, match='8 of the image and 4 of chroma'):
        image_to_rgb(message)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize(('encoding', 'order'), [('nv24', (1, 2)), ('nv42', (2, 1))])
def test_yuv_444_encodings(encoding, order, padding):
    rgb = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    planes = to_yuv(rgb)
    rows = b''.join(row.tobytes() + b'\x55' * padding for row in planes[0])
    for row in np.stack([planes[i] for i in order], 2).reshape(5, 14):
        rows += row.tobytes() + b'\x55' * 2 * padding    # two pixels' bytes, two rows' step
    message = Image(height=5, width=7, encoding=encoding, step=7 + padding, data=rows)
    assert_allclose(image_to_rgb(message).astype(int), rgb, atol=3)


def test_floats_are_from_0_to_1_or_to_255():
    rgb = RGB.astype(np.float32)
    for scale in (1 / 255, 1):
        pixels = (rgb[..., ::-1] * np.float32(scale)).astype('<f4')
        assert_allclose(image_to_rgb(make('32FC3', pixels)).astype(int), RGB, atol=1)
    levels = Levels()
    image_to_rgb(make('32FC3', rgb[..., ::-1]), levels)
    assert '255' in levels.news() and levels.news() is None
    dark = np.ones((5, 7, 3), np.float32)
    assert image_to_rgb(make('32FC3', dark), levels).max() == 1    # as before
    strange = np.float32([[[np.nan, np.inf, -np.inf]]])
    assert image_to_rgb(make('32FC3', strange)).tolist() == [[[0, 255, 0]]]


@pytest.mark.parametrize('bits', [10, 12, 14, 16])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_the_bits_in_use_are_found_and_held(encoding, bits):
    ramp = np.linspace(0, 2 ** bits - 1, 4096).round().astype('<u2').reshape(16, 256)
    levels = Levels()
    gray = image_to_rgb(make(encoding, ramp), levels)[..., 0]
    assert len(np.unique(gray)) == 256    # of the network's 256
    assert_array_equal(gray, ramp >> (bits - 8))
    assert f'{bits} of 16 bits' in levels.news() and levels.news() is None
    for dark in (ramp // 4, ramp * 0):
        assert_array_equal(image_to_rgb(make(encoding, dark), levels)[..., 0], dark >> (bits - 8))
    assert levels.news() is None


def test_more_bits_are_taken_as_they_come():
    levels = Levels()
    ramp = np.arange(256, dtype='<u2')[None]
    assert_array_equal(image_to_rgb(make('mono16', ramp), levels)[..., 0], ramp)    # 8 bits of 16
    assert levels.news() is None
    for bits in (9, 10, 13, 16):
        image_to_rgb(make('mono16', ramp << (bits - 8)), levels)
        grown = levels.news()
        assert grown is None if bits == 10 else f'{bits + bits % 2} of 16' in grown


def test_a_fixed_number_of_bits():
    ramp = np.arange(0, 65536, 64, dtype='<u2')[None]
    for bits in range(8, 17):
        levels = Levels(bits)
        expected = np.minimum(ramp >> (bits - 8), 255)    # what is brighter is white
        assert_array_equal(image_to_rgb(make('mono16', ramp), levels)[..., 0], expected)
        assert levels.news() is None


def test_without_cv_bridge_the_error_names_its_package(monkeypatch):
    if importlib.util.find_spec('cv_bridge'):
        pytest.skip('cv_bridge is installed')
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    bridge._bridge.cache_clear()
    bridge.bridge_problem.cache_clear()
    for _ in range(2):
        with pytest.raises(MessageError, match='apt install ros-jazzy-cv-bridge') as error:
            check_image(make('bayer_rggb12', GRAY))
        assert "'bayer_rggb12'" in str(error.value) and 'rgb8' in str(error.value)


@pytest.mark.skipif(importlib.util.find_spec('cv_bridge') is None,
                    reason='cv_bridge is not installed (no PyPI wheel)')
def test_with_cv_bridge_its_answer_counts():
    known = [name for name in ENCODINGS if bridge.bridge_problem(name) is None]
    assert {'rgb8', 'bgra16', 'yuv422', 'bayer_rggb8'} <= set(known)
    assert_array_equal(bridge.bridge_to_rgb(make('bgr8', RGB[..., ::-1])), RGB)
    with pytest.raises(MessageError, match='cv_bridge cannot'):
        check_image(make('bayer_rggb12', GRAY))
