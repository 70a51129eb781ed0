"""Messages that are malformed, absurd or meant to harm, each kind by name, from a seeded generator.

A kind is a function of a random.Random that returns a message, or the bytes of a damaged one.
"""
from collections.abc import Callable
import random
import struct
import zlib

from clouds_by_hand import points_to_cloud
import cv2
import numpy as np
from rclpy.serialization import serialize_message
from ros_rig import camera
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from flashdepth_ros.images.encodings import ENCODINGS
from flashdepth_ros.ros.camera_info import intrinsics_to_info
from flashdepth_ros.ros.compressed_images import PNG_SIGNATURE
from flashdepth_ros.ros.image_messages import depth_to_image, rgb_to_image

Kind = Callable[[random.Random], object]

STRINGS = (
    '', ' ', '/', '../../../../etc/passwd', '/dev/zero', '%s%s%n', '{0.__class__}', '$(reboot)',
    'rgb8\n[INFO] all is well', '\x1b[2J\x1b[31m', 'тест', '\u202egnp', '🙂' * 50, 'a' * 100_000)
NUMBERS = (0, 1, 2, 69, 16384, 16385, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1)
FLOATS = (0.0, -1.0, 1e-300, -1e300, 1e308, float('nan'), float('inf'), -float('inf'))
SIDE = 70


def header(rng: random.Random) -> Header:
    """Return a header with a stamp of any time, and any frame_id."""
    result = Header(frame_id=rng.choice((*STRINGS, 'camera', 'other')))
    result.stamp.sec = rng.choice((0, 1, -1, -2 ** 31, 2 ** 31 - 1, rng.randrange(10 ** 9)))
    result.stamp.nanosec = rng.choice((0, 999_999_999, 10 ** 9, 2 ** 32 - 1))
    return result


def noise(rng: random.Random, *shape: int) -> np.ndarray:
    return np.frombuffer(rng.randbytes(int(np.prod(shape))), np.uint8).reshape(shape)


