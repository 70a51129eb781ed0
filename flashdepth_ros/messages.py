"""NumPy <-> ROS messages: Image, CompressedImage, CameraInfo, PointCloud2.

Below this module nothing is ROS.

Outgoing messages are kept and filled in place: `message.data` is an array.array whose property
setter copies or even checks byte by byte, while writing through a view of it costs one copy.
"""
from collections.abc import Callable
from dataclasses import dataclass
import struct

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from .geometry import Intrinsics

MAX_SIDE = 16384  # larger images are taken for damaged messages
MAX_PIXELS = 2 ** 26    # of a compressed one, whose few bytes may claim any size
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'


class MessageError(ValueError):
    """An incoming message cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Encoding:
    """How the pixels of an image encoding lie in memory, and how they become RGB.

    channels: of a pixel, counting what several pixels share. even: (width, height) must be
    multiples of these. planar: half as many rows of chroma follow the image's rows, at the same
    step, which the message's height does not count (as image_encodings.hpp and camera drivers do).
    """

    dtype: type
    channels: int
    to_rgb: Callable[[np.ndarray], np.ndarray]
    even: tuple[int, int] = (1, 1)
    planar: bool = False


def _convert(code: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _yuv_422(code: int) -> Encoding:
    return Encoding(np.uint8, 2, _convert(code), even=(2, 1))


def _yuv_420(code: int) -> Encoding:
    def to_rgb(planes: np.ndarray) -> np.ndarray:
        rows = planes.shape[0] * 2 // 3
        chroma = planes[rows:].reshape(-1, planes.shape[1] // 2, 2)
        return cv2.cvtColorTwoPlane(planes[:rows], chroma, code)
    return Encoding(np.uint8, 1, to_rgb, even=(2, 2), planar=True)


def _bayer(dtype: type, code: int) -> Encoding:
    def to_rgb(mosaic: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(_high_byte(mosaic) if dtype is np.uint16 else mosaic, code)
    return Encoding(dtype, 1, to_rgb)


def _high_byte(pixels: np.ndarray) -> np.ndarray:
    return (pixels >> 8).astype(np.uint8)


ENCODINGS = {
    'rgb8': Encoding(np.uint8, 3, np.ascontiguousarray),
    'bgr8': Encoding(np.uint8, 3, _convert(cv2.COLOR_BGR2RGB)),
    '8UC3': Encoding(np.uint8, 3, _convert(cv2.COLOR_BGR2RGB)),  # OpenCV's order, as in cv_bridge
    'rgba8': Encoding(np.uint8, 4, _convert(cv2.COLOR_RGBA2RGB)),
    'bgra8': Encoding(np.uint8, 4, _convert(cv2.COLOR_BGRA2RGB)),
    'mono8': Encoding(np.uint8, 1, _convert(cv2.COLOR_GRAY2RGB)),
    '8UC1': Encoding(np.uint8, 1, _convert(cv2.COLOR_GRAY2RGB)),
    'mono16': Encoding(
        np.uint16, 1, lambda pixels: cv2.cvtColor(_high_byte(pixels), cv2.COLOR_GRAY2RGB)),
    'rgb16': Encoding(np.uint16, 3, _high_byte),
    'bgr16': Encoding(
        np.uint16, 3, lambda pixels: cv2.cvtColor(_high_byte(pixels), cv2.COLOR_BGR2RGB)),
    'yuv422': _yuv_422(cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': _yuv_422(cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': _yuv_422(cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': _yuv_422(cv2.COLOR_YUV2RGB_YUY2),
    'nv12': _yuv_420(cv2.COLOR_YUV2RGB_NV12),
    'nv21': _yuv_420(cv2.COLOR_YUV2RGB_NV21),
    # ROS names a mosaic after its first two rows, OpenCV after the second row's second and third
    # pixel: rggb is OpenCV's BG
    **{f'bayer_{pattern}{8 * np.dtype(dtype).itemsize}': _bayer(dtype, code)
       for pattern, code in (
           ('rggb', cv2.COLOR_BayerBG2RGB), ('bggr', cv2.COLOR_BayerRG2RGB),
           ('gbrg', cv2.COLOR_BayerGR2RGB), ('grbg', cv2.COLOR_BayerGB2RGB))
       for dtype in (np.uint8, np.uint16)},
}


def stamp_to_ns(stamp) -> int:
    """builtin_interfaces/Time -> nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def check_image(message: Image) -> None:
    """Raise MessageError unless the image can be decoded; costs no pass over its pixels."""
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise MessageError(
            f"the image has encoding '{message.encoding}'; supported are {', '.join(ENCODINGS)}: "
            f"set the camera driver to one of them, or convert it with image_proc")
    if not (0 < message.width <= MAX_SIDE and 0 < message.height <= MAX_SIDE):
        raise MessageError(
            f'the image says it has {message.width}x{message.height} pixels; '
            f'sides must lie between 1 and {MAX_SIDE}')
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
            planes = (f' ({message.height} of the image and {message.height // 2} of chroma; the '
                      f'height is that of the image alone)')
        raise MessageError(
            f'the image has {len(message.data)} bytes, but {rows} rows{planes} of {message.step} '
            f'bytes need {message.step * rows}: the message is truncated')


