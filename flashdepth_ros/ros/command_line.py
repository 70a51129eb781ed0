"""A node's command line: its usage, and what is wrong with it in one line."""
from collections.abc import Sequence
import os
import re
import sys
import textwrap

import rclpy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from .parameters import Parameter, Table

WIDTH = 100
OPTIONS = ('[--ros-args -p parameter:=value ... -r topic:=other ... -r __ns:=/namespace '
           '--params-file file.yaml --log-level info]')
# rcl's words for what it cannot read on the command line
_UNREADABLE = re.compile(r"Couldn't parse ([^:]+): '(\S+) (.*?)'\. Error: (.*?)(?:, at /|$)", re.S)
_REMEDIES = {
    'namespace': "the namespace '{value}' cannot be had: it must begin with a slash, then letters, "
                 'digits and underscores with single slashes between them',
    'params file': 'the parameters file {value} cannot be read: {why}',
    'log level': "the log level '{value}' is none of debug, info, warn, error, fatal "
                 '(or name:=level for one logger)',
    'remap rule': "'{value}' renames nothing: it must be name:=other, of letters, digits and "
                  'underscores with single slashes between them',
    'parameter override rule': "'{value}' sets no parameter: it must be name:=value, and the value "
                               'one that YAML can read',
}


class CommandLineError(ValueError):
    """The command line cannot be used."""


def usage(name: str, about: str, table: Table) -> str:
    """Return what --help prints. about: what the node does, and its topics."""
    lines = [f'usage: {name} {OPTIONS}', '', about.strip(), '',
             'parameters (a file has them below ros__parameters):']
    for parameter in table.values():
        lines += [f'  {parameter.name}  ({_values(parameter)})',
                  textwrap.fill(parameter.description, WIDTH, initial_indent=' ' * 6,
                                subsequent_indent=' ' * 6)]
    return '\n'.join(lines)


def _values(parameter: Parameter) -> str:
    default = str(parameter.default).lower() if isinstance(
        parameter.default, bool) else repr(parameter.default)
    if parameter.choices:
        return f'{default}; {", ".join(parameter.choices)}'
    if parameter.low is not None:
        return f'{default}; {parameter.low} to {parameter.high}'
    return default


def wants_help(args: Sequence[str] | None) -> bool:
    return any(word in ('-h', '--help') for word in (sys.argv if args is None else args)[1:])


def init(args: list[str] | None) -> None:
    """Initialise rclpy without its signal handlers; CommandLineError, also for unknown words."""
    try:
        words = remove_ros_args(args)[1:]
        if not words:
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            return
    except RuntimeError as error:  # what rclpy's own errors are
        raise CommandLineError(_explain(str(error))) from error
    raise CommandLineError(
        f"'{' '.join(words)}' is not understood: parameters and remappings follow --ros-args "
        f'(see --help)')


def _explain(error: str) -> str:
    if match := _UNREADABLE.search(error):
        what, _, value, why = match.groups()
        if what == 'params file' and not os.path.isfile(value):
            return f'there is no parameters file {value}'
        if value.startswith('__ns:='):
            what, value = 'namespace', value.removeprefix('__ns:=')
        if what in _REMEDIES:
            return _REMEDIES[what].format(value=value, why=why)
    if match := re.fullmatch(r"\[('--.*')\]", error):
        return f'{match[1]} is no ROS argument (see --help)'
    return re.sub(r', at /\S+', '', error.removeprefix('failed to initialize rcl: '))
