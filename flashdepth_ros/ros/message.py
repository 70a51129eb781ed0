"""What all of this package's conversions of messages share.

Outgoing messages are kept and filled in place: `message.data` is an array.array whose property
setter copies or even checks byte by byte, while writing through a view of it costs one copy.
"""
import importlib
import struct
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header

from .outgoing import Outgoing

SECOND = 1_000_000_000  # ns
MAX_SIDE = 16384  # larger images are taken for damaged messages


class MessageError(ValueError):
    """An incoming message cannot be used; the message says why and what to do."""


def stamp_to_ns(stamp) -> int:
    """builtin_interfaces/Time -> nanoseconds."""
    return stamp.sec * SECOND + stamp.nanosec


def header_at(stamp: int, frame_id: str = '') -> Header:
    """Return the header of a stamp in nanoseconds."""
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
    return header


def serialised(message: Any) -> bytes:
    """Return a message as it goes over DDS and into bags (CDR)."""
    return serialize_message(message)


def message_class(name: str) -> type:
    """Return the class of a type such as sensor_msgs/msg/Image."""
    package, _, kind = name.rpartition('/')
    return getattr(importlib.import_module(package.replace('/', '.')), kind)


def deserialised(data: bytes, kind: type) -> Any:
    """Return the message of a type that was serialised so; MessageError where it was not."""
    try:
        return deserialize_message(data, kind)
    except Exception as error:  # of rclpy and of the middleware
        raise MessageError(f'a message of {len(data)} bytes is no {kind.__name__}: it is truncated '
                           f'or damaged') from error


def serialised_stamp(data: bytes) -> int:
    """Return the stamp in ns of a message that begins with a header, without reading the rest."""
    # after four bytes that name the encoding, of which the second's last bit is the byte order
    sec, nanosec = struct.unpack_from('<iI' if data[1] & 1 else '>iI', data, 4)
    return sec * SECOND + nanosec


def fields_of(message: Image | PointCloud2 | Outgoing) -> Any:
    """Return the message whose fields, all but its data, are to be set."""
    return message.fields if isinstance(message, Outgoing) else message


def data_view(message: Image | PointCloud2 | Outgoing, size: int) -> np.ndarray:
    """Return the message's data, brought to `size` bytes, as a writable uint8 view."""
    if isinstance(message, Outgoing):
        return message.data(size)
    data = message.data
    if len(data) != size:
        if len(data) > size:
            del data[size:]
        else:
            data.frombytes(bytes(size - len(data)))
    return np.frombuffer(data, dtype=np.uint8)