def _rows(message: Image, encoding: Encoding) -> int:
    return message.height * 3 // 2 if encoding.planar else message.height


def image_to_rgb(message: Image) -> np.ndarray:
    """Decode an image to RGB (H, W, 3) uint8; MessageError where it cannot be.

    Row padding and byte order are respected; of 16 bits the higher eight are kept. YUV is taken as
    BT.601 in video range, as cv_bridge does. The result may share the message's memory.
    """
    check_image(message)
    encoding = ENCODINGS[message.encoding]
    dtype = np.dtype(encoding.dtype).newbyteorder('>' if message.is_bigendian else '<')
    pixels = np.ndarray(
        (_rows(message, encoding), message.width, encoding.channels), dtype, buffer=message.data,
        strides=(message.step, encoding.channels * dtype.itemsize, dtype.itemsize))
    return encoding.to_rgb(pixels[..., 0] if encoding.channels == 1 else pixels)


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
        header = _png_header(data)
    elif data.startswith(b'\xff\xd8\xff'):
        header = _jpeg_header(data)
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
    if name.startswith('bayer_') and channels == 1:
        raise MessageError(
            f"the compressed image (format '{name}') is a Bayer mosaic, whose colours compression "
            f'destroys: subscribe to the raw image, or to one that image_proc has debayered')
    return width, height


def compressed_to_rgb(message: CompressedImage) -> np.ndarray:
    """Decode a JPEG or PNG to RGB (H, W, 3) uint8; MessageError where it cannot be.

    A camera's intrinsics belong to the pixels as they are stored, so a note on the orientation
    (EXIF) turns nothing.
    """
    width, height = check_compressed(message)
    try:
        bgr = cv2.imdecode(np.frombuffer(message.data, np.uint8),
                           cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        bgr = None
    if bgr is None or bgr.shape[:2] != (height, width):
        raise MessageError(
            f'the compressed image of {len(message.data)} bytes is truncated or damaged')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)


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


def rgb_to_image(rgb: np.ndarray, header: Header, out: Image | None = None) -> Image:
    """RGB (H, W, 3) uint8 -> Image rgb8, into `out` where given."""
    return _fill_image(out or Image(), rgb, 'rgb8', header)


def mask_to_image(mask: np.ndarray, header: Header, out: Image | None = None) -> Image:
    """Mask (H, W) uint8 -> Image mono8, into `out` where given."""
    return _fill_image(out or Image(), mask, 'mono8', header)


def bgr_to_image(bgr: np.ndarray, header: Header, out: Image | None = None) -> Image:
    """BGR (H, W, 3) uint8 -> Image bgr8, into `out` where given."""
    return _fill_image(out or Image(), bgr, 'bgr8', header)


def depth_to_image(
    depth: np.ndarray, header: Header, encoding: str = '32FC1', out: Image | None = None,
) -> Image:
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


def _fill_image(message: Image, pixels: np.ndarray, encoding: str, header: Header) -> Image:
    message.header = header
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = pixels.strides[0] if pixels.flags.c_contiguous else pixels[0].nbytes
    _view(message, pixels.nbytes).view(pixels.dtype).reshape(pixels.shape)[...] = pixels
    return message


