"""Settings of the whole process that large messages need, and its memory. No ROS here."""
import contextlib
import ctypes
from importlib.metadata import version
import os
from pathlib import Path
import signal
import sys

# Fast DDS 3 (Kilted and later) complains of the old name, Fast DDS 2 knows no other.
PROFILE_VARIABLE = ('FASTRTPS' if int(version('rclpy').split('.')[0]) < 8 else 'FASTDDS'
                    ) + '_DEFAULT_PROFILES_FILE'

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


def leave_signals_to_ros() -> list[int]:
    """Let SIGINT and SIGTERM do no more than end rclpy's context; before rclpy.init().

    rclpy hands every signal on to the handler that was there before. Python's own would raise
    KeyboardInterrupt at any place, also in the midst of leaving: from a terminal under ros2 launch
    two signals come. Returns the list in which the signals appear that have come: rclpy does not
    see those from before the end of rclpy.init().
    """
    come: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: come.append(number))
    return come


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


def use_transport_profile() -> Path | None:
    """Choose this package's Fast DDS profile, unless the user has chosen one; before rclpy.init().

    With Fast DDS' own settings, best-effort images of a megapixel and more do not arrive in another
    process: they do not fit into the shared-memory segment. Returns the profile in use, if ours.
    """
    profile = share_folder() / 'config' / 'fastdds.xml'
    for name in (PROFILE_VARIABLE, 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        if os.environ.get(name):
            return profile if Path(os.environ[name]) == profile else None
    if not profile.is_file() or not _fits_shared_memory():
        return None
    os.environ[PROFILE_VARIABLE] = str(profile)
    return profile


def _fits_shared_memory(size: int = 80_000_000) -> bool:
    """Say whether /dev/shm holds the profile's segment: a container's often has only 64 MB."""
    try:
        space = os.statvfs('/dev/shm')
    except OSError:
        return False
    return space.f_bavail * space.f_frsize >= size


def share_folder() -> Path:
    """Return the folder with config/ and launch/: installed by colcon, else the source tree."""
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        share = Path(prefix) / 'share' / 'flashdepth_ros'
        if prefix and share.is_dir():
            return share
    here = Path(__file__).resolve()
    for folder in here.parents:
        if (folder / 'share' / 'flashdepth_ros' / 'config').is_dir():
            return folder / 'share' / 'flashdepth_ros'
    return here.parent.parent
