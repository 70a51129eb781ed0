"""Resizing of depth as the networks' authors do it: bilinear, corners aligned. No ROS here."""
import functools

import cv2
import numpy as np

from .bands import bands


def resize_aligned(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (h, w) float32 to (height, width), bilinear with aligned corners; itself if it fits.

    What torch.nn.functional.interpolate gives with align_corners=True, without threads that wait
    for each other: on a loaded machine those cost more than they gain. OpenCV has no such mode.
    """
    if image.shape == (height, width):
        return image
    # along the width first, while there are few rows; rows are quick to gather, columns are not
    columns = _blend_rows(cv2.transpose(np.ascontiguousarray(image)), width)
    return _blend_rows(cv2.transpose(columns), height)


def _blend_rows(rows: np.ndarray, count: int) -> np.ndarray:
    """Interpolate between rows (n, m), so that `count` are spread over them evenly."""
    if len(rows) == count:
        return rows
    first, second, share = _places(len(rows), count)
    result = np.empty((count, rows.shape[1]), np.float32)
    for band in bands(count, rows[0].nbytes):
        blend = result[band]
        difference = rows.take(second[band], axis=0)
        # with mode raise NumPy would take the rows into an array of its own first
        rows.take(first[band], axis=0, out=blend, mode='clip')
        difference -= blend
        difference *= share[band]
        blend += difference
    return result


@functools.lru_cache(maxsize=32)
def _places(size: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows before and after each place (count,), and the latter's share (count, 1)."""
    place = np.linspace(0, size - 1, count)
    first = np.minimum(place.astype(np.intp), max(size - 2, 0))
    second = np.minimum(first + 1, size - 1)
    return first, second, (place - first).astype(np.float32)[:, None]
