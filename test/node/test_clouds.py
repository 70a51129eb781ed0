"""The cloud and the pictures that parameters describe."""
import numpy as np
from rclpy.parameter import Parameter
from ros_rig import SECOND, street, to_array
from sensor_msgs.msg import Image


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
