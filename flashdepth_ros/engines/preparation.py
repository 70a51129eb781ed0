"""An engine's preparation in a process of its own: exporting keeps an interpreter busy for long.

On a thread of the node it would share the interpreter with the network's step, whose every
operation would wait for it. The process leaves the engine in the cache, and gives its memory back.
A lower priority would only make it last longer: the steps do not get faster.
"""
from collections.abc import Iterable, Iterator
import json
import logging
import os
import subprocess
import sys

from .engine import EngineError

PROGRAM = f'{__package__}.preparation_program'

log = logging.getLogger(__name__)


def prepare_apart(backend: str, request: dict[str, str | int]) -> None:
    """Have the cache filled with the engine of a backend; EngineError.

    request: the fields of engines.Request, with the model's name for `spec`. What the other
    process logs is logged here.
    """
    job = json.dumps({'backend': backend, 'request': request, 'parent': os.getpid()})
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
            [sys.executable, '-m', PROGRAM, job], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True, env={**os.environ, 'PYTHONPATH': path}) as process:
        problem = ''.join(_relayed(process.stdout or ()))
    if process.returncode:
        raise EngineError(problem or (
            f'the process that prepared it ended by itself (status {process.returncode}; -9 is '
            f'what a system does that runs out of memory)'))


def _relayed(lines: Iterable[str]) -> Iterator[str]:
    """Log lines 'LEVEL text', but yield those of level ERROR, which end the process."""
    for line in lines:
        level, _, text = line.rstrip().partition(' ')
        if level == 'ERROR':
            yield text
        elif level in ('INFO', 'WARNING'):
            log.log(getattr(logging, level), '%s', text)
