"""The Fast DDS profile that large images need, where the user has chosen nothing."""
from importlib.metadata import version
import os
from pathlib import Path

# Fast DDS 3 (Kilted and later) complains of the old name, Fast DDS 2 knows no other.
PROFILE_VARIABLE = ('FASTRTPS' if int(version('rclpy').split('.')[0]) < 8 else 'FASTDDS'
                    ) + '_DEFAULT_PROFILES_FILE'


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
