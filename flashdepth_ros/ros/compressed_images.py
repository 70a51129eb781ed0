"""CompressedImage -> NumPy: JPEG and PNG, looked at before they are decoded."""
import struct

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage

from .message import MAX_SIDE, MessageError

try:
    import simplejpeg
except ImportError:    # it has no rosdep key; OpenCV makes the same pixels, but tells of no damage
    simplejpeg = None

MAX_PIXELS = 2 ** 26  # of an image whose few bytes may claim any size
# More pixels than this cannot lie in a byte of JPEG (a bit at least for a block of 8x8) or of PNG
# (1032 bytes of a deflated one, eight pixels in each); a file that claims more is damaged.
JPEG_PIXELS, PNG_PIXELS = 512, 8 * 1032
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'


def check_compressed(message: CompressedImage) -> tuple[int, int]:
    """Return (width, height) of a JPEG or PNG; MessageError unless it is a whole one.

    The file's own signature decides, since drivers fill the format as they like. Only its headers
    and its end are looked at: nothing is decoded, so a size that would fill the memory is refused
    before it does.
    """
    name = message.format
    if 'compresseddepth' in name.replace('_', '').lower():
        raise MessageError(
            f"the message holds compressed depth (format '{name}'), not a picture: "
            f"remap to the colour camera's topic")
    data = bytes(message.data)
    if not data:
        raise MessageError('the compressed image is empty')
    if data.startswith(PNG_SIGNATURE):
        header, most = _png_header(data), PNG_PIXELS
    elif data.startswith(b'\xff\xd8\xff'):
        header, most = _jpeg_header(data), JPEG_PIXELS
    else:
        raise MessageError(
            f"the compressed image (format '{name}', beginning with {data[:4].hex(' ')}) is "
            f'neither JPEG nor PNG: set the driver to jpeg or png, or input.transport to raw')
    if header is None:
        raise MessageError(f'the compressed image of {len(data)} bytes is truncated or damaged')
    width, height, channels = header
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise MessageError(
            f'the compressed image says it has {width}x{height} pixels; sides must lie between '
            f'1 and {MAX_SIDE}, and {MAX_PIXELS // 10 ** 6} megapixels are the limit')
    if width * height > most * len(data):
        raise MessageError(
            f'the compressed image says it has {width}x{height} pixels, which cannot lie in its '
            f'{len(data)} bytes: it is truncated or damaged')
    if name.startswith('bayer_') and channels == 1:
        raise MessageError(
            f"the compressed image (format '{name}') is a Bayer mosaic, whose colours compression "
            f'destroys: subscribe to the raw image, or to one that image_proc has debayered')
    return width, height


def compressed_to_rgb(message: CompressedImage) -> np.ndarray:
    """Decode a JPEG or PNG to RGB (H, W, 3) uint8; MessageError where it cannot be.

    A camera's intrinsics belong to the pixels as they are stored, so a note on the orientation
    (EXIF) turns nothing. A JPEG of which the decoder has to invent a part is refused.
    """
    width, height = check_compressed(message)
    if simplejpeg is not None and message.data[0] == 0xff:
        rgb = _decode_jpeg(message.data)
    else:
        rgb = _decode(message.data)
    if rgb is None or rgb.shape != (height, width, 3):
        raise MessageError(
            f'the compressed image of {len(message.data)} bytes is truncated or damaged')
    return rgb


def _decode(data) -> np.ndarray | None:
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8),
                           cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)


def _decode_jpeg(data) -> np.ndarray | None:
    """Decode a JPEG; MessageError where libjpeg warns that its data are damaged.

    A picture that ends early and is closed with an end mark would else be half grey.
    """
    try:
        return simplejpeg.decode_jpeg(data, 'RGB', strict=True)
    except ValueError as error:
        words = str(error)
    # bytes between the whole picture and its end mark are in every frame of some webcams
    if words.lower().startswith(('corrupt', 'premature')) and not words.endswith('marker 0xd9'):
        raise MessageError(
            f'the compressed image of {len(data)} bytes is truncated or damaged ({words}): the '
            f'picture was cut off or changed on its way')
    return _decode(data)    # other warnings are of no pixel; and what it cannot do, as CMYK


def _png_header(data: bytes) -> tuple[int, int, int] | None:
    """Return (width, height, channels) of a whole PNG, or None."""
    if data[12:16] != b'IHDR' or len(data) < 33 or b'IEND' not in data[33:]:
        return None
    width, height, _, colour = struct.unpack_from('>IIBB', data, 16)
    return width, height, 1 if colour == 0 else 3    # 0 is grey; a palette becomes colours


def _jpeg_header(data: bytes) -> tuple[int, int, int] | None:
    """Return (width, height, channels) of a JPEG that has its end, or None.

    It is a chain of segments: 0xff, a marker, a length that counts itself, and so many bytes.
    """
    size, position = None, 2
    while position + 4 <= len(data) and data[position] == 0xff:
        marker, length = data[position + 1], int.from_bytes(data[position + 2:position + 4], 'big')
        if marker == 0xff:    # padding
            position += 1
            continue
        if 0xc0 <= marker <= 0xcf and marker not in (0xc4, 0xc8, 0xcc):    # a frame header
            if position + 10 > len(data):
                return None
            height, width, channels = struct.unpack_from('>HHB', data, position + 5)
            size = width, height, channels
        position += 2 + length
        if marker == 0xda:    # the pixels begin: nothing but the end may contain ff d9
            return size if data.find(b'\xff\xd9', position) >= 0 else None
    return None
