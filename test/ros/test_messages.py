"""Images, CameraInfo and clouds, between NumPy and ROS messages."""
from images_by_hand import RGB, make
import numpy as np
from numpy.testing import assert_array_equal
import pytest
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.images.points import unproject
from flashdepth_ros.ros.cloud_messages import depth_to_cloud
from flashdepth_ros.ros.image_messages import depth_to_image, depth_view, image_to_rgb, rgb_to_image
from flashdepth_ros.ros.message import MessageError


def test_last_row_may_lack_its_padding():
    message = make('rgb8', RGB, padding=10)
    message.data = message.data[:-10]
    assert_array_equal(image_to_rgb(message), RGB)


@pytest.mark.parametrize(('change', 'words'), [
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
