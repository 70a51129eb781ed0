"""Points -> PointCloud2."""
import cv2
import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ..images.bands import bands
from .message import data_view

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
    cloud = data_view(message, message.row_step * shape[0]).view(f'V{message.point_step}')
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
