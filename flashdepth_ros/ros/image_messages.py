"""Image <-> pixels."""
import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ..images.encodings import ENCODINGS, Encoding, encoding_of
from ..images.levels import Levels
from .bridge import bridge_problem, bridge_to_rgb
from .message import MAX_SIDE, MessageError, data_view, fields_of
from .outgoing import Outgoing

Kept = Image | Outgoing


def check_image(message: Image) -> None:
    """Raise MessageError unless the image can be decoded; costs no pass over its pixels."""
    if not (0 < message.width <= MAX_SIDE and 0 < message.height <= MAX_SIDE):
        raise MessageError(
            f'the image says it has {message.width}x{message.height} pixels; '
            f'sides must lie between 1 and {MAX_SIDE}')
    encoding = encoding_of(message.encoding)
    if encoding is None:
        if (problem := bridge_problem(message.encoding)) is not None:
            raise MessageError(
                f"the image has encoding '{message.encoding}', which is none of "
                f'{", ".join(ENCODINGS)}; {problem}')
        return    # cv_bridge looks for itself
    for name, side, multiple in (
            ('width', message.width, encoding.even[0]), ('height', message.height,
                                                         encoding.even[1])):
        if side % multiple:
            raise MessageError(
                f'the image has an odd {name} of {side} pixels, but {message.encoding} shares its '
                f'colours between pairs of pixels: set the camera driver to an even {name}')
    row = message.width * encoding.channels * np.dtype(encoding.dtype).itemsize
    if message.step < row:
        raise MessageError(
            f'the image says its rows have {message.step} bytes (step), but {message.width} pixels '
            f'of {message.encoding} need {row}: the camera driver fills the message wrongly')
    rows = _rows(message, encoding)
    # the last row may come without its padding
    if len(message.data) < message.step * (rows - 1) + row:
        planes = ''
        if encoding.planar:
            planes = (f' ({message.height} of the image and {rows - message.height} of chroma; '
                      f'the height is that of the image alone)')
        raise MessageError(
            f'the image has {len(message.data)} bytes, but {rows} rows{planes} of {message.step} '
            f'bytes need {message.step * rows}: the message is truncated')


def _rows(message: Image, encoding: Encoding) -> int:
    return int(message.height * encoding.planes)


def image_to_rgb(message: Image, levels: Levels | None = None) -> np.ndarray:
    """Decode an image to RGB (H, W, 3) uint8; MessageError where it cannot be.

    Row padding and byte order are respected. levels: of the camera, which say what of samples with
    more than 8 bits is kept; without it the higher eight of 16. YUV is taken as BT.601 in video
    range, as cv_bridge does. The result may share the message's memory.
    """
    check_image(message)
    encoding = encoding_of(message.encoding)
    if encoding is None:
        return bridge_to_rgb(message)
    rows = _rows(message, encoding)
    if encoding.planar:
        data = np.frombuffer(message.data, np.uint8)[:rows * message.step]
        if len(data) < rows * message.step:    # the last row's padding
            data = np.pad(data, (0, rows * message.step - len(data)))
        return encoding.convert(data.reshape(rows, message.step), message.width)
    dtype = np.dtype(encoding.dtype).newbyteorder('>' if message.is_bigendian else '<')
    pixels = np.ndarray(
        (rows, message.width, encoding.channels), dtype, buffer=message.data,
        strides=(message.step, encoding.channels * dtype.itemsize, dtype.itemsize))
    return encoding.to_rgb(
        pixels[..., 0] if encoding.channels == 1 else pixels, levels or Levels(16))


def rgb_to_image(rgb: np.ndarray, header: Header, out: Kept | None = None) -> Kept:
    """RGB (H, W, 3) uint8 -> Image rgb8, into `out` where given."""
    return _fill_image(out or Image(), rgb, 'rgb8', header)


def mask_to_image(mask: np.ndarray, header: Header, out: Kept | None = None) -> Kept:
    """Mask (H, W) uint8 -> Image mono8, into `out` where given."""
    return _fill_image(out or Image(), mask, 'mono8', header)


def bgr_to_image(bgr: np.ndarray, header: Header, out: Kept | None = None) -> Kept:
    """BGR (H, W, 3) uint8 -> Image bgr8, into `out` where given."""
    return _fill_image(out or Image(), bgr, 'bgr8', header)


def depth_to_image(
    depth: np.ndarray, header: Header, encoding: str = '32FC1', out: Kept | None = None,
) -> Kept:
    """Depth (H, W) float32 in metres -> Image, into `out` where given (REP 118).

    32FC1 keeps NaN and the infinities (REP 117). 16UC1 is millimetres, with 0 for everything that
    is no value or does not fit.
    """
    if encoding == '16UC1':
        millimetres = depth * np.float32(1000)
        millimetres[~(millimetres < 65535.5)] = 0    # also NaN and +Inf
        depth = np.maximum(millimetres, 0, out=millimetres).round().astype(np.uint16)
    return _fill_image(out or Image(), depth, encoding, header)


def image_to_depth(message: Image, far: bool = False) -> np.ndarray:
    """Decode a depth image to (H, W) float32 metres, NaN for no value; MessageError.

    32FC1 in metres or 16UC1 (also mono16) in millimetres, as REP 118 has them. far: keep +Inf,
    which says that something is farther than the sensor's range (REP 117).
    """
    kinds = {'32FC1': np.float32, '16UC1': np.uint16, 'mono16': np.uint16}
    if message.encoding not in kinds:
        raise MessageError(f"a depth image has encoding '{message.encoding}'; it must be 32FC1 "
                           f'(metres) or 16UC1 (millimetres)')
    dtype = np.dtype(kinds[message.encoding]).newbyteorder('>' if message.is_bigendian else '<')
    row = message.width * dtype.itemsize
    if (not message.width or not message.height or message.step < row
            or len(message.data) < message.step * (message.height - 1) + row):
        raise MessageError('a depth image has less data than its size says')
    values = np.ndarray((message.height, message.width), dtype, buffer=message.data,
                        strides=(message.step, dtype.itemsize))
    depth = values.astype(np.float32)
    if dtype.itemsize == 2:
        depth *= np.float32(0.001)
    depth[~((depth > 0) & (far | (depth < np.inf)))] = np.nan
    return depth


def depth_view(message: Kept, height: int, width: int) -> np.ndarray:
    """Return the memory of a message that will be a depth image 32FC1, (height, width) float32.

    depth_to_image then has nothing to copy.
    """
    return data_view(message, 4 * height * width).view(np.float32).reshape(height, width)


def _fill_image(message: Kept, pixels: np.ndarray, encoding: str, header: Header) -> Kept:
    fields = fields_of(message)
    fields.header = header
    fields.height, fields.width = pixels.shape[:2]
    fields.encoding = encoding
    fields.is_bigendian = 0
    fields.step = pixels.strides[0] if pixels.flags.c_contiguous else pixels[0].nbytes
    view = data_view(message, pixels.nbytes).view(pixels.dtype).reshape(pixels.shape)
    if view.ctypes.data != pixels.ctypes.data:
        view[...] = pixels
    return message
