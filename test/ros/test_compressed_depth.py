"""compressedDepth as image_transport's plugins have it: by hand, and there and back."""
import struct

import cv2
import numpy as np
import pytest

from flashdepth_ros.images.rvl import RvlError, rvl_decode, rvl_encode
from flashdepth_ros.ros.compressed_depth import compressed_to_depth, depth_to_compressed
from flashdepth_ros.ros.image_messages import depth_to_image
from flashdepth_ros.ros.message import MessageError, header_at

HEADER = header_at(5, 'optical')


def test_rvl_by_hand():
    # one zero; two values: +5 is 10 = 2 + 1 * 8, -2 is 3; three zeros
    nibbles = [1, 2, 2 | 8, 1, 3, 3, 0]
    word = sum(nibble << 4 * (7 - place) for place, nibble in enumerate(nibbles))
    values = np.array([[0, 5, 3], [0, 0, 0]], np.uint16)
    assert rvl_encode(values) == struct.pack('<I', word)
    assert np.array_equal(rvl_decode(struct.pack('<I', word), 2, 3), values)


@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_rvl_loses_nothing(share):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 65536, (37, 53)).astype(np.uint16)
    values[rng.random(values.shape) > share] = 0
    data = rvl_encode(values)
    assert len(data) % 4 == 0
    assert np.array_equal(rvl_decode(data, 37, 53), values)
    if share:
        with pytest.raises(RvlError):
            rvl_decode(data[:len(data) // 2], 37, 53)


def decoded_as_the_plugin_does(message) -> np.ndarray:
    """Depth of a 32FC1; the header is an int and two floats, little-endian."""
    data = bytes(message.data)
    kind, a, b = struct.unpack_from('<iff', data)
    assert kind == 0
    if message.format.endswith('png'):
        numbers = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    else:
        width, height = struct.unpack_from('<II', data, 12)
        numbers = rvl_decode(data[20:], height, width)
    assert numbers.dtype == np.uint16
    numbers = numbers.astype(np.float32)
    return np.where(numbers > 0, np.float32(a) / (numbers - np.float32(b)), np.nan)


@pytest.mark.parametrize('form', ['png', 'rvl'])
def test_depth_in_metres(form):
    depth = np.geomspace(0.2, 80, 48 * 64, dtype=np.float32).reshape(48, 64)
    depth[0, :3] = np.nan, np.inf, -np.inf
    message = depth_to_compressed(depth_to_image(depth, HEADER), form, 0.2, 80.0)
    assert message.format == f'32FC1; compressedDepth {form}' and message.header == HEADER
    found = decoded_as_the_plugin_does(message)
    assert np.isnan(found[0, :3]).all() and np.isfinite(found[1:]).all()
    # half a step of inverse depth
    step = (1 / 0.2 - 1 / 80) / 65534
    assert np.nanmax(np.abs(1 / found - 1 / depth)[1:]) < 0.51 * step
    assert np.allclose(compressed_to_depth(message), found, equal_nan=True)


@pytest.mark.parametrize('form', ['png', 'rvl'])
def test_millimetres_lose_nothing(form):
    depth = np.linspace(0, 30, 48 * 64, dtype=np.float32).reshape(48, 64)
    image = depth_to_image(depth, HEADER, '16UC1')
    message = depth_to_compressed(image, form, 0.1, 100.0)
    assert message.format == f'16UC1; compressedDepth {form}'
    millimetres = np.frombuffer(image.data, np.uint16).reshape(48, 64)
    found = compressed_to_depth(message)
    assert np.array_equal(np.nan_to_num(np.rint(found * 1000)), millimetres)


def test_no_depth_at_all_is_as_large_as_readers_want_it():
    nothing = depth_to_image(np.full((480, 640), np.nan, np.float32), HEADER)
    message = depth_to_compressed(nothing, 'rvl', 0.1, 100.0)
    assert 5 * len(message.data) > 480 * 640
    assert np.isnan(compressed_to_depth(message)).all()


def test_damage_is_refused():
    image = depth_to_image(np.full((20, 30), 2, np.float32), HEADER)
    for form in ('png', 'rvl'):
        message = depth_to_compressed(image, form, 0.1, 100.0)
        del message.data[40:]
        with pytest.raises(MessageError):
            compressed_to_depth(message)
    message.format = 'jpeg'
    with pytest.raises(MessageError, match='compressedDepth'):
        compressed_to_depth(message)
