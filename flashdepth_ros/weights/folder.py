"""Where this package keeps what it fetches and builds."""
import os
from pathlib import Path


def cache_folder() -> Path:
    """Return this package's folder in the user's cache; it need not exist."""
    base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(base).expanduser() / 'flashdepth_ros'
