"""Resizing of depth as the networks' authors do it: bilinear, corners aligned. No ROS here.

What torch.nn.functional.interpolate gives with align_corners=True, without threads that wait for
each other: on a loaded machine those cost more than they gain. OpenCV has no such mode.
"""
from collections.abc import Iterator
import functools

import cv2
import numpy as np

from .bands import bands


def resize_aligned(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (h, w) float32 to (height, width); itself if it fits."""
    if image.shape == (height, width):
        return image
    return _resize_rows(_resize_width(image, width), height)


def resized_bands(
    image: np.ndarray, height: int, width: int,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield resize_aligned's result band by band: the slice of its rows, and their values.

    The values lie in the cache, and hold until the next band is asked for.
    """
    if image.shape == (height, width):
        for band in bands(height, 4 * width):
            yield band, image[band]
        return
    rows = _resize_width(image, width)
    values = np.empty((0, width), np.float32)
    for band in bands(height, 4 * width):
        count = band.stop - band.start
        if count > len(values):
            values = np.empty((count, width), np.float32)
        _blend(rows, height, band, values[:count])
        yield band, values[:count]


def _resize_width(image: np.ndarray, width: int) -> np.ndarray:
    """Resize (h, w) to (h, width), while there are few rows: whole rows are quick to gather."""
    if image.shape[1] == width:
        return np.ascontiguousarray(image)
    return cv2.transpose(_resize_rows(cv2.transpose(np.ascontiguousarray(image)), width))


def _resize_rows(rows: np.ndarray, count: int) -> np.ndarray:
    result = np.empty((count, rows.shape[1]), np.float32)
    for band in bands(count, rows[0].nbytes):
        _blend(rows, count, band, result[band])
    return result


def _blend(rows: np.ndarray, count: int, band: slice, out: np.ndarray) -> None:
    """Interpolate between rows (n, m), spread over `count`: those of a band go into `out`."""
    first, second, share = (each[band] for each in _places(len(rows), count))
    difference = rows.take(second, axis=0)
    # with mode raise NumPy would take the rows into an array of its own first
    rows.take(first, axis=0, out=out, mode='clip')
    difference -= out
    difference *= share
    out += difference


@functools.lru_cache(maxsize=32)
def _places(size: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows before and after each place (count,), and the latter's share (count, 1)."""
    place = np.linspace(0, size - 1, count)
    first = np.minimum(place.astype(np.intp), max(size - 2, 0))
    second = np.minimum(first + 1, size - 1)
    return first, second, (place - first).astype(np.float32)[:, None]
