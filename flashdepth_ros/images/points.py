"""Depth -> points in the optical frame."""
import cv2
import numpy as np

from .bands import bands
from .intrinsics import Intrinsics


def unproject(depth: np.ndarray, intrinsics: Intrinsics, stride: int = 1) -> np.ndarray:
    """Depth (H, W) along z -> points (ceil(H/stride), ceil(W/stride), 3) float32, in metres.

    Where the depth is not finite, all three coordinates are NaN. ValueError when the depth is not
    of the camera's size.
    """
    intrinsics.check_size(depth, 'depth')
    x, y = intrinsics.rays(stride)
    depth = depth[::stride, ::stride]
    points = np.empty((*depth.shape, 3), np.float32)
    for band in bands(len(depth), 4 * depth.shape[1]):
        z = depth[band]
        with np.errstate(invalid='ignore'):
            z = z + z * np.float32(0)  # infinity times 0 is NaN; a mask takes far longer
        # NumPy is fast on planes, and OpenCV in making points of them
        cv2.merge([z * x, z * y[band, None], z], points[band])
    return points
