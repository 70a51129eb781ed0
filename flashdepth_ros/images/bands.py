"""Bands of an image that fit the processor's cache. No ROS here.

After a step of the network nothing of an image is in the cache. Operations that go over the whole
image one after the other wait for memory each time; band by band they wait once.
"""
from collections.abc import Iterator

BAND = 256 * 1024  # bytes, so that a few temporary arrays of it fit a core's cache


def bands(height: int, row_bytes: int) -> Iterator[slice]:
    """Yield the slices of rows that cover an image of `height` rows, about BAND bytes each."""
    rows = max(1, BAND // max(row_bytes, 1))
    for begin in range(0, height, rows):
        yield slice(begin, min(begin + rows, height))
