"""Colours as the field rgb of a cloud holds them."""
import cv2
import numpy as np

from .bands import bands


def pack_colours(rgb: np.ndarray, stride: int = 1) -> np.ndarray:
    """RGB (H, W, 3) uint8 -> every stride-th pixel as 0x00RRGGBB, (h, w) uint32.

    That is how a cloud's field rgb holds colours. The upper byte is 0: with another one the field,
    which is declared as a float, would often be NaN.
    """
    rows = rgb[::stride]
    packed = np.empty(rows[:, ::stride].shape[:2], '<u4')
    for band in bands(len(rows), 4 * rows.shape[1]):
        full = cv2.cvtColor(rows[band], cv2.COLOR_RGB2BGRA).view('<u4')
        np.bitwise_and(full[:, ::stride, 0], 0xFFFFFF, out=packed[band])
    return packed
