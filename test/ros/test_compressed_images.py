"""CompressedImage: what is decoded, and what is refused before a pixel is."""
import struct

import cv2
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest
from sensor_msgs.msg import CompressedImage

from flashdepth_ros.ros import compressed_images
from flashdepth_ros.ros.compressed_images import check_compressed, compressed_to_rgb
from flashdepth_ros.ros.message import MessageError


def compressed(form: str, rgb: np.ndarray, extension: str, **changes) -> CompressedImage:
    _, data = cv2.imencode(extension, np.ascontiguousarray(rgb[..., ::-1]))
    message = CompressedImage(format=form, data=data.tobytes())
    for name, value in changes.items():
        setattr(message, name, value)
    return message


SMOOTH = np.stack([
    *np.meshgrid(np.arange(40, 200, 4), np.arange(30, 90, 3)), np.full((20, 40), 90)],
    2).astype(np.uint8)


@pytest.mark.parametrize('form', ['jpeg', 'jpg', 'rgb8; jpeg compressed bgr8', ''])
def test_jpeg(form):
    message = compressed(form, SMOOTH, '.jpg')
    assert check_compressed(message) == (40, 20)
    decoded = compressed_to_rgb(message)
    assert decoded.dtype == np.uint8 and decoded.flags.c_contiguous
    assert_allclose(decoded.astype(int), SMOOTH, atol=8)
    message.data = message.data.tobytes() + bytes(100)    # buffers of MJPEG cameras are padded
    assert_array_equal(compressed_to_rgb(message), decoded)


@pytest.mark.parametrize('form', ['png', 'bgr8; png compressed bgr8', 'jpeg'])
def test_png(form):
    message = compressed(form, SMOOTH, '.png')
    assert check_compressed(message) == (40, 20)
    assert_array_equal(compressed_to_rgb(message), SMOOTH)


def test_grey_and_deep_pictures_become_rgb():
    gray = SMOOTH[..., 0]
    for pixels in (gray, gray.astype(np.uint16) << 8):
        message = CompressedImage(format='mono; png compressed ',
                                  data=cv2.imencode('.png', pixels)[1].tobytes())
        assert_allclose(compressed_to_rgb(message).astype(int), np.stack([gray] * 3, 2), atol=1)


def test_a_note_on_orientation_turns_nothing():
    message = compressed('jpeg', SMOOTH, '.jpg')
    tiff = b'MM\0*\0\0\0\x08' + struct.pack('>HHHIHHI', 1, 0x112, 3, 1, 6, 0, 0)    # 6: turn
    exif = b'Exif\0\0' + tiff
    data = message.data.tobytes()
    message.data = data[:2] + b'\xff\xe1' + struct.pack('>H', len(exif) + 2) + exif + data[2:]
    assert compressed_to_rgb(message).shape == (20, 40, 3)


JPEG = compressed('jpeg', SMOOTH, '.jpg').data.tobytes()
PNG = compressed('png', SMOOTH, '.png').data.tobytes()
BOMB = PNG[:16] + struct.pack('>II', 60000, 60000) + PNG[24:]
WIDE_JPEG = JPEG.replace(struct.pack('>HH', 20, 40), struct.pack('>HH', 16000, 16000))


