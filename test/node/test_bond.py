"""The bond with nav2's lifecycle manager, whose part bondpy itself plays here."""
import time

from patience import patience
import pytest
from ros_rig import SECOND, Client, street

bondpy = pytest.importorskip(
    'bondpy.bondpy', reason='bondpy is not installed: it has no PyPI wheel')


@pytest.fixture
def manager(rig):
    """Make the manager's end of a bond, as nav2's has it, once the node is active."""
    bonds = []

    def make(node, period: float = 0.1):
        bond = bondpy.Bond(node.node, 'bond', 'depth_node')
        bond.heartbeat_period, bond.heartbeat_timeout = period, 1.0
        bond.start()
        bonds.append(bond)
        return bond

    yield make
    for bond in bonds:
        bond.shutdown()
        bond.heartbeat_timer.cancel()


def bonds_of(client) -> list:
    """Return the publishers of bonds that the depth node has."""
    return [info for info in client.node.get_publishers_info_by_topic('/bond')
            if info.node_name == 'depth_node']


def formed(node, bond, seconds: float = 2.0) -> bool:
    return node.spin_until(lambda: bond.sm.getState().getName() == 'SM.Alive', seconds * patience())


def test_a_bond_from_activate_to_deactivate(rig, manager):
    node = rig()
    assert node.change_state('configure')
    assert not bonds_of(node)
    for i in (1, 2):  # also in a second life
        assert node.change_state('activate')
        node.connect()
        bond = manager(node)
        assert formed(node, bond)
        begin = time.monotonic()  # it holds for longer than the manager's patience
        node.depth_of(street(1)[0], i * SECOND)
        node.spin_until(bond.is_broken, 2.0)
        assert not bond.is_broken() and time.monotonic() - begin >= 2
        assert node.change_state('deactivate')
        assert node.spin_until(bond.is_broken, patience())
        assert node.spin_until(lambda: not bonds_of(node))


def test_a_manager_that_dies_leaves_the_node_active_and_another_may_come(rig, manager):
    node = rig().activate()
    first = manager(node)
    assert formed(node, first)
    with first.lock:
        first.is_shutdown = True  # its thread ends, without a word
    second = manager(node)
    assert formed(node, second)
    second.break_bond()
    node.depth_of(street(1)[0], SECOND)
    assert node.state() == 'active'


def test_no_bond_where_none_is_wanted(rig):
    node = rig(bond_heartbeat_period=0.0).activate()
    assert not bonds_of(node)


def test_a_bond_ends_with_the_process(domain, start):
    client = Client(domain)
    process = start('depth_node', '-p', 'model.weights:=random', '-p', 'engine.backend:=torch')
    assert client.spin_until(lambda: bonds_of(client), 30)
    bond = bondpy.Bond(client.node, 'bond', 'depth_node')
    bond.start()
    assert formed(client, bond, 5)
    process.terminate()
    assert client.spin_until(bond.is_broken, 3 * patience())
    _, error = process.communicate(timeout=30)
    assert process.returncode == 0 and 'Traceback' not in error
    bond.shutdown()
    client.close()
