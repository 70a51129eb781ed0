"""ROS parameters from a table: each with its meaning, default, range, and when it may change."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

WHILE_ACTIVE = 'May change while active.'  # ends the description of such a parameter
Settings = Mapping[str, Any]  # parameter name -> value, as read at one moment


class ParameterError(ValueError):
    """Parameters have values that cannot be used, alone or together."""


@dataclass(frozen=True)
class Parameter:
    """One row. low, high: inclusive range of a number. choices: the allowed strings, if limited.

    per_camera: a camera with a name may have a value of its own. optional: it may have none.
    check: says what else is wrong with a value of the right type, or None.

    running: may change while the node is active, and takes effect with the next frame. All others
    may change while it is not active, and take effect when it is activated.
    """

    name: str
    default: bool | int | float | str | list[str]
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    running: bool = False
    per_camera: bool = False
    optional: bool = False
    check: Callable[[Any], str | None] = lambda value: None

    @property
    def ros_type(self) -> RosParameter.Type:
        return RosParameter.Type.from_parameter_value(self.default)

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with a value, or return None."""
        if self.optional and value is None:
            return None
        if self.choices and value not in self.choices:
            return f"{self.name} is '{value}'; it must be one of: {', '.join(self.choices)}"
        if type(value) is not type(self.default):
            return f'{self.name} is {value!r}; it must be a {type(self.default).__name__}'
        if self.low is not None and not self.low <= value <= self.high:
            return f'{self.name} is {value}; it must lie between {self.low} and {self.high}'
        return self.check(value)

    def descriptor(self) -> ParameterDescriptor:
        when = WHILE_ACTIVE if self.running else 'Cannot change while active.'
        descriptor = ParameterDescriptor(
            name=self.name, type=self.ros_type.value, description=f'{self.description} {when}',
            dynamic_typing=self.optional)
        if self.choices:
            descriptor.additional_constraints = 'One of: ' + ', '.join(self.choices)
        if isinstance(self.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=self.low, to_value=self.high)]
        elif isinstance(self.default, int) and self.low is not None:
            descriptor.integer_range = [IntegerRange(from_value=self.low, to_value=self.high)]
        return descriptor


Table = Mapping[str, Parameter]  # by name


def declare(node: Node, table: Table) -> dict[str, str]:
    """Declare every parameter of a table with its descriptor.

    A value from the command line or a file that is not allowed does not end the process: its
    problem is returned by name, the default stands in, and configuring must fail until it is set.
    An integer where a float (10 for 10.0) or a text (a webcam's number) is wanted is accepted.
    """
    problems = {}
    for parameter in table.values():
        # Declared with any type first: rclpy would raise on a wrong one before we could explain it.
        value = node.declare_parameter(
            parameter.name, None if parameter.optional else parameter.default,
            ParameterDescriptor(dynamic_typing=True)).value
        if isinstance(parameter.default, float) and type(value) is int:
            value = float(value)
        if isinstance(parameter.default, str) and type(value) is int:
            value = str(value)
        if problem := parameter.problem(value):
            problems[parameter.name] = problem
            value = None if parameter.optional else parameter.default
        if value is not None:
            node.set_parameters([RosParameter(parameter.name, parameter.ros_type, value)])
        node.set_descriptor(parameter.name, parameter.descriptor())
    return problems


def unknown(node: Node, table: Table) -> list[str]:
    """Say which values from the command line or a file are of no parameter of a node.

    To be asked once all parameters are declared. A file for several nodes may well have such.
    """
    found = []
    for name in node._parameter_overrides:
        if node.has_parameter(name) or name.startswith('qos_overrides.'):
            continue
        near = get_close_matches(name, table, 1, 0.7)
        found.append(f'there is no parameter {name}' + (
            f': is {near[0]} meant?' if near else ', so its value is ignored'))
    return found


def read(node: Node, table: Table) -> Settings:
    """Return the values of all parameters of a table at this moment."""
    return {name: node.get_parameter(name).value for name in table}


def fixed(node: Node, table: Table) -> Settings:
    """Declare the parameters of a node that reads them once; return their values.

    ParameterError for values that are not allowed; of those of no parameter the log warns.
    """
    problems = declare(node, table)
    if problems:
        raise ParameterError('; '.join(problems.values()))
    for problem in unknown(node, table):
        node.get_logger().warning(problem)
    return read(node, table)


def check_change(
    changes: Sequence[RosParameter], table: Table, current: Settings, active: bool,
    contradiction: Callable[[Settings], str | None],
) -> SetParametersResult:
    """Decide on a change of parameters together (types and ranges are rclpy's to check).

    active: the node is, so that only parameters marked running may change. contradiction: says
    which values cannot be had together, or None.
    """
    for change in changes:
        parameter = table.get(change.name)
        if parameter is None:  # use_sim_time and others of rclpy's own
            continue
        typed = change.type_ == parameter.ros_type or parameter.optional
        if typed and (problem := parameter.problem(change.value)):
            return SetParametersResult(successful=False, reason=problem)
        if active and not parameter.running and change.value != current[change.name]:
            return SetParametersResult(successful=False, reason=(
                f'{change.name} cannot change while the node is active: '
                f'deactivate it, set the parameter, and activate it again'))
    reason = contradiction({**current, **{change.name: change.value for change in changes}})
    return SetParametersResult(successful=reason is None, reason=reason or '')