@pytest.mark.parametrize(('form', 'data', 'words'), [
    ('jpeg', b'', 'empty'),
    ('jpeg', JPEG[:len(JPEG) // 2], 'truncated'),
    ('jpeg', JPEG[:-2], 'truncated'),
    ('jpeg', JPEG[:20], 'truncated'),
    ('jpeg', b'\xff\xd8\xff' + bytes(200), 'truncated'),
    ('png', PNG[:len(PNG) // 2], 'truncated'),
    ('png', PNG[:20], 'truncated'),
    ('png', PNG[:60] + b'\0' * 8 + PNG[68:], 'damaged'),
    ('jpeg', b'GIF89a' + bytes(99), 'neither JPEG nor PNG'),
    ('h264', bytes(500), 'h264'),
    ('16UC1; compressedDepth png', bytes(12) + PNG, 'colour camera'),
    ('png', BOMB, '60000x60000'),
    ('jpeg', WIDE_JPEG, '16000x16000'),
    ('png', PNG[:16] + struct.pack('>II', 8000, 8000) + PNG[24:], 'cannot lie in its'),
    ('jpeg', JPEG.replace(struct.pack('>HH', 20, 40), struct.pack('>HH', 8000, 8000)),
     'cannot lie in its'),
    ('bayer_rggb8; png compressed ', cv2.imencode('.png', SMOOTH[..., 0])[1].tobytes(), 'mosaic'),
])
def test_unusable_compressed_images_are_explained(form, data, words):
    with pytest.raises(MessageError, match=words):
        compressed_to_rgb(CompressedImage(format=form, data=data))


@pytest.mark.parametrize(('suffix', 'picture', 'options'), [
    ('.jpg', np.zeros((2000, 3000, 3), np.uint8), []),
    ('.jpg', np.zeros((2000, 3000), np.uint8),
     [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1]),
    ('.png', np.zeros((2000, 3000, 3), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9]),
    ('.png', np.zeros((2000, 3000), np.uint8),
     [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_BILEVEL, 1]),
])
def test_a_picture_of_one_colour_is_not_taken_for_a_damaged_one(suffix, picture, options):
    data = cv2.imencode(suffix, picture, options)[1].tobytes()  # as little data as there can be
    assert compressed_to_rgb(CompressedImage(data=data)).shape == (2000, 3000, 3)


def test_garbage_never_gets_out_as_another_error():
    rng = np.random.default_rng(0)
    for data in (JPEG, PNG):
        for _ in range(200):
            damaged = bytearray(data)
            for place in rng.integers(3, len(data), 4):
                damaged[place] = rng.integers(256)
            try:
                shape = compressed_to_rgb(CompressedImage(data=bytes(damaged))).shape
            except MessageError:
                continue
            assert shape[2] == 3


WAYS = {'plain': [], 'progressive': [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
        'restart marks': [cv2.IMWRITE_JPEG_RST_INTERVAL, 8]}


def street(way: str) -> bytes:
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(
        0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 1)
    return cv2.imencode('.jpg', noise, WAYS[way])[1].tobytes()


@pytest.mark.skipif(compressed_images.simplejpeg is None, reason='simplejpeg is not installed')
@pytest.mark.parametrize('way', WAYS)
def test_a_jpeg_that_ends_early_and_is_closed_is_refused(way):
    data = street(way)
    for share in (0.3, 0.5, 0.9, 0.99):
        cut = CompressedImage(format='jpeg', data=data[:int(share * len(data))] + b'\xff\xd9')
        check_compressed(cut)    # headers and end are there
        with pytest.raises(MessageError, match=r'[Pp]remature end'):
            compressed_to_rgb(cut)
    half = len(data) // 2
    with pytest.raises(MessageError, match='damaged'):    # a piece in the middle is missing
        compressed_to_rgb(CompressedImage(format='jpeg', data=data[:half] + data[half + 999:]))


@pytest.mark.parametrize('way', WAYS)
def test_bytes_before_the_end_mark_harm_nothing(way):
    data = street(way)
    whole = compressed_to_rgb(CompressedImage(format='jpeg', data=data))
    for bytes_between in (1, 4, 50):
        padded = data[:-2] + bytes(bytes_between) + data[-2:]
        assert_array_equal(
            compressed_to_rgb(CompressedImage(format='jpeg', data=padded)), whole)


@pytest.mark.parametrize('way', WAYS)
def test_both_decoders_make_the_same_pixels(way, monkeypatch):
    message = CompressedImage(format='jpeg', data=street(way))
    first = compressed_to_rgb(message)
    monkeypatch.setattr(compressed_images, 'simplejpeg', None)
    assert_allclose(first.astype(int), compressed_to_rgb(message), atol=2)
