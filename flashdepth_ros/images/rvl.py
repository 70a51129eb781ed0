"""RVL, a lossless compression of 16-bit depth images. No ROS here.

It is Andrew Wilson's "Fast lossless depth image compression" (2017).

Runs of zeros and of other values follow each other; each begins with its length, and each value is
told as its difference from the one before, in nibbles of three bits and one that says whether more
follow, the highest nibble of each 32-bit word first.
"""
import numpy as np

from .loops import loop


class RvlError(ValueError):
    """The data are no RVL of the size that is asked for."""


@loop('int64(uint16[::1], uint8[::1])')
def _encode(values, nibbles):
    """Write a nibble a byte; return how many."""
    place, index, end, previous, zeros_next = 0, 0, 0, np.int64(0), True
    count = len(values)
    while index < count or not zeros_next:
        if index < end:
            current = np.int64(values[index])
            delta = current - previous
            number = 2 * delta if delta >= 0 else -2 * delta - 1
            previous = current
            index += 1
        else:    # the length of a run
            while end < count and (values[end] == 0) == zeros_next:
                end += 1
            number = np.int64(end - index)
            if zeros_next:
                index = end
            zeros_next = not zeros_next
        while True:
            low, number = number & 7, number >> 3
            nibbles[place] = low | 8 if number else low
            place += 1
            if number == 0:
                break
    return place


@loop('boolean(uint8[::1], uint16[::1])')
def _decode(nibbles, values):
    """Read as many values as there is room for; False where the data do not fit."""
    place, index, end, previous, runs = 0, 0, 0, np.int64(0), 0
    count, length = len(values), len(nibbles)
    while index < count:
        number, shift = np.int64(0), 0
        while True:
            if place >= length or shift > 30:
                return False
            nibble = nibbles[place]
            place += 1
            number |= np.int64(nibble & 7) << shift
            shift += 3
            if nibble < 8:
                break
        if index < end:
            previous += (number >> 1) ^ -(number & 1)
            values[index] = previous & 0xffff
            index += 1
            continue
        runs += 1    # it is the length of a run
        end = int(index + number)
        if end > count or (number == 0 and runs > 2 * count + 2):
            return False
        if runs % 2:
            values[index:end] = 0
            index = end
    return True


def rvl_encode(values: np.ndarray) -> bytes:
    """Values (H, W) uint16 -> RVL."""
    flat = np.ascontiguousarray(values, np.uint16).reshape(-1)
    # a value takes six nibbles at most, and so does the length of each of its runs, or less
    nibbles = np.zeros(7 * flat.size + 32, np.uint8)
    used = _encode(flat, nibbles)
    words = nibbles[:-(-used // 8) * 8].reshape(-1, 8)
    paired = words[:, 0::2] << 4 | words[:, 1::2]
    return paired[:, ::-1].tobytes()  # little-endian words


def rvl_decode(data: bytes, height: int, width: int) -> np.ndarray:
    """RVL -> values (height, width) uint16; RvlError."""
    whole = np.frombuffer(data, np.uint8)[:len(data) // 4 * 4].reshape(-1, 4)[:, ::-1]
    nibbles = np.stack([whole >> 4, whole & 15], axis=-1).reshape(-1)
    values = np.empty(height * width, np.uint16)
    if not _decode(np.ascontiguousarray(nibbles), values):
        raise RvlError(f'the data are no RVL of {width}x{height} values')
    return values.reshape(height, width)
