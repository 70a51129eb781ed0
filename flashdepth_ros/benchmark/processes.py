"""The processes of a benchmark: started, asked, measured from outside and ended. No ROS here."""
import json
import os
import select
import shlex
import subprocess
import sys
import time
from typing import Any

from ..ros.child_process import ChildProcess

# nothing of a benchmark leaves the machine
DISCOVERY = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


class BenchmarkError(RuntimeError):
    """The benchmark cannot go on; the message says why."""


class Peer(ChildProcess):
    """A process of this package that answers each line of JSON with one."""

    def __init__(self, name: str, module: str, *arguments: str):
        super().__init__(name, [sys.executable, '-m', module, *arguments],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | DISCOVERY)

    def ask(self, timeout: float, **command: Any) -> dict:
        """Send a command and return the answer; BenchmarkError, ProcessEndedError."""
        assert self._process.stdout is not None
        self.check()
        print(json.dumps(command), file=self._process.stdin, flush=True)
        end = time.monotonic() + timeout
        while not select.select([self._process.stdout], [], [], 1.0)[0]:
            if time.monotonic() > end:
                raise BenchmarkError(f'the {self.name} did not answer within {timeout:.0f} s')
            self.check()
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(5)
            self.check()
        return json.loads(line)


class Node(ChildProcess):
    """The node that is measured: a command to which its namespace and parameters are given."""

    def __init__(self, namespace: str, command: str, parameters: dict[str, object]):
        try:
            import psutil
        except ImportError as error:
            raise BenchmarkError(f"psutil, which measures the node's processor time and memory, is "
                                 f'missing ({error}): pip install psutil') from error
        arguments = shlex.split(command) if command else [
            sys.executable, '-m', 'flashdepth_ros.depth_node']
        arguments += ['--ros-args', '-r', f'__ns:=/{namespace}', '--log-level', 'warn']
        for name, value in parameters.items():
            arguments += ['-p', f'{name}:={_yaml(value)}']
        super().__init__(f'node {namespace}', arguments, stdin=subprocess.DEVNULL,
                         env=os.environ | DISCOVERY)
        self._ps = psutil.Process(self._process.pid)

    def cpu_seconds(self) -> float:
        """Return the processor time of the node and its children so far."""
        times = [process.cpu_times() for process in self._family()]
        return sum(each.user + each.system for each in times)

    def memory(self) -> int:
        """Return the resident memory of the node and its children in bytes."""
        return sum(process.memory_info().rss for process in self._family())

    def _family(self) -> list:
        self.check()
        return [self._ps, *self._ps.children(recursive=True)]


def _yaml(value: object) -> str:
    return json.dumps(value) if isinstance(value, (bool, list)) else str(value)
