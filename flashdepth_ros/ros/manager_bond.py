"""The bond that nav2's lifecycle manager wants from a node while it is active."""
import importlib
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node

# seconds: a manager that dies is nothing to this node, as to nav2's own, and another may come
PATIENCE = 365 * 24 * 3600.0
FAREWELL = 0.1  # seconds that a manager may take to hear of the end


def _installed() -> Any:
    """Return bondpy, or None where it or its messages are missing."""
    try:
        return importlib.import_module('bondpy.bondpy')
    except ImportError:
        return None


class ManagerBond:
    """Says that a node lives, on the topic bond under the node's name, from `begin` to `end`.

    That is what nav2_util::LifecycleNode does. Where no manager listens it ceases by itself after
    ten seconds. Without bondpy nothing is said.
    """

    def __init__(self, node: Node):
        self._node = node
        self._bond: Any = None

    def begin(self, period: float) -> None:
        """Begin to say so, every so many seconds; 0 is never."""
        bondpy = _installed() if period > 0 else None
        if bondpy is None:
            return
        self._bond = bondpy.Bond(self._node, 'bond', self._node.get_name())
        self._bond.heartbeat_period = period
        self._bond.heartbeat_timeout = PATIENCE
        self._bond.start()

    def end(self) -> None:
        """Take leave of the manager, and of the topic."""
        bond, self._bond = self._bond, None
        if bond is None:
            return
        if not bond.is_broken():
            bond.break_bond()
            bond.wait_until_broken(Duration(seconds=FAREWELL))
        # what bond.shutdown() does, but for one: it would free both ends while the node has them in
        # its lists, and the executor raises at that
        with bond.lock:
            bond.is_shutdown = True
            bond.condition.notify_all()
        bond.thread.join()
        for timer in (bond.connect_timer, bond.heartbeat_timer, bond.disconnect_timer):
            timer.cancel()
        self._node.destroy_subscription(bond.sub)
        self._node.destroy_publisher(bond.pub)
