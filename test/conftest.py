"""What all tests share: real nodes over real DDS, each test in a ROS domain of its own."""
import contextlib
from dataclasses import replace
import fcntl
import functools
import gc
import itertools
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile

import pytest

from flashdepth_ros.ros.openmp import spin_briefly

spin_briefly()  # before PyTorch is loaded
sys.path.insert(0, str(Path(__file__).parent))  # ros_rig, for the tests in folders below

from driver_process import Driver  # noqa: E402
from node_process import obey  # noqa: E402
from ros_rig import Client, Reference, Rig  # noqa: E402

# of the domains that need no ephemeral ports
_DOMAINS = itertools.cycle(range(1 + os.getpid() % 50, 100))


def pytest_collection_finish():
    """Spare each search for garbage, of which a node does some, all that has been imported."""
    gc.collect()
    gc.freeze()


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
    folder = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:  # whose folders lie in one of all workers
        folder = folder.parent
    folder /= 'cache'
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def client(domain):
    """The other side of a node's topics and services."""
    client = Client(domain)
    yield client
    client.close()


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


@pytest.fixture
def driver(domain):
    """Start camera drivers (**environment) in processes of their own; they end with the test."""
    with contextlib.ExitStack() as stack:
        def make(**environment) -> Driver:
            process = Driver(domain, **environment)
            stack.callback(process.close)
            return process
        yield make


@pytest.fixture
def small_dyfn(monkeypatch):
    """Let the name dyfn be the same network with the smallest encoder: the large has 320 M weights.

    For what depends on the planes that it gives, not on their values.
    """
    from flashdepth_ros.models import MODELS
    from flashdepth_ros.models.dyfn import DyFN
    monkeypatch.setitem(MODELS, 'dyfn', replace(
        MODELS['dyfn'], build=functools.partial(DyFN, 'nano')))
    return 'dyfn'


@pytest.fixture(scope='session')
def reference():
    return Reference()


@pytest.fixture
def start(domain):
    """Start executables of the package in the test's domain, with ROS arguments."""
    running = []

    def run(name: str, *arguments: str) -> subprocess.Popen:
        running.append(subprocess.Popen(
            [sys.executable, '-m', f'flashdepth_ros.{name}', '--ros-args', *arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)}, stderr=subprocess.PIPE, text=True,
            preexec_fn=obey))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:  # a killed process would leave its shared memory behind
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
