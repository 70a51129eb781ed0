"""The cloud and the pictures that parameters describe."""
import time

import numpy as np
from numpy.testing import assert_allclose
from rclpy.parameter import Parameter
from ros_rig import SECOND, camera, street, to_array
from sensor_msgs.msg import Image, PointCloud2

from flashdepth_ros.images.cloud_filters import flying_pixels
from flashdepth_ros.images.points import clearing_grid
from flashdepth_ros.ros import outgoing
from flashdepth_ros.ros.image_messages import depth_to_image
from flashdepth_ros.ros.message import header_at, stamp_to_ns


def set_parameters(node, **values) -> None:
    results = node.depth_node.set_parameters_atomically(
        [Parameter(name.replace('__', '.'), value=value) for name, value in values.items()])
    assert results.successful, results.reason


def cloud_of(node, stamp: int) -> np.ndarray:
    """Send a frame and return its cloud's points (N, 3)."""
    count = len(node.received['points'])
    node.depth_of(street(1)[0], stamp, info=True)
    assert node.spin_until(lambda: len(node.received['points']) > count)
    message = node.received['points'][-1]
    return np.frombuffer(message.data, np.float32).reshape(
        -1, message.point_step // 4)[:, :3]


def test_points_change_with_the_parameters_while_active(rig):
    node = rig(**{'points.stride': 1}).activate()
    every = cloud_of(node, SECOND)
    depth = to_array(node.received['depth/image'][-1])
    assert len(every) == np.isfinite(depth).sum()
    # a wall farther than max_range is no point, and is not moved to max_range
    set_parameters(node, output__max_range=60.0)
    near = cloud_of(node, 2 * SECOND)
    assert 0 < len(near) < len(every) and near[:, 2].max() < 60
    set_parameters(node, output__max_range=1000.0, points__min_height=0.0)
    above = cloud_of(node, 3 * SECOND)
    assert 0 < len(above) < len(every) and above[:, 1].max() <= 0  # y points down
    set_parameters(node, points__min_height=-1000.0, points__voxel=10.0)
    voxels = cloud_of(node, 4 * SECOND)
    cubes = np.floor((voxels - voxels.min(0)) / 10).astype(int)
    assert len(voxels) < 0.7 * len(every) and len(np.unique(cubes, axis=0)) > 0.5 * len(voxels)
    set_parameters(node, points__voxel=0.0, points__remove_edges=True)
    assert len(cloud_of(node, 5 * SECOND)) < len(every)
    set_parameters(node, points__remove_edges=False, points__color=False)
    cloud_of(node, 6 * SECOND)
    assert node.received['points'][-1].point_step == 12


def test_the_depth_image_stays_whole_while_the_cloud_loses_its_edges(rig, reference, monkeypatch):
    publish = outgoing._publish

    def hesitate(*arguments) -> bool:
        time.sleep(0.1)    # while the cloud is made
        return publish(*arguments)
    monkeypatch.setattr(outgoing, '_publish', hesitate)
    expected = reference.reset().depth(street(1)[0])
    near, far = np.quantile(expected[np.isfinite(expected)], (0.1, 0.6))
    node = rig(**{'points.stride': 1, 'points.remove_edges': True, 'output.min_range': float(near),
                  'output.max_range': float(far)}).activate()
    points = cloud_of(node, SECOND)
    depth = to_array(node.received['depth/image'][-1])
    inside = np.isfinite(depth)
    assert_allclose(depth[inside], expected[inside], rtol=1e-4)
    # where the range ends there is no edge
    flying = flying_pixels(expected)
    assert 0.1 < flying[inside].mean() < 0.98
    assert abs(len(points) - (inside & ~flying).sum()) <= 3


def test_clouds_at_a_limited_rate(rig):
    node = rig(**{'points.rate': 0.5}).activate()
    for i in range(6):
        node.depth_of(street(1)[0], SECOND + i, info=True)
    node.spin_until(lambda: False, 0.2)
    assert len(node.received['depth/image']) == 6
    assert 1 <= len(node.received['points']) <= 3


def test_slice(rig):
    node = rig(**{'slice.near': 40.0, 'slice.far': 60.0}).activate()
    masks = node.collect(Image, 'depth/slice')
    node.meet('depth/slice')
    depth = node.depth_of(street(1)[0], SECOND)
    assert node.spin_until(lambda: masks)
    mask = np.frombuffer(masks[0].data, np.uint8).reshape(depth.shape)
    assert masks[0].encoding == 'mono8'
    assert ((mask == 255) == ((depth >= 40) & (depth <= 60))).all() and mask.any()


def points_of(message: PointCloud2) -> np.ndarray:
    """PointCloud2 of x, y, z alone -> (N, 3)."""
    assert [field.name for field in message.fields] == ['x', 'y', 'z'] and message.is_dense
    assert message.point_step == 12 and message.row_step == 12 * message.width
    return np.frombuffer(message.data, np.float32).reshape(message.width, 3)


def test_the_cloud_that_clears_has_a_ray_for_every_value_and_for_what_is_far(rig):
    node = rig(**{'points.stride': 1, 'points.max_height': -0.5}).activate()
    clearing = node.collect(PointCloud2, 'points/clearing')
    node.meet('points/clearing')
    depth = node.depth_of(street(1)[0], SECOND, info=True)
    near, far = np.quantile(depth[np.isfinite(depth)], (0.3, 0.7))
    set_parameters(node, output__min_range=float(near), output__max_range=float(far))
    depth = node.depth_of(street(1)[0], 2 * SECOND, info=True)
    assert node.spin_until(lambda: len(clearing) == len(node.received['points']) == 2)
    assert clearing[1].header == node.received['points'][1].header
    assert stamp_to_ns(clearing[1].header.stamp) == 2 * SECOND
    points = points_of(clearing[1])
    seen = depth[clearing_grid(camera(98, 84), 2)].ravel()
    assert (seen == np.inf).any() and (seen == -np.inf).any() and np.isfinite(seen).any()
    # no height leaves one out, and what is farther than max_range ends there
    expected = np.where(seen == np.inf, np.float32(far), seen)[seen != -np.inf]
    np.testing.assert_array_equal(points[:, 2], expected)
    rows = np.round(points[:, 1] / points[:, 2] * 0.8 * 98 + 41.5)
    assert set(rows) == set(range(84))


def test_both_clouds_are_of_the_same_frames_at_a_limited_rate(rig):
    node = rig(**{'points.rate': 0.5}).activate()
    clearing = node.collect(PointCloud2, 'points/clearing')
    node.meet('points/clearing')
    for i in range(5):
        node.depth_of(street(1)[0], SECOND + i, info=True)
    assert node.spin_until(lambda: len(clearing) >= 1)
    node.spin_until(lambda: False, 0.2)
    assert [each.header for each in clearing] == [each.header for each in node.received['points']]
    assert len(clearing) < 5


def test_with_a_scale_a_cloud_without_points_is_published(rig):
    node = rig(**{'points.color': False}).activate()
    assert len(cloud_of(node, SECOND)) > 0
    set_parameters(node, output__max_range=0.2)
    assert len(cloud_of(node, 2 * SECOND)) == 0
    message = node.received['points'][-1]
    assert (message.height, message.width, message.row_step) == (1, 0, 0)


def test_no_cloud_without_a_scale_nor_with_one_that_nothing_confirms(rig, reference):
    """A costmap takes a cloud without points for free space."""
    node = rig(**{'scale.mode': 'reference', 'scale.max_age': 2.0}).activate()
    clearing = node.collect(PointCloud2, 'points/clearing')
    points = node.received['points']
    node.meet('points/clearing')
    publisher = node.node.create_publisher(Image, 'reference/depth/image', 1)
    assert node.spin_until(lambda: (publisher.get_subscription_count()
                                    and node.depth_node.count_publishers('/reference/depth/image')))
    reference.reset()

    def frame(index: int, seconds: float, with_reference: bool) -> None:
        image = street(8)[index]
        stamp = round(seconds * SECOND)
        if with_reference:
            depth = (reference.depth(image) / 3).astype(np.float32)
            publisher.publish(depth_to_image(depth, header_at(stamp, 'camera')))
            node.spin_until(lambda: False, 0.2)
        else:
            reference.depth(image)
        node.depth_of(image, stamp, info=True)

    frame(0, 1.0, False)
    assert not node.status.calibrated
    frame(1, 1.1, True)
    assert node.status.calibrated
    assert node.spin_until(lambda: points and clearing)
    frame(2, 3.0, False)    # the scale is held, 1.9 seconds old
    frame(3, 3.2, False)    # 2.1
    frame(4, 3.3, False)
    assert node.status.calibrated and node.status.scale_age > 2
    assert node.spin_until(lambda: node.health('output') and (
        'longer than scale.max_age' in node.health('output').message))
    frame(5, 3.4, True)
    assert node.spin_until(lambda: len(points) >= 3 and len(clearing) >= 3)
    for clouds in (points, clearing):
        assert [round(stamp_to_ns(each.header.stamp) / SECOND, 1) for each in clouds] == [
            1.1, 3.0, 3.4]
    assert all(each.width for each in points)