def _view(message: Image | PointCloud2, size: int) -> np.ndarray:
    """Return the message's data, brought to `size` bytes, as a writable uint8 view."""
    data = message.data
    if len(data) != size:
        if len(data) > size:
            del data[size:]
        else:
            data.frombytes(bytes(size - len(data)))
    return np.frombuffer(data, dtype=np.uint8)


def info_to_intrinsics(info: CameraInfo, width: int, height: int) -> Intrinsics:
    """Return the camera of a width x height image from its CameraInfo; MessageError.

    The projection matrix P is used where it is filled, as image_geometry does, else K. Region of
    interest and binning are applied, and a remaining difference in size is taken for resampling.
    """
    fx, fy, cx, cy = (
        (info.p[0], info.p[5], info.p[2], info.p[6]) if info.p[0] else
        (info.k[0], info.k[4], info.k[2], info.k[5]))
    binning_x, binning_y = max(info.binning_x, 1), max(info.binning_y, 1)
    roi = info.roi
    try:
        camera = Intrinsics(
            fx / binning_x, fy / binning_y,
            (cx - roi.x_offset) / binning_x, (cy - roi.y_offset) / binning_y,
            (roi.width or info.width) // binning_x, (roi.height or info.height) // binning_y)
    except ValueError as error:
        raise MessageError(f'camera_info cannot be used: {error}') from error
    return camera.resized(width, height)


def intrinsics_to_info(
    intrinsics: Intrinsics, header: Header, template: CameraInfo | None = None,
) -> CameraInfo:
    """Return the CameraInfo of an image of the intrinsics' size.

    template: where distortion, rectification and a stereo baseline are taken from.
    """
    info = CameraInfo(header=header, width=intrinsics.width, height=intrinsics.height)
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    baseline_x = baseline_y = 0.0
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    if template is not None:
        info.distortion_model, info.d = template.distortion_model, template.d
        if any(template.r):
            info.r = template.r
        if template.p[0]:  # -f * baseline, in pixels * metres, scales as f does
            baseline_x = template.p[3] * fx / template.p[0]
            baseline_y = template.p[7] * fy / (template.p[5] or 1.0)
            # K and P differ where the camera is distorted; K moves as P does
            sx, sy = fx / template.p[0], fy / template.p[5]
            k, p = template.k, template.p
            info.k = [k[0] * sx, k[1] * sx, _moved(k[2], p[2], cx, sx),
                      0.0, k[4] * sy, _moved(k[5], p[6], cy, sy),
                      0.0, 0.0, 1.0]
    info.p = [fx, 0.0, cx, baseline_x, 0.0, fy, cy, baseline_y, 0.0, 0.0, 1.0, 0.0]
    return info


def _moved(centre: float, reference: float, moved_reference: float, scale: float) -> float:
    """Move a coordinate as the reference moved, under a scale."""
    return moved_reference + (centre - reference) * scale


_FLOATS = [
    PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
    for i, name in enumerate(('x', 'y', 'z', 'rgb'))]


def points_to_cloud(
    points: np.ndarray, rgb: np.ndarray | None, organized: bool, header: Header,
    out: PointCloud2 | None = None,
) -> PointCloud2:
    """Points (H, W, 3) float32 with NaN for no value -> PointCloud2, into `out` where given.

    rgb: colours (H, W, 3) uint8 of the points, or None for a cloud without the field rgb.
    organized: keep the grid and the NaN; otherwise one row of the points that have a value.
    """
    message = out or PointCloud2()
    channels = 3 if rgb is None else 4
    if organized:
        shape, keep = points.shape[:2], ...
    else:
        keep = np.isfinite(points[..., 2])
        shape = (1, int(np.count_nonzero(keep)))
    message.header = header
    message.height, message.width = shape
    message.fields = _FLOATS[:channels]
    message.is_bigendian = False
    message.is_dense = not organized
    message.point_step = 4 * channels
    message.row_step = message.point_step * shape[1]
    cloud = _view(message, message.row_step * shape[0]).view(np.float32).reshape(-1, channels)
    cloud[:, :3] = points[keep].reshape(-1, 3)
    if rgb is not None:
        red, green, blue = (rgb[keep].reshape(-1, 3)[:, i].astype(np.uint32) for i in range(3))
        cloud.view(np.uint32)[:, 3] = red << 16 | green << 8 | blue
    return message
