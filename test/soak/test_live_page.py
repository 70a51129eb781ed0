"""What open pages cost the depth node: a table of one run. make soak, or SOAK=full."""
import contextlib
import os
from pathlib import Path
import re
import subprocess
import sys

from egl import needs_egl
from node_process import as_arguments, end, start
import numpy as np
import pytest
from ros_rig import Client
from sensor_msgs.msg import Image

psutil = pytest.importorskip('psutil')
pytest.importorskip('viser', reason='viser is not installed')
sys.path.insert(0, str(Path(__file__).parents[1] / 'view'))
from pages import Pages  # noqa: E402

pytestmark = pytest.mark.skipif(
    os.environ.get('SOAK') != 'full', reason='make soak runs it: it takes minutes')
needs_egl()
SECONDS = float(os.environ.get('SOAK_PAGE_SECONDS', 20))
ROUNDS = 3
# of whoever else listens to depth/image, and of pages
CASES = {'nobody': (0, 0), 'a subscriber': (1, 0), 'a subscriber and 1 page': (1, 1),
         'a subscriber and 3 pages': (1, 3), 'a subscriber and 10 pages': (1, 10)}


def test_pages_cost_the_depth_node_no_more_than_a_subscriber(domain, tmp_path, capsys):
    log = tmp_path / 'view.log'
    client = Client(domain)
    for topic in ('depth/image', 'depth/camera_info', 'points'):
        client.node.destroy_subscription(client._subscriptions.pop(topic))
    statuses = client.received['depth_node/status']
    with log.open('w') as file:
        view = start('view_node', domain, '-p', f'port:={19080 + domain}', stdout=file,
                     stderr=subprocess.STDOUT)
    depth = start('depth_node', domain, *as_arguments({
        'model.name': 'flashdepth-nano', 'engine.backend': 'torch', 'output.max_range': 1000.0,
        'input.short_side': 126}), environment={'OMP_NUM_THREADS': '1'}, stderr=subprocess.DEVNULL)
    camera = start('sim_camera_node', domain, *as_arguments({
        'seed': 1, 'width': 320, 'height': 240, 'rate': 8.0}), stderr=subprocess.DEVNULL)
    rows: dict[str, list] = {case: [] for case in CASES}
    try:
        assert client.spin_until(lambda: 'the page is at' in log.read_text(), 120)
        address = re.search(r'the page is at (\S+)', log.read_text())[1]
        assert client.spin_until(lambda: statuses, 120)
        node, server = (psutil.Process(process.pid) for process in (depth, view))
        for _ in range(ROUNDS):
            for case, (subscribers, pages) in CASES.items():
                with listeners(client, address, subscribers, pages):
                    rows[case].append(measure(client, statuses, node, server))
        table = [f'{case:28} {np.median(values, 0).round(2)}' for case, values in rows.items()]
        with capsys.disabled():
            print('\n', "depth node's CPU ms a frame, its total ms, images replaced in 100, view "
                  'node: CPU ms a second', *table, sep='\n')
        own = {case: np.median(values, 0)[0] for case, values in rows.items()}
        assert own['a subscriber and 3 pages'] < 1.15 * own['a subscriber']
        assert own['a subscriber and 10 pages'] < 1.15 * own['a subscriber']
    finally:
        for process in (view, depth, camera):
            end(process)
        client.close()


@contextlib.contextmanager
def listeners(client: Client, address: str, subscribers: int, pages: int):
    """Have as many subscribers of depth/image, and pages, meanwhile."""
    with contextlib.ExitStack() as stack:
        for _ in range(subscribers):
            stack.callback(client.node.destroy_subscription, client.node.create_subscription(
                Image, 'depth/image', lambda message: None, 1))
        if pages:
            opened = stack.enter_context(Pages(address, pages))
            assert client.spin_until(lambda: opened.open == pages, 60)
        wanted = subscribers + (pages > 0)
        assert client.spin_until(
            lambda: client.node.count_subscribers('depth/image') == wanted, 60)
        client.spin_until(lambda: False, 2)
        yield


def measure(client: Client, statuses: list, node, server) -> tuple[float, ...]:
    del statuses[:-1]
    first, before, served = statuses[0], sum(node.cpu_times()[:2]), sum(server.cpu_times()[:2])
    client.spin_until(lambda: False, SECONDS)
    used, last = sum(node.cpu_times()[:2]) - before, statuses[-1]
    received = last.received - first.received
    return (1000 * used / (last.processed - first.processed),
            float(np.median([status.total_ms for status in statuses])),
            100 * (last.replaced - first.replaced) / received,
            1000 * (sum(server.cpu_times()[:2]) - served) / SECONDS)
