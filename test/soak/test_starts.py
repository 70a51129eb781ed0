"""SIGINT and SIGTERM at every moment of a start, in steps of 20 ms, of every node."""
import contextlib
from pathlib import Path
import random
import re
import signal
import subprocess
import time

import cv2
from egl import needs_egl
from node_process import as_arguments, shared_memory, start
import numpy as np
from patience import patience
import pytest
from test_exits import SECONDS

import flashdepth_ros

STEP = 0.02
PROGRAMS = {  # parameters, and what it logs when it has started
    'depth_node': ({'model.weights': 'random', 'engine.backend': 'torch'}, 'is ready on'),
    'camera_node': ({'source': 'images'}, 'frames per second'),
    'sim_camera_node': ({'width': 98, 'height': 84}, 'one round in'),
}


@pytest.fixture
def program(request, domain, tmp_path):
    """Start a program; its log goes to the file that is returned with it."""
    name, (parameters, _) = request.param, PROGRAMS[request.param]
    if name == 'sim_camera_node':
        needs_egl()
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / '0.png'), np.zeros((84, 98, 3), np.uint8))
    log = tmp_path / 'log'

    def begin() -> tuple[subprocess.Popen, Path]:
        with log.open('w') as file:
            return start(name, domain, *as_arguments(parameters), cwd=tmp_path, stdout=file,
                         stderr=subprocess.STDOUT, environment={'OMP_NUM_THREADS': '1'}), log
    return begin


def wait_for(process: subprocess.Popen, log: Path, words: str) -> float:
    """Wait until the log has the words; return the seconds."""
    begin = time.monotonic()
    while words not in log.read_text():
        assert process.poll() is None and time.monotonic() - begin < 60, log.read_text()
        time.sleep(0.01)
    return time.monotonic() - begin


def end(process: subprocess.Popen, number: int) -> set[str]:
    """Send a signal and wait for the end; return the shared memory that the process had."""
    begin, shared = time.monotonic(), set()
    process.send_signal(number)
    while process.poll() is None:
        if time.monotonic() - begin > SECONDS * patience():
            process.kill()
            process.wait()
            raise AssertionError('it did not end')
        with contextlib.suppress(OSError):  # just gone
            shared |= shared_memory(process.pid)
        time.sleep(0.01)
    return shared


def ports(domain: int) -> set[str]:
    """Return the files in /dev/shm of the ports of a domain."""
    found = ((file.name, file.name.rpartition('port')[2])
             for file in Path('/dev/shm').glob('fast*_port*'))
    return {name for name, port in found
            if port.isdigit() and 0 <= int(port) - 7400 - 250 * domain < 250}


def in_pythons_own_start(text: str) -> bool:
    """Say whether KeyboardInterrupt was raised before the first line of this package ran."""
    folder = str(Path(flashdepth_ros.__file__).parent)
    return 'KeyboardInterrupt' in text and f'{folder}/' not in text


@pytest.mark.parametrize('program', PROGRAMS, indirect=True)
def test_every_moment_of_a_start(program, request, domain, soak, measured):
    name, before = request.node.callspec.params['program'], ports(domain)  # of killed processes
    process, log = program()
    duration = wait_for(process, log, PROGRAMS[name][1])
    shared = end(process, signal.SIGTERM)
    left = [file for file in shared if Path(file).exists()] + sorted(ports(domain) - before)
    assert not left, (left, process.returncode, log.read_text())
    moments = np.arange(0, 1.3 * duration, STEP)
    if len(moments) > soak.starts:
        moments = sorted(random.Random(4).sample(list(moments), soak.starts))
    for i, moment in enumerate(moments):
        for number in (signal.SIGINT, signal.SIGTERM) if soak.full else (
                (signal.SIGINT, signal.SIGTERM)[i % 2],):
            process, log = program()
            time.sleep(moment)  # the one place where a time is what is meant
            shared = end(process, number)
            text = log.read_text()
            what = f'{number.name} after {moment:.2f} s: {process.returncode}\n{text}'
            if in_pythons_own_start(text):
                continue
            assert process.returncode in (0, -number), what
            assert not re.search('Traceback|[Ee]rror|cannot|Failed', text), what
            left = [file for file in shared if Path(file).exists()] + sorted(ports(domain) - before)
            assert not left, (left, what)
    measured(f'{len(moments)} moments of a start that takes {duration:.1f} s')
