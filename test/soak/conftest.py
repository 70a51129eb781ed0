"""How long the endurance tests run, what they measure, and the node that they run against.

`make test` runs a short version of each. SOAK=full runs them in full, and SOAK_FRAMES=2000 and the
like set one of the numbers below.
"""
import os
from pathlib import Path
from types import SimpleNamespace

from node_process import NodeProcess
import pytest
import torch

NUMBERS = {  # short, full
    'steps': (80, 10_000),
    'frames': (20, 10_000),
    'transitions': (10, 1_000),
    'messages': (240, 10_000),  # half of them raw, and a quarter compressed
    'loops': (3, 1_000),
    'peers': (3, 500),
    'signals': (1, 100),
    'driving': (3, 600),  # seconds of a simulated robot
    'driven': (5, 200),  # frames of each size that a driver publishes
    'misbehaving': (6, 1_800),  # seconds
    'starts': (4, 1_000),  # signals during the start of each node, at most one every 20 ms
}

torch.set_num_threads(1)  # as in the node


def pytest_collection_modifyitems(items):
    """Begin with the file that takes longest: at the end of all tests one worker is not alone."""
    places = [i for i, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ordered = sorted((items[i] for i in places), key=lambda item: item.path.stem != 'test_storage')
    for i, item in zip(places, ordered, strict=True):
        items[i] = item


@pytest.fixture(scope='session')
def soak() -> SimpleNamespace:
    """The numbers: soak.frames and so on; soak.full says which version runs."""
    full = os.environ.get('SOAK') == 'full'
    return SimpleNamespace(full=full, **{
        name: int(os.environ.get(f'SOAK_{name.upper()}', numbers[full]))
        for name, numbers in NUMBERS.items()})


@pytest.fixture
def node(domain, tmp_path):
    """Start a NodeProcess(**options); it is ended after the test."""
    nodes = []

    def make(**options) -> NodeProcess:
        nodes.append(NodeProcess(domain, tmp_path / f'node_{len(nodes)}.log', **options))
        return nodes[-1]

    yield make
    for each in nodes:
        each.close()


@pytest.fixture
def measured(request):
    """Note a line for the summary at the end."""
    return lambda text: request.node.user_properties.append(('measured', text))


def pytest_terminal_summary(terminalreporter):
    lines = [f'{report.location[2]}: {text}' for report in terminalreporter.getreports('passed')
             for name, text in report.user_properties if name == 'measured']
    if lines:
        terminalreporter.section('endurance')
        for line in lines:
            terminalreporter.write_line(line)
