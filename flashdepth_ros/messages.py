"""NumPy <-> ROS messages: Image, CameraInfo, PointCloud2 (compressed.py: CompressedImage).

Below these two modules nothing is ROS.

Outgoing messages are kept and filled in place: `message.data` is an array.array whose property
setter copies or even checks byte by byte, while writing through a view of it costs one copy.
"""
import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from .bands import bands
from .encodings import ENCODINGS, Encoding
from .geometry import Intrinsics

MAX_SIDE = 16384  # larger images are taken for damaged messages


class MessageError(ValueError):
    """An incoming message cannot be used; the message says why and what to do."""


def stamp_to_ns(stamp) -> int:
    """builtin_interfaces/Time -> nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def check_image(message: Image) -> None:
    """Raise MessageError unless the image can be decoded; costs no pass over its pixels."""
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise MessageError(
            f"the image has encoding '{message.encoding}'; supported are {', '.join(ENCODINGS)}: "
            f'set the camera driver to one of them, or convert it with image_proc')
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


def depth_view(message: Image, height: int, width: int) -> np.ndarray:
    """Return the memory of a message that will be a depth image 32FC1, (height, width) float32.

    depth_to_image then has nothing to copy.
    """
    return _view(message, 4 * height * width).view(np.float32).reshape(height, width)


def _fill_image(message: Image, pixels: np.ndarray, encoding: str, header: Header) -> Image:
    message.header = header
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = pixels.strides[0] if pixels.flags.c_contiguous else pixels[0].nbytes
    view = _view(message, pixels.nbytes).view(pixels.dtype).reshape(pixels.shape)
    if view.ctypes.data != pixels.ctypes.data:
        view[...] = pixels
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


def pack_colours(rgb: np.ndarray, stride: int = 1) -> np.ndarray:
    """RGB (H, W, 3) uint8 -> every stride-th pixel as 0x00RRGGBB, (h, w) uint32.

    That is how a cloud's field rgb holds colours. The upper byte is 0: with another one the field,
    which is declared as a float, would often be NaN.
    """
    rows = rgb[::stride]
    packed = np.empty(rows[:, ::stride].shape[:2], '<u4')
    for band in bands(len(rows), 4 * rows.shape[1]):
        full = cv2.cvtColor(rows[band], cv2.COLOR_RGB2BGRA).view('<u4')
        np.bitwise_and(full[:, ::stride, 0], 0xFFFFFF, out=packed[band])
    return packed


_FLOATS = [
    PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
    for i, name in enumerate(('x', 'y', 'z', 'rgb'))]


def points_to_cloud(
    points: np.ndarray, colours: np.ndarray | None, organized: bool, header: Header,
    out: PointCloud2 | None = None,
) -> PointCloud2:
    """Points (H, W, 3) float32 with NaN for no value -> PointCloud2, into `out` where given.

    colours: (H, W) of the points as pack_colours gives them, or None for no field rgb.
    organized: keep the grid and the NaN; otherwise one row of the points that have a value.
    """
    message = out or PointCloud2()
    channels = 3 if colours is None else 4
    shape, keep = points.shape[:2], None
    if not organized:
        keep = np.isfinite(points[..., 2])
        shape = (1, int(np.count_nonzero(keep)))
        if shape[1] == keep.size:
            keep = None
    message.header = header
    message.height, message.width = shape
    message.fields = _FLOATS[:channels]
    message.is_bigendian = False
    message.is_dense = not organized
    message.point_step = 4 * channels
    message.row_step = message.point_step * shape[1]
    # whole points are one element each: picking rows of floats is many times slower
    cloud = _view(message, message.row_step * shape[0]).view(f'V{message.point_step}')
    if not len(cloud):
        return message
    end = 0
    for band in bands(len(points), message.point_step * points.shape[1]):
        whole = np.ascontiguousarray(points[band])
        if colours is not None:
            coloured = np.empty((*whole.shape[:2], 4), np.float32)
            packed = np.ascontiguousarray(colours[band], np.uint32).view(np.float32)
            cv2.mixChannels([whole, packed], [coloured], [0, 0, 1, 1, 2, 2, 3, 3])
            whole = coloured
        whole = whole.view(cloud.dtype).ravel()
        if keep is not None:
            whole = whole[keep[band].ravel()]
        begin, end = end, end + len(whole)
        cloud[begin:end] = whole
    return message
