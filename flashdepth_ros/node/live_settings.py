"""The depth node's parameters as they are at this moment."""
from collections.abc import Callable

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from ..ros import parameters
from ..ros.parameters import ParameterError, Settings
from .parameter_table import PARAMETERS, check_together, own_parameters


class LiveSettings:
    """Declares the parameters of a node, and takes or refuses what is set later.

    in_use: the node is active, or about to be: only parameters marked running may change.
    changed: called with the new settings after each change. unknown: what was given at the start
    and is no parameter, in words.
    """

    def __init__(self, node: Node, changed: Callable[[Settings], None]):
        self._node, self._changed = node, changed
        self.in_use = False
        self.now: Settings = {}
        self._table: dict[str, parameters.Parameter] = {}
        self._wrong: dict[str, str] = {}  # what was not allowed at the start, until it is set
        self._declare(PARAMETERS)
        self.declare_cameras()
        self.unknown = parameters.unknown(node, self._table)
        node.add_on_set_parameters_callback(self._on_change)

    def _declare(self, table: parameters.Table) -> None:
        self._wrong |= parameters.declare(self._node, table)
        self._table |= table
        self.now = parameters.read(self._node, self._table)

    def declare_cameras(self) -> None:
        """Declare what cameras with names have for themselves, once for each name."""
        own = own_parameters(self.now['cameras'])
        self._declare({name: row for name, row in own.items() if name not in self._table})

    def check(self) -> None:
        """Refuse values that cannot be used, alone or together; ParameterError."""
        if self._wrong:
            raise ParameterError('; '.join(self._wrong.values()))
        if problem := check_together(self.now):
            raise ParameterError(problem)

    def _on_change(self, changes: list[RosParameter]) -> SetParametersResult:
        result = parameters.check_change(
            changes, self._table, self.now, self.in_use, check_together)
        if result.successful:
            for change in changes:
                self._wrong.pop(change.name, None)
            # one assignment: a frame sees all of a change or nothing of it
            self.now = {**self.now, **{
                change.name: change.value for change in changes if change.name in self._table}}
            self._changed(self.now)
        return result
