"""PointCloud2 as a lidar's driver sends it."""
import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header


def points_to_cloud(points: np.ndarray, header: Header) -> PointCloud2:
    """Points (..., 3) in metres -> one row of those that have a value."""
    points = points.reshape(-1, 3).astype(np.float32)
    points = points[np.isfinite(points).all(1)]
    return PointCloud2(
        header=header, height=1, width=len(points), is_dense=True, point_step=12,
        row_step=12 * len(points), data=points.tobytes(), fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate('xyz')])
