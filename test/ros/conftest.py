"""Real nodes over real DDS, each test in a ROS domain of its own."""
import os
import signal
import subprocess
import sys

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


@pytest.fixture
def start(domain):
    """Start executables of the package in the test's domain, with ROS arguments."""
    running = []

    def run(name: str, *arguments: str) -> subprocess.Popen:
        running.append(subprocess.Popen(
            [sys.executable, '-m', f'flashdepth_ros.{name}', '--ros-args', *arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)}, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:  # a killed process would leave its shared memory behind
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
