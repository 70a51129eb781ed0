"""Real nodes over real DDS, each test in a ROS domain of its own."""
import pytest
from ros_rig import Reference, Rig


@pytest.fixture
def rig(domain):
    """Make Rigs (namespace='', **parameters); they are closed at the end."""
    rigs = []

    def make(**parameters) -> Rig:
        rigs.append(Rig(domain, **parameters))
        return rigs[-1]

    yield make
    for each in rigs:
        each.close()


@pytest.fixture(scope='session')
def reference():
    return Reference()
