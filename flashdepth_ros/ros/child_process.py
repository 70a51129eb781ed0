"""A node that a command starts as a process of its own. No ROS here."""
from collections.abc import Sequence
import subprocess
import sys
import threading
from typing import Any

from tqdm import tqdm


class ProcessEndedError(RuntimeError):
    """A child process has ended early; the message says which, and its last words."""


class ChildProcess:
    """A process that is ended in order, and whose last words are known.

    name: for messages. options: of subprocess.Popen. What it writes to its standard error comes
    out on this process's own, without breaking a bar of progress.
    """

    def __init__(self, name: str, command: Sequence[str], **options: Any):
        self.name = name
        self._last_words = ''
        self._process = subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **options)
        self._reader = threading.Thread(target=self._pass_on_errors, daemon=True)
        self._reader.start()

    def _pass_on_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            tqdm.write(line, sys.stderr, end='')
            self._last_words = line.strip() or self._last_words

    def check(self) -> None:
        """Raise ProcessEndedError if the process has ended."""
        status = self._process.poll()
        if status is not None:
            self._reader.join(1.0)
            words = self._last_words.removeprefix(f'{self.name}: ') or 'it gave no reason'
            raise ProcessEndedError(f'{self.name} ended with {status}: {words}')

    def end(self) -> None:
        """End it as Ctrl-C and a launch file would, and wait for it."""
        if self._process.stdin:
            self._process.stdin.close()
        else:
            self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(1.0)
