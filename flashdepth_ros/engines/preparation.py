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

# Before anything is imported, which takes a second: a terminal sends SIGINT to both processes, and
# the other is killed together with whom it works for (1 is PR_SET_PDEATHSIG of linux/prctl.h).
_PROGRAM = f"""
import ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
if sys.platform.startswith('linux'):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[2]):
    sys.exit(1)  # gone already
from {__package__}.preparation_program import main
sys.exit(main(sys.argv[1]))
"""

log = logging.getLogger(__name__)


def prepare_apart(backend: str, request: dict[str, str | int]) -> None:
    """Have the cache filled with the engine of a backend; EngineError.

    request: the fields of engines.Request, with the model's name for `spec`. What the other
    process logs is logged here.
    """
    job = json.dumps({'backend': backend, 'request': request})
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
            [sys.executable, '-c', _PROGRAM, job, str(os.getpid())], stdin=subprocess.DEVNULL,
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
