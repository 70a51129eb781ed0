"""Images, CameraInfo and clouds, between NumPy and ROS messages."""
import struct

import cv2
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.images.points import unproject
from flashdepth_ros.ros.camera_info import info_to_intrinsics, intrinsics_to_info
from flashdepth_ros.ros.cloud_messages import depth_to_cloud, points_to_cloud
from flashdepth_ros.ros.compressed_images import check_compressed, compressed_to_rgb
from flashdepth_ros.ros.image_messages import depth_to_image, depth_view, image_to_rgb, rgb_to_image
from flashdepth_ros.ros.message import MessageError

RGB = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAY = RGB[..., 1]
ALPHA = np.full((5, 7, 1), 9, np.uint8)


def make(encoding: str, pixels: np.ndarray, big_endian: bool = False, padding: int = 0) -> Image:
    """Fill an Image by the letter of its definition, independently of the code under test."""
    rows = [row.tobytes() + b'\x55' * padding for row in pixels]
    return Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
                 is_bigendian=big_endian, step=len(rows[0]), data=b''.join(rows))


@pytest.mark.parametrize('padding', [0, 5, 64])
@pytest.mark.parametrize(('encoding', 'pixels', 'rgb'), [
    ('rgb8', RGB, RGB),
    ('bgr8', RGB[..., ::-1], RGB),
    ('8UC3', RGB[..., ::-1], RGB),
    ('rgba8', np.concatenate([RGB, ALPHA], 2), RGB),
    ('bgra8', np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
    ('mono8', GRAY, np.stack([GRAY] * 3, 2)),
    ('8UC1', GRAY, np.stack([GRAY] * 3, 2)),
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
    wide = (RGB.astype(np.uint16) << 8 | low[..., None]).astype(order)
    assert_array_equal(image_to_rgb(make('rgb16', wide, big_endian, padding)), RGB)
    assert_array_equal(image_to_rgb(make('bgr16', wide[..., ::-1], big_endian, padding)), RGB)


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
    ('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv')])
def test_yuv_422_encodings(encoding, order, padding):
    rgb = blocks()
    y, u, v = to_yuv(rgb)
    pixels = np.empty((*y.shape, 2), np.uint8)
    pixels[..., order.index('y')] = y
    pixels[:, 0::2, order.index('u') % 2], pixels[:, 1::2, order.index('v') % 2] = (
        u[:, 0::2], v[:, 0::2])
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


def test_last_row_may_lack_its_padding():
    message = make('rgb8', RGB, padding=10)
    message.data = message.data[:-10]
    assert_array_equal(image_to_rgb(message), RGB)


@pytest.mark.parametrize(('change', 'words'), [
    ({'encoding': 'bayer_rggb12'}, ('bayer_rggb12', 'rgb8', 'image_proc')),
    ({'encoding': 'yuyv'}, ('odd width of 7',)),
    ({'encoding': 'nv12'}, ('odd width of 7',)),
    ({'encoding': 'nv12', 'width': 6}, ('odd height of 5',)),
    ({'encoding': 'nv21', 'width': 6, 'height': 4, 'data': bytes(6 * 21 - 16)},
     ('4 of the image and 2 of chroma', 'truncated')),
    ({'encoding': 'bayer_rggb16', 'step': 13}, ('13', '14')),
    ({'step': 20}, ('20', '21')),
    ({'data': b''}, ('0 bytes', 'truncated')),
    ({'data': bytes(100)}, ('100 bytes', 'truncated')),
    ({'width': 0}, ('0x5',)),
    ({'width': 2 ** 32 - 1, 'height': 2 ** 32 - 1}, ('16384',)),
    ({'height': 6}, ('truncated',)),
])
def test_unusable_images_are_explained(change, words):
    message = make('rgb8', RGB)
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(MessageError) as error:
        image_to_rgb(message)
    for word in words:
        assert word in str(error.value)


def test_rgb_round_trip_into_a_kept_message():
    out = Image()
    for pixels in (RGB, RGB[:3], RGB[:, 2:], np.repeat(RGB, 4, 0)):
        message = rgb_to_image(pixels, Header(frame_id='c'), out)
        assert message is out and message.header.frame_id == 'c'
        assert_array_equal(image_to_rgb(message), pixels)


def test_depth_values_of_rep_117_and_118():
    depth = np.array([[1.5, np.nan, np.inf, -np.inf, 65.0, 66.0, 0.0004]], np.float32)
    metres = depth_to_image(depth, Header())
    assert (metres.encoding, metres.step, metres.is_bigendian) == ('32FC1', 28, 0)
    assert_array_equal(np.frombuffer(metres.data, np.float32), depth[0])
    millimetres = depth_to_image(depth, Header(), '16UC1')
    assert (millimetres.encoding, millimetres.step) == ('16UC1', 14)
    assert_array_equal(
        np.frombuffer(millimetres.data, np.uint16), [1500, 0, 0, 0, 65000, 0, 0])


def test_depth_may_be_made_in_the_message_itself():
    out = Image()
    for height, width in ((3, 4), (6, 2), (2, 2)):    # the message is kept and changes its size
        depth = depth_view(out, height, width)
        depth[...] = np.arange(height * width).reshape(height, width)
        message = depth_to_image(depth, Header(), out=out)
        assert (message.height, message.width, message.step) == (height, width, 4 * width)
        assert np.frombuffer(message.data, np.float32).tolist() == list(range(height * width))
        del depth    # an array with a view of it cannot be resized


def make_info(**changes) -> CameraInfo:
    """Return a 1280x720 stereo left camera with distortion: K differs from P."""
    info = CameraInfo(width=1280, height=720, distortion_model='plumb_bob',
                      d=[0.1, -0.05, 0.0, 0.0, 0.0])
    info.k = [900.0, 0.0, 645.5, 0.0, 905.0, 355.5, 0.0, 0.0, 1.0]
    info.p = [800.0, 0.0, 639.5, -96.0, 0.0, 800.0, 359.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def test_camera_info_scaling_by_hand():
    # Half the width: pixel u covers what 2u and 2u + 1 did, so its centre is at 2u + 0.5 and the
    # old centre 639.5 is at (639.5 - 0.5) / 2 = 319.5. Half the focal length and f * baseline.
    small = info_to_intrinsics(make_info(), 640, 360)
    assert small == Intrinsics(400.0, 400.0, 319.5, 179.5, 640, 360)
    info = intrinsics_to_info(small, Header(frame_id='c'), make_info())
    assert (info.width, info.height, info.header.frame_id) == (640, 360, 'c')
    assert_allclose(info.p, [400, 0, 319.5, -48, 0, 400, 179.5, 0, 0, 0, 1, 0])
    # K: 900 / 2, (645.5 + 0.5) / 2 - 0.5, 905 / 2, (355.5 + 0.5) / 2 - 0.5
    assert_allclose(info.k, [450, 0, 322.5, 0, 452.5, 177.5, 0, 0, 1])
    assert list(info.d) == [0.1, -0.05, 0.0, 0.0, 0.0] and info.distortion_model == 'plumb_bob'


def test_camera_info_at_its_own_size_is_unchanged():
    info = intrinsics_to_info(info_to_intrinsics(make_info(), 1280, 720), Header(), make_info())
    assert_array_equal(info.k, make_info().k)
    assert_array_equal(info.p, make_info().p)


def test_camera_info_with_region_and_binning():
    info = make_info(binning_x=2, binning_y=2)
    info.roi.x_offset, info.roi.y_offset = 320, 180
    info.roi.width, info.roi.height = 640, 360
    camera = info_to_intrinsics(info, 320, 180)
    assert camera == Intrinsics(400.0, 400.0, (639.5 - 320) / 2, (359.5 - 180) / 2, 320, 180)


def test_camera_info_without_projection_takes_k():
    camera = info_to_intrinsics(make_info(p=[0.0] * 12), 1280, 720)
    assert (camera.fx, camera.cy) == (900.0, 355.5)


@pytest.mark.parametrize('changes', [
    {'p': [float('nan')] * 12}, {'k': [0.0] * 9, 'p': [0.0] * 12}, {'width': 0},
    {'p': [-800.0, 0.0, 1.0, 0.0, 0.0, 800.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]},
])
def test_unusable_camera_info_is_refused(changes):
    with pytest.raises(MessageError, match='camera_info'):
        info_to_intrinsics(make_info(**changes), 1280, 720)


def test_clouds():
    camera = Intrinsics(10.0, 10.0, 3.0, 2.0, 7, 5)
    depth = np.full((5, 7), 2.0, np.float32)
    depth[1, 2] = np.nan
    out = PointCloud2()
    grid = depth_to_cloud(depth, RGB, camera, Header(frame_id='c'), organized=True, out=out)
    assert grid is out and grid.header.frame_id == 'c'
    assert (grid.height, grid.width, grid.point_step, grid.row_step) == (5, 7, 16, 112)
    assert not grid.is_dense and not grid.is_bigendian
    assert [(field.name, field.offset) for field in grid.fields] == [
        ('x', 0), ('y', 4), ('z', 8), ('rgb', 12)]
    floats = np.frombuffer(grid.data, np.float32).reshape(5, 7, 4).copy()
    assert_array_equal(floats[..., :3], unproject(depth, camera))
    packed = floats[..., 3].view(np.uint32)
    assert_array_equal(packed >> 16 & 255, RGB[..., 0])
    assert_array_equal(packed & 255, RGB[..., 2])
    dense = depth_to_cloud(depth, None, camera, Header(), out=out)
    assert (dense.height, dense.width, dense.point_step, dense.is_dense) == (1, 34, 12, True)
    assert len(dense.data) == dense.row_step == 34 * 12
    assert np.isfinite(np.frombuffer(dense.data, np.float32)).all()
    empty = depth_to_cloud(np.full((5, 7), np.nan, np.float32), RGB, camera, Header(), out=out)
    assert (empty.width, empty.row_step, len(empty.data)) == (0, 0, 0)
    assert depth_to_cloud(depth, RGB, camera, Header(), 2, out=out).width == 12


@pytest.mark.parametrize('coloured', [False, True])
def test_a_cloud_of_voxels(coloured):
    """One point of each cube, with the colour of its pixel."""
    camera = Intrinsics(10.0, 10.0, 3.0, 2.0, 7, 5)
    depth = np.random.default_rng(0).uniform(1, 2, (5, 7)).astype(np.float32)
    depth[2, 3] = np.nan
    rgb = RGB if coloured else None
    every = depth_to_cloud(depth, rgb, camera, Header())
    cloud = depth_to_cloud(depth, rgb, camera, Header(), voxel=0.25)
    points, kept = (np.frombuffer(each.data, f'V{each.point_step}').tolist()
                    for each in (every, cloud))
    assert kept == [point for point in points if point in kept] and 5 < len(kept) < len(points)
    xyz = np.array([np.frombuffer(point, np.float32)[:3] for point in kept])
    cubes = np.floor(xyz / np.float32(0.25)).astype(int)
    assert len(np.unique(cubes, axis=0)) == len(kept)
    # an organized cloud keeps its grid
    assert depth_to_cloud(depth, rgb, camera, Header(), organized=True, voxel=0.25).width == 7


@pytest.mark.parametrize('missing', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('coloured', [False, True])
@pytest.mark.parametrize('organized', [False, True])
def test_clouds_of_points_one_by_one(missing, coloured, organized):
    """The bytes are those that writing one point after the other gives."""
    rng = np.random.default_rng(4)
    colours = rng.integers(0, 1 << 24, (11, 14), dtype=np.uint32)
    points = rng.normal(size=(11, 14, 3)).astype(np.float32)
    points[rng.random(points.shape[:2]) < missing] = np.nan
    expected = b''
    for point, colour in zip(points.reshape(-1, 3), colours.ravel().tolist(), strict=True):
        if organized or not np.isnan(point[2]):
            expected += point.tobytes() + (struct.pack('<I', colour) if coloured else b'')
    cloud = points_to_cloud(
        points, colours.view(np.float32) if coloured else None, organized, Header())
    assert cloud.data.tobytes() == expected
    assert cloud.row_step * cloud.height == len(expected)
    assert cloud.height * cloud.width * cloud.point_step == len(expected)


def test_a_cloud_of_no_points():
    cloud = points_to_cloud(
        np.zeros((1, 0, 3), np.float32), np.zeros((1, 0), np.float32), False, Header())
    assert (cloud.width, len(cloud.data)) == (0, 0)
