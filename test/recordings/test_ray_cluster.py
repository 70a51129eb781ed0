"""A Ray cluster of two nodes on this machine, of which workers and a node are killed at work."""
import contextlib
import json
import os
from pathlib import Path
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from bags_by_hand import messages, write
import numpy as np
import pytest
from sensor_msgs.msg import Image

from flashdepth_ros.files.bag_reader import BagReader
from flashdepth_ros.ros.image_messages import image_to_depth
from flashdepth_ros.ros.message import deserialised

pytest.importorskip('ray', reason="Ray is not installed: pip install '.[fleet]'")
psutil = pytest.importorskip('psutil')

BAGS, FRAMES, PIECE = 5, 48, 4
LIMIT = 240.0    # seconds; nothing waits that long unless it hangs
OPTIONS = ['--model', 'flashdepth-nano', '--backend', 'torch', '--short-side', '70',
           '-p', 'engine.threads:=1', '--piece', str(PIECE)]
# a secret of this cluster's own: nobody else on the machine can join it
ENVIRONMENT = {**os.environ, 'RAY_AUTH_MODE': 'token', 'RAY_AUTH_TOKEN': secrets.token_hex(32)}


def wait_for(condition, what: str):
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


class RayNode:
    """`ray start` in a process of its own; all that it started is killed with it."""

    def __init__(self, *arguments: str):
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'ray.scripts.scripts', 'start', '--block', '--num-cpus=1',
             '--node-ip-address=127.0.0.1', '--disable-usage-stats',
             '--object-store-memory=100000000', *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env=ENVIRONMENT)

    def _family(self) -> list:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def workers(self) -> list:
        """Return the processes that are at work on a bag."""
        found = []
        for each in self._family():
            with contextlib.suppress(psutil.Error):
                if each.cmdline()[:1] == ['ray::run']:
                    found.append(each)
        return found

    def kill(self) -> None:
        family = self._family()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.wait()


@pytest.fixture
def cluster():
    """Yield the address, the first node and the second."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix='ray_', dir='/tmp')  # sockets' paths must be short
    nodes = [RayNode('--head', f'--port={port}', '--include-dashboard=false',
                     f'--temp-dir={folder}')]
    try:
        def listens() -> bool:
            with socket.socket() as client:
                return client.connect_ex(('127.0.0.1', port)) == 0
        wait_for(listens, 'the cluster does not start')
        nodes.append(RayNode(f'--address=127.0.0.1:{port}'))
        yield f'127.0.0.1:{port}', *nodes
    finally:
        for node in reversed(nodes):
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def process(*words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, '-m', 'flashdepth_ros.tools.process_bag', *words, *OPTIONS],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)


def contents(path: Path) -> tuple[np.ndarray, dict[str, int]]:
    with BagReader(path) as reader:
        assert not reader.losses
        depth = np.stack([image_to_depth(deserialised(data, Image), far=True) for _, (_, _, data)
                          in reader.messages({'/front/depth/image'})])
        return depth, {name: topic.count for name, topic in reader.topics.items()}


def test_killed_workers_and_a_killed_node_cost_only_their_last_pieces(cluster, tmp_path):
    address, first, second = cluster
    bags = [str(write(tmp_path / f'drive_{number}', messages(
        [100 * number + each / 10 for each in range(FRAMES)]))) for number in range(BAGS)]
    out = tmp_path / 'out'
    run = process('--ray', address, *bags, str(out))
    try:
        def working(node: RayNode, at_least: int):
            """Return a worker that is in the midst of a bag, some pieces of which are done."""
            assert run.poll() is None, run.stdout.read()
            pieces = [path for path in out.glob('*.partial') if len(list(path.glob('*.mcap')))
                      >= at_least]
            return pieces and node.workers()
        wait_for(lambda: working(second, 2), 'nobody works')[0].kill()
        wait_for(lambda: working(first, 3), 'nobody works')[0].kill()
        wait_for(lambda: working(second, 1), 'nobody works')
        second.kill()
        told, _ = run.communicate(timeout=LIMIT)
    finally:
        run.kill()
    assert run.returncode == 0, told
    manifest = json.loads((out / 'manifest.json').read_text())
    assert manifest['outcomes'] == {'done': BAGS}, told
    assert manifest['frames'] == BAGS * FRAMES
    assert any(entry['resumed'] for entry in manifest['bags'])
    # nothing twice, nothing left over
    assert sorted(path.name for path in out.iterdir()) == [
        *(f'drive_{number}' for number in range(BAGS)), 'manifest.json']
    serial = process(*bags, str(tmp_path / 'serial'))
    told, _ = serial.communicate(timeout=LIMIT)
    assert serial.returncode == 0, told
    for number in range(BAGS):
        depth, counts = contents(out / f'drive_{number}')
        expected, expected_counts = contents(tmp_path / 'serial' / f'drive_{number}')
        assert np.array_equal(depth, expected, equal_nan=True)
        assert counts == expected_counts and counts['/front/depth/image'] == FRAMES
    # and again nothing is left to do
    again = process('--ray', address, *bags, str(out))
    told, _ = again.communicate(timeout=LIMIT)
    assert json.loads((out / 'manifest.json').read_text())['outcomes'] == {'was there': BAGS}, told