def image(rng: random.Random, **changes) -> Image:
    """Return a good image of noise but for the changes."""
    message = rgb_to_image(noise(rng, SIDE, SIDE, 3), header(rng))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def damaged(message: object, rng: random.Random) -> bytes:
    """Return a message as it goes over the wire, with bits turned, cut off or with false lengths.

    The encapsulation (4 bytes) stays, or DDS would drop it before anybody sees it.
    """
    data = bytearray(serialize_message(message))
    how = rng.randrange(4)
    if how == 0:
        return bytes(data[:rng.randrange(5, len(data))])
    if how == 1:
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(4, min(len(data), 400))] = rng.randrange(256)
    elif how == 2:  # lengths are aligned to 4 bytes
        place = 4 * rng.randrange(1, min(len(data) // 4, 40))
        data[place:place + 4] = struct.pack('<I', rng.choice(NUMBERS))
    else:
        data[4:] = rng.randbytes(rng.randrange(1, 300))
    return bytes(data)


def _encoded(rng: random.Random) -> Image:
    encoding = rng.choice(list(ENCODINGS))
    return image(rng, encoding=encoding, step=rng.choice((SIDE, 2 * SIDE, 8 * SIDE)),
                 data=rng.randbytes(rng.choice((0, SIDE * SIDE, 8 * SIDE * SIDE))))


def _small(rng: random.Random) -> Image:
    height, width = rng.choice(((1, 1), (1, SIDE), (69, 69), (16384, 1), (2, 8000), (70, 4000)))
    return rgb_to_image(noise(rng, height, width, 3), header(rng))


def _odd_yuv(rng: random.Random) -> Image:
    return image(rng, encoding=rng.choice(('nv12', 'nv21', 'yuv422', 'yuyv')),
                 width=rng.choice((1, 69, 71)), height=rng.choice((1, 69, 71)),
                 data=rng.randbytes(rng.choice((1, 71 * 71, 71 * 71 * 3))))


def _depth(rng: random.Random) -> Image:
    return depth_to_image(np.ones((SIDE, SIDE), np.float32), header(rng))


IMAGES: dict[str, Kind] = {
    'wrong step': lambda rng: image(rng, step=rng.choice((0, 1, 3 * SIDE - 1, 2 ** 32 - 1))),
    'empty': lambda rng: image(rng, data=b''),
    'cut off': lambda rng: image(rng, data=rng.randbytes(rng.randrange(SIDE * SIDE * 3))),
    'too much data': lambda rng: image(rng, data=rng.randbytes(SIDE * SIDE * 3 + 1000)),
    'false size': lambda rng: image(
        rng, width=rng.choice(NUMBERS), height=rng.choice(NUMBERS), step=rng.choice(NUMBERS)),
    'unknown encoding': lambda rng: image(rng, encoding=rng.choice((*STRINGS, '32FC1', 'jpeg'))),
    'false byte order': lambda rng: image(rng, is_bigendian=rng.randrange(256), encoding='rgb16'),
    'any encoding': _encoded,
    'odd yuv': _odd_yuv,
    'too small or narrow': _small,
    'any stamp': image,
    'depth': _depth,
    'damaged': lambda rng: damaged(image(rng), rng),
    'nothing': lambda rng: Image(),
}


def info(rng: random.Random, **changes) -> CameraInfo:
    message = intrinsics_to_info(camera(SIDE, SIDE), header(rng))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def _roi(rng: random.Random) -> CameraInfo:
    message = info(rng, binning_x=rng.choice(NUMBERS), binning_y=rng.choice(NUMBERS))
    message.roi.x_offset, message.roi.width = rng.choice(NUMBERS), rng.choice(NUMBERS)
    message.roi.y_offset, message.roi.height = rng.choice(NUMBERS), rng.choice(NUMBERS)
    return message


CAMERA_INFOS: dict[str, Kind] = {
    'any K': lambda rng: info(rng, k=[rng.choice(FLOATS) for _ in range(9)], p=[0.0] * 12),
    'any P': lambda rng: info(rng, p=[rng.choice((*FLOATS, 56.0)) for _ in range(12)]),
    'NaN beside the focal lengths': lambda rng: info(rng, p=[
        56.0, float('nan'), 34.5, float('nan'), 0.0, 56.0, 34.5, *[float('nan')] * 5]),
    'any R and distortion': lambda rng: info(
        rng, r=[rng.choice(FLOATS) for _ in range(9)], distortion_model=rng.choice(STRINGS),
        d=[rng.choice(FLOATS)] * rng.choice((0, 1, 5, 10_000))),
    'another size': lambda rng: info(
        rng, width=rng.choice(NUMBERS), height=rng.choice(NUMBERS)),
    'any region and binning': _roi,
    'damaged': lambda rng: damaged(info(rng), rng),
    'nothing': lambda rng: CameraInfo(),
}


def encoded(rng: random.Random, suffix: str, *options: int) -> bytes:
    picture = cv2.resize(noise(rng, 8, 8, 3), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def compressed(rng: random.Random, data: bytes, form: str | None = None) -> CompressedImage:
    return CompressedImage(
        header=header(rng), data=data,
        format=rng.choice(('jpeg', 'png', *STRINGS)) if form is None else form)


def _turned(rng: random.Random) -> CompressedImage:
    data = bytearray(encoded(rng, rng.choice(('.jpg', '.png'))))
    for _ in range(rng.randrange(1, 20)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return compressed(rng, bytes(data))


def _cut(rng: random.Random) -> CompressedImage:
    data = encoded(rng, rng.choice(('.jpg', '.png')))
    end = rng.choice((b'', b'\xff\xd9', b'IEND'))
    return compressed(rng, data[:rng.randrange(len(data))] + end)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return (struct.pack('>I', len(data)) + kind + data
            + struct.pack('>I', zlib.crc32(kind + data)))


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """Return a PNG that claims a size, whatever its pixels (deflated, with a filter byte a row)."""
    return (PNG_SIGNATURE
            + _chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0))
            + _chunk(b'IDAT', pixels) + _chunk(b'IEND', b''))


def _claims(rng: random.Random) -> CompressedImage:
    width, height = rng.choice(((2 ** 31 - 1, 2 ** 31 - 1), (60_000, 60_000), (16384, 16384),
                                (2 ** 32 - 1, 1), (0, 0), (8000, 8000)))
    return compressed(rng, png(width, height, zlib.compress(rng.randbytes(100))))


def _jpeg_claims(rng: random.Random) -> CompressedImage:
    data = bytearray(encoded(rng, '.jpg'))
    place = data.index(b'\xff\xc0') + 5
    data[place:place + 4] = struct.pack('>HH', rng.choice((0, 1, 8000, 65535)), rng.choice(
        (0, 1, 8000, 65535)))
    return compressed(rng, bytes(data))


def _other_format(rng: random.Random) -> CompressedImage:
    return compressed(rng, rng.choice((
        b'', b'GIF89a', b'BM' + bytes(60), b'RIFF\0\0\0\0WEBP', b'\xff\xd8\xff', PNG_SIGNATURE,
        b'<svg xmlns="http://www.w3.org/2000/svg"/>', rng.randbytes(500),
        encoded(rng, '.webp'), encoded(rng, '.tiff'))))


def _other_png(rng: random.Random) -> CompressedImage:
    depth, colour = rng.choice(((1, 0), (2, 3), (16, 0), (16, 6), (8, 4), (8, 7), (99, 99)))
    return compressed(rng, png(SIDE, SIDE, zlib.compress(bytes(20 * SIDE * SIDE)), depth, colour))


COMPRESSED: dict[str, Kind] = {
    'cut off': _cut,
    'bits turned': _turned,
    'a PNG that claims a size': _claims,
    'a JPEG that claims a size': _jpeg_claims,
    'another format': _other_format,
    'a PNG of another kind': _other_png,
    'a progressive JPEG': lambda rng: compressed(
        rng, encoded(rng, '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
    'compressed depth': lambda rng: compressed(
        rng, encoded(rng, '.png'), '16UC1; compressedDepth png'),
    'damaged': lambda rng: damaged(compressed(rng, encoded(rng, '.jpg')), rng),
    'any stamp': lambda rng: compressed(rng, encoded(rng, '.jpg')),
}


def bomb(side: int = 8000) -> CompressedImage:
    """Return a PNG of some tens of kilobytes that is 64 megapixels wide when decoded."""
    return CompressedImage(
        format='png', data=png(side, side, zlib.compress(bytes((3 * side + 1) * side), 9)))


def _floats(rng: random.Random, *shape: int) -> np.ndarray:
    return np.array([rng.choice((*FLOATS, 3.0)) for _ in range(int(np.prod(shape)))],
                    np.float64).astype(np.float32).reshape(shape)


def _depth_of_any_size(rng: random.Random) -> Image:
    return depth_to_image(_floats(rng, rng.choice((1, 2, 70)), rng.choice((1, 3, 200))),
                          header(rng), rng.choice(('32FC1', '16UC1')))


REFERENCE_DEPTHS: dict[str, Kind] = {
    'not finite': lambda rng: depth_to_image(_floats(rng, SIDE, SIDE), header(rng)),
    'any size': _depth_of_any_size,
    'false size': lambda rng: image(
        rng, encoding=rng.choice(('32FC1', '16UC1')), width=rng.choice(NUMBERS),
        height=rng.choice(NUMBERS), step=rng.choice(NUMBERS)),
    'a colour image': image,
    'damaged': lambda rng: damaged(_depth(rng), rng),
    'nothing': lambda rng: Image(),
}


def cloud(rng: random.Random, **changes) -> PointCloud2:
    message = points_to_cloud(_floats(rng, 10, 10, 3), header(rng))
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def _fields(rng: random.Random) -> PointCloud2:
    return cloud(rng, fields=[
        PointField(name=rng.choice(('x', 'y', 'z', *STRINGS[:8])), offset=rng.choice(NUMBERS),
                   datatype=rng.randrange(256), count=rng.choice(NUMBERS))
        for _ in range(rng.choice((0, 1, 3, 4, 100)))])


REFERENCE_CLOUDS: dict[str, Kind] = {
    'not finite': cloud,
    'false steps': lambda rng: cloud(
        rng, point_step=rng.choice(NUMBERS), row_step=rng.choice(NUMBERS)),
    'false size': lambda rng: cloud(
        rng, width=rng.choice(NUMBERS), height=rng.choice(NUMBERS)),
    'any fields': _fields,
    'two fields': lambda rng: cloud(rng, fields=cloud(rng).fields[:2]),
    'other byte order': lambda rng: cloud(rng, is_bigendian=True),
    'cut off': lambda rng: cloud(rng, data=rng.randbytes(rng.randrange(1200))),
    'damaged': lambda rng: damaged(cloud(rng), rng),
    'nothing': lambda rng: PointCloud2(),
}
