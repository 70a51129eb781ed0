"""Points -> PointCloud2."""
import math

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ..images.cloud_filters import voxel_filter
from ..images.intrinsics import Intrinsics
from ..images.points import (
    ANY_HEIGHT,
    clearing_grid,
    fill_points,
    fill_ray_ends,
    grid_size,
)
from .message import data_view, fields_of
from .outgoing import Outgoing

Kept = PointCloud2 | Outgoing

_FIELDS = {names: [
    PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
    for i, name in enumerate(('x', 'y', 'z', *names))]
    for names in ((), ('rgb',), ('confidence',), ('rgb', 'confidence'))}


def depth_to_cloud(
    depth: np.ndarray, rgb: np.ndarray | None, intrinsics: Intrinsics, header: Header,
    stride: int = 1, organized: bool = False, heights: tuple[float, float] = ANY_HEIGHT,
    voxel: float = 0.0, out: Kept | None = None, confidence: np.ndarray | None = None,
    margin: float = 0.0,
) -> Kept:
    """Depth (H, W) in metres and colours -> PointCloud2, into `out` where given.

    rgb, intrinsics, stride, heights, margin: as fill_points takes them. organized: keep
    the grid, with NaN for no value; otherwise one row of the points that have a value. voxel: keep
    one point in each cube of this size in metres, unless organized; 0 is all. confidence: (H, W)
    float32, which becomes a field of that name.
    """
    message = out or PointCloud2()
    height, width = grid_size(intrinsics, stride)
    names = (*(() if rgb is None else ('rgb',)), *(() if confidence is None else ('confidence',)))
    shape = height * width, 3 + len(names)
    if voxel and not organized:
        points = np.empty(shape, np.float32)
        points = points[:fill_points(
            depth, rgb, intrinsics, stride, False, heights, points, confidence, margin)]
        points, others = voxel_filter(points[:, :3], points[:, 3:] if names else None, voxel)
        if others is not None:
            points = np.concatenate([points, others], 1)
        data_view(message, points.nbytes).view(np.float32)[...] = points.ravel()
        return _describe(message, 1, len(points), names, True, header)
    points = data_view(message, 4 * math.prod(shape)).view(np.float32).reshape(shape)
    count = fill_points(
        depth, rgb, intrinsics, stride, organized, heights, points, confidence, margin)
    del points  # a message cannot be shortened while an array looks into it
    if not organized:
        height, width = 1, count
    return _describe(message, height, width, names, not organized, header)


def depth_to_clearing_cloud(
    depth: np.ndarray, intrinsics: Intrinsics, header: Header, turn: int, far: float,
    out: Kept | None = None,
) -> Kept:
    """Depth (H, W) in metres -> where the rays end that clear a costmap, into `out` where given.

    turn: of how many such clouds it is; each has other pixels. far: the depth at which the rays
    end whose depth is +Inf. NaN, and -Inf, have no ray.
    """
    message = out or PointCloud2()
    rows, columns = grid = clearing_grid(intrinsics, turn)
    count = (len(range(*rows.indices(intrinsics.height)))
             * len(range(*columns.indices(intrinsics.width))))
    points = data_view(message, 12 * count).view(np.float32).reshape(count, 3)
    count = fill_ray_ends(depth, intrinsics, grid, far, points)
    del points  # a message cannot be shortened while an array looks into it
    return _describe(message, 1, count, (), True, header)


def _describe(
    message: Kept, height: int, width: int, names: tuple[str, ...], is_dense: bool,
    header: Header,
) -> Kept:
    """Say what the first height * width points in the message's data are; cut off the rest.

    names: of the fields after x, y and z.
    """
    fields = fields_of(message)
    fields.header = header
    fields.height, fields.width = height, width
    fields.fields = _FIELDS[names]
    fields.is_bigendian = False
    fields.is_dense = is_dense
    fields.point_step = 4 * (3 + len(names))
    fields.row_step = fields.point_step * width
    data_view(message, fields.row_step * height)
    return message
