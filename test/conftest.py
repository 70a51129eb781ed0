"""What all tests share."""
import fcntl
import itertools
import os
from pathlib import Path
import sys
import tempfile

import pytest

import flashdepth_ros  # noqa: F401  before PyTorch, whose threads it keeps from spinning

sys.path.insert(0, str(Path(__file__).parent))  # ros_rig, for the tests in folders below

# of the domains that need no ephemeral ports
_DOMAINS = itertools.cycle(range(1 + os.getpid() % 50, 100))


@pytest.fixture
def domain():
    """A ROS domain for this test alone, also among other runs of the tests."""
    for number in _DOMAINS:
        place = Path(tempfile.gettempdir()) / f'ros_domain_{number}_of_user_{os.getuid()}.lock'
        with place.open('w') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return


@pytest.fixture(scope='session')
def cache_home(tmp_path_factory):
    """Return a folder for XDG_CACHE_HOME where engines are kept for all tests that share them."""
    return tmp_path_factory.mktemp('cache')
