"""The Fast DDS profile that large images need, where the user has chosen nothing."""
from importlib.metadata import version
import os
from pathlib import Path

# Fast DDS 3 (Kilted and later) complains of the old name, Fast DDS 2 knows no other.
PROFILE_VARIABLE = ('FASTRTPS' if int(version('rclpy').split('.')[0]) < 8 else 'FASTDDS'
                    ) + '_DEFAULT_PROFILES_FILE'


# Fast DDS reads these from the working directory
PROFILE_FILES = ('DEFAULT_FASTDDS_PROFILES.xml', 'DEFAULT_FASTRTPS_PROFILES.xml')


def use_transport_profile() -> Path | None:
    """Choose this package's Fast DDS profile, unless the user has chosen; before rclpy.init().

    With Fast DDS' own settings, best-effort images of a megapixel and more do not arrive in another
    process: they do not fit into the shared-memory segment. A user chooses by a profile, by other
    transports (which the profile would switch off), or by another middleware. Returns the profile
    in use, if ours.
    """
    if chosen_by_user():
        return None
    profile = share_folder() / 'config' / 'fastdds.xml'
    for name in (PROFILE_VARIABLE, 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        if os.environ.get(name):
            return profile if Path(os.environ[name]) == profile else None
    if not profile.is_file() or not _fits_shared_memory():
        return None
    os.environ[PROFILE_VARIABLE] = str(profile)
    return profile


def chosen_by_user() -> str | None:
    """Name the user's choice of middleware or of its transports that the profile would undo."""
    if not uses_fastdds():
        return 'RMW_IMPLEMENTATION'
    for name in ('FASTDDS_BUILTIN_TRANSPORTS', 'ROS2_EASY_MODE'):
        if os.environ.get(name):
            return name
    return next((name for name in PROFILE_FILES if Path(name).is_file()), None)


def uses_fastdds() -> bool:
    """Say whether Fast DDS, the default, is the middleware."""
    return os.environ.get('RMW_IMPLEMENTATION', '') in (
        '', 'rmw_fastrtps_cpp', 'rmw_fastrtps_dynamic_cpp')


def driver_remedy() -> str:
    """Say how a driver's process gets the large shared-memory segment: one line for its shell."""
    return f"export {PROFILE_VARIABLE}={share_folder() / 'config' / 'fastdds.xml'}"


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
