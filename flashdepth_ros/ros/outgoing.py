"""Large messages on their way out, without the copies that rclpy makes of them.

rclpy copies a message's data into a message of C, which it allocates and clears for each, and the
middleware serialises that. Here pixels are written to where they lie in the serialised message
already, and rcl takes it from there, while other threads may run Python.
"""
import ctypes
import functools
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecyclePublisher
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, PointCloud2

LARGE = (Image, PointCloud2)  # their data is the last field, but for some bytes of the same length
_ROOM = 1024  # bytes before the data, for what a message says of itself
_MARK = b'\xa5\x5a\xc3\x3c\x69\x96\x0f\xf0'


class Outgoing:
    """A message of one of the kinds LARGE that is filled again and again.

    fields: the message, whose own data stays empty.
    """

    def __init__(self, kind: type):
        self.kind, self.fields = kind, kind()
        self._memory, self._size = np.zeros(_ROOM + _after(kind), np.uint8), 0

    def data(self, size: int) -> np.ndarray:
        """Return the data, brought to `size` bytes, as a writable uint8 view: the first stay."""
        if _ROOM + size + _after(self.kind) > len(self._memory):
            larger = np.zeros(_ROOM + size + _after(self.kind), np.uint8)
            larger[:_ROOM + self._size] = self._memory[:_ROOM + self._size]
            self._memory = larger
        self._size = size
        return self._memory[_ROOM:_ROOM + size]

    def serialised(self) -> np.ndarray:
        """Return the whole message (n,) uint8 as it goes over DDS; it changes with this one."""
        whole, after = np.frombuffer(serialize_message(self.fields), np.uint8), _after(self.kind)
        before = len(whole) - after
        length = np.array([self._size], '<u4' if whole[1] & 1 else '>u4').view(np.uint8)
        end = _ROOM + self._size
        self._memory[end:end + after] = whole[before:]
        if before > _ROOM:  # a frame_id of a thousand letters
            return np.concatenate([whole[:before - 4], length, self._memory[_ROOM:end + after]])
        begin = _ROOM - before
        self._memory[begin:_ROOM - 4] = whole[:before - 4]
        self._memory[_ROOM - 4:_ROOM] = length
        return self._memory[begin:end + after]


@functools.cache
def _after(kind: type) -> int:
    """Return how many bytes of a serialised message come after its data."""
    message = kind()
    message.data = _MARK
    serialised = serialize_message(message)
    return len(serialised) - serialised.index(_MARK) - len(_MARK)


class NodePublisher:
    """A publisher of a lifecycle node, which publishes while that is active."""

    def __init__(self, publisher: LifecyclePublisher, kind: type):
        self.publisher, self._kind = publisher, kind

    def message(self) -> Any:
        """Return a message that may be filled and published again and again."""
        return Outgoing(self._kind) if self._kind in LARGE else self._kind()

    def publish(self, message: Any) -> None:
        """Publish a message of its kind, or what `message` gave."""
        if not isinstance(message, Outgoing):
            self.publisher.publish(message)
        elif self.publisher.is_activated:
            data = message.serialised()
            if not _publish(self.publisher, data):
                self.publisher.publish(data.tobytes())  # raises what is wrong

    def get_subscription_count(self) -> int:
        return self.publisher.get_subscription_count()


class _Allocator(ctypes.Structure):
    """rcutils_allocator_t: four functions and a state, of no use where nothing is allocated."""

    _fields_ = [(name, ctypes.c_void_p) for name in (
        'allocate', 'deallocate', 'reallocate', 'zero_allocate', 'state')]


class _Bytes(ctypes.Structure):
    """rcl_serialized_message_t."""

    _fields_ = [('buffer', ctypes.c_void_p), ('length', ctypes.c_size_t),
                ('capacity', ctypes.c_size_t), ('allocator', _Allocator)]


@functools.cache
def _rcl() -> Any:
    """Return the library rcl, which rclpy has loaded, or None where it cannot be found."""
    try:
        rcl = ctypes.CDLL('librcl.so')
        publish = rcl.rcl_publish_serialized_message
    except (OSError, AttributeError):
        return None
    publish.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Bytes), ctypes.c_void_p]
    publish.restype = ctypes.c_int
    return rcl


def _publish(publisher: LifecyclePublisher, data: np.ndarray) -> bool:
    """Publish a serialised message from where it lies; say whether that was possible."""
    rcl = _rcl()
    if rcl is None:
        return False
    message = _Bytes(data.ctypes.data, len(data), len(data))
    with publisher.handle:
        done = rcl.rcl_publish_serialized_message(
            publisher.handle.pointer, ctypes.byref(message), None) == 0
    if not done:
        rcl.rcutils_reset_error()  # rclpy will meet the same error, and tell it
    return done
