"""Where a camera is and how it is turned, as matrices."""
import math

import numpy as np

# the optical frame (x right, y down, z ahead) in a camera's body frame (x ahead, y left, z up)
OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def pose_of(position: tuple[float, ...], quaternion: tuple[float, ...]) -> np.ndarray:
    """Return the pose (4, 4) of a position (3,) and a quaternion x, y, z, w; NaN for none."""
    x, y, z, w = np.asarray(quaternion, float)
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    pose = np.full((4, 4), np.nan)
    if not 0.9 < norm < 1.1:
        return pose
    x, y, z, w = x / norm, y / norm, z / norm, w / norm
    pose[:] = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]
    pose[:3, 3] = position
    return pose
