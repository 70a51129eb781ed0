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
    place, index, previous = 0, 0, np.int64(0)
    count = len(values)
    while index < count:
        zeros = 0
        while index + zeros < count and values[index + zeros] == 0:
            zeros += 1
        index += zeros
        end = index
        while end < count and values[end] != 0:
            end += 1
        for length in (zeros, end - index):
            rest = length
            while True:
                nibble, rest = rest & 7, rest >> 3
                nibbles[place] = nibble | 8 if rest else nibble
                place += 1
                if rest == 0:
                    break
        while index < end:
            current = np.int64(values[index])
            delta = current - previous
            number = 2 * delta if delta >= 0 else -2 * delta - 1
            while True:
                low, number = number & 7, number >> 3
                nibbles[place] = low | 8 if number else low
                place += 1
                if number == 0:
                    break
            previous = current
            index += 1
    return place


@loop('boolean(uint8[::1], uint16[::1])')
def _decode(nibbles, values):
    """Read as many values as there is room for; False where the data do not fit."""
    place, index, previous, runs = 0, 0, np.int64(0), 0
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
        runs += 1
        if index + number > count or (number == 0 and runs > 2 * count + 2):
            return False
        if runs % 2:
            for _ in range(number):
                values[index] = 0
                index += 1
            continue
        for _ in range(number):
            difference, shift = np.int64(0), 0
            while True:
                if place >= length or shift > 30:
                    return False
                nibble = nibbles[place]
                place += 1
                difference |= np.int64(nibble & 7) << shift
                shift += 3
                if nibble < 8:
                    break
            previous += (difference >> 1) ^ -(difference & 1)
            values[index] = previous & 0xffff
            index += 1
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
