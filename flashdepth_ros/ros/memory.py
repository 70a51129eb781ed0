"""Settings of the whole process that large messages need, and its memory. No ROS here."""
import contextlib
import ctypes
import os
from pathlib import Path
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # mallopt's parameters in malloc.h


def keep_large_buffers() -> None:
    """Let glibc keep the memory of large messages instead of returning it after each one.

    By default every image-sized buffer is mapped anew and its pages fault in one by one, which
    makes sending and receiving images in Python several times slower. All threads then share one
    arena: with one for each, every thread keeps large buffers of its own, and each activation,
    which brings a new thread, adds some. Does nothing elsewhere than with glibc, or where the user
    has set glibc's own variables.
    """
    if not sys.platform.startswith('linux') or any(
            name in os.environ for name in (
                'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'MALLOC_ARENA_MAX')):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl
        return
    mallopt(_ARENA_MAX, 1)
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2 ** 31 - 1)


def release_memory() -> None:
    """Give what is free in glibc's heaps back to the system."""
    with contextlib.suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def resident_memory() -> int:
    """Return the resident memory of this process in bytes, 0 where it cannot be known."""
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf('SC_PAGE_SIZE')
