"""What all tests share."""
import itertools
import os
from pathlib import Path
import sys

import pytest

import flashdepth_ros  # noqa: F401  before PyTorch, whose threads it keeps from spinning

sys.path.insert(0, str(Path(__file__).parent))  # ros_rig, for the tests in folders below

# of the domains that need no ephemeral ports, others than a second run of the tests would take
_DOMAINS = itertools.cycle(range(1 + os.getpid() % 50, 100))


@pytest.fixture
def domain():
    """A ROS domain for this test alone."""
    return next(_DOMAINS)
