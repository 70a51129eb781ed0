"""Work that takes long, and that the end of the process does not wait for."""
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
import threading
from typing import Any, TypeVar

Result = TypeVar('Result')


class InterruptedWork(RuntimeError):
    """The work goes on, and nobody waits for its result any more."""


class Interruptible:
    """Runs functions that cannot be stopped: to load a network is one call into PyTorch."""

    def __init__(self):
        self._interrupted: Future[None] = Future()

    def interrupt(self) -> None:
        """Have `run` return at once, now and from now on. May be called once."""
        self._interrupted.set_result(None)

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function, and return or raise what it does; InterruptedWork."""
        done: Future[Result] = Future()

        def work() -> None:
            try:
                done.set_result(function(*arguments))
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=work, name='long work', daemon=True).start()
        wait((done, self._interrupted), return_when=FIRST_COMPLETED)
        if not done.done():
            raise InterruptedWork('the process ends')
        return done.result()
