"""A picture, and Images filled by hand from such."""
import numpy as np
from sensor_msgs.msg import Image

RGB = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAY = RGB[..., 1]
ALPHA = np.full((5, 7, 1), 9, np.uint8)


def make(encoding: str, pixels: np.ndarray, big_endian: bool = False, padding: int = 0) -> Image:
    """Fill an Image by the letter of its definition, independently of the code under test."""
    rows = [row.tobytes() + b'\x55' * padding for row in pixels]
    return Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
                 is_bigendian=big_endian, step=len(rows[0]), data=b''.join(rows))
