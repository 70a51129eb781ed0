"""cv_bridge, where it is installed: for encodings that this package does not decode itself."""
import functools
import importlib
import os
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from .message import MessageError


@functools.cache
def _bridge() -> Any:
    """Return a CvBridge, or why there is none."""
    try:
        return importlib.import_module('cv_bridge').CvBridge()
    except Exception as error:    # beside a NumPy that it was not compiled for, of any kind
        distribution = os.environ.get('ROS_DISTRO', '<distro>')
        return (f'cv_bridge may know it, and cannot be imported ({error}): '
                f'sudo apt install ros-{distribution}-cv-bridge, or set the camera driver to one '
                f'of these')


@functools.lru_cache(maxsize=64)
def bridge_problem(encoding: str) -> str | None:
    """Say why cv_bridge cannot turn images of an encoding into rgb8, or return None."""
    bridge = _bridge()
    if isinstance(bridge, str):
        return bridge
    try:
        kind, channels = bridge.encoding_to_dtype_with_channels(encoding)
        step = 2 * channels * np.dtype(kind).itemsize
        bridge_to_rgb(Image(height=2, width=2, encoding=encoding, step=step, data=bytes(2 * step)))
    except Exception as error:    # what it raises, it does not say
        return (f'cv_bridge cannot make rgb8 of it either ({error}): set the camera driver to one '
                f'of these')
    return None


def bridge_to_rgb(message: Image) -> np.ndarray:
    """Decode an image with cv_bridge to RGB (H, W, 3) uint8; MessageError where it cannot."""
    try:
        rgb = _bridge().imgmsg_to_cv2(message, 'rgb8')
    except Exception as error:
        raise MessageError(
            f"cv_bridge cannot decode the image of encoding '{message.encoding}': {error}"
        ) from error
    if rgb.shape != (message.height, message.width, 3) or rgb.dtype != np.uint8:
        raise MessageError(
            f"cv_bridge makes an array {rgb.shape} of an image of encoding '{message.encoding}' "
            f'and {message.width}x{message.height} pixels')
    return np.ascontiguousarray(rgb)
