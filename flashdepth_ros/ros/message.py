"""What all of this package's conversions of messages share.

Outgoing messages are kept and filled in place: `message.data` is an array.array whose property
setter copies or even checks byte by byte, while writing through a view of it costs one copy.
"""
import numpy as np
from sensor_msgs.msg import Image, PointCloud2

MAX_SIDE = 16384  # larger images are taken for damaged messages


class MessageError(ValueError):
    """An incoming message cannot be used; the message says why and what to do."""


def stamp_to_ns(stamp) -> int:
    """builtin_interfaces/Time -> nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def data_view(message: Image | PointCloud2, size: int) -> np.ndarray:
    """Return the message's data, brought to `size` bytes, as a writable uint8 view."""
    data = message.data
    if len(data) != size:
        if len(data) > size:
            del data[size:]
        else:
            data.frombytes(bytes(size - len(data)))
    return np.frombuffer(data, dtype=np.uint8)
