"""An executor with threads that leaves the interpreter to those who work."""
from concurrent.futures import ThreadPoolExecutor
import threading

from rclpy.context import Context
from rclpy.executors import (
    ConditionReachedException,
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.task import Task


class PoolExecutor(Executor):
    """Runs callbacks on a pool of threads, each handed over once.

    rclpy's MultiThreadedExecutor offers a callback again and again until a thread has begun it
    (rclpy issue 1452, mended in rolling in November 2025). That loop holds the interpreter, so
    that the thread which should begin, and the network's, whose every operation needs the
    interpreter, wait for it in turns of 5 ms: steps of 10 ms took seconds.
    """

    def __init__(
        self, num_threads: int, *, context: Context | None = None,
        ended: threading.Event | None = None,
    ):
        """ended: set when nothing more is to be begun, also where all threads are busy."""
        super().__init__(context=context)
        self._ended = ended or threading.Event()
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix='callbacks')
        self._raised: list[BaseException] = []  # by callbacks, for the thread that spins

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for a callback and hand it to a thread; raise what an earlier one has raised."""
        if self._raised:
            raise self._raised.pop(0)
        try:
            task, _, _ = self.wait_for_ready_callbacks(timeout_sec)
        except (ConditionReachedException, ExternalShutdownException, ShutdownException,
                TimeoutException):
            return
        begun = threading.Event()
        self._pool.submit(self._run, task, begun)
        # without it the same callback would be offered again
        while not begun.wait(0.1) and self.context.ok() and not self._ended.is_set():
            pass

    def _run(self, task: Task, begun: threading.Event) -> None:
        begun.set()
        task()
        if task.done() and (error := task.exception()) is not None:
            self._raised.append(error)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop, and wait for the callbacks under way."""
        finished = super().shutdown(timeout_sec)
        self._pool.shutdown()
        return finished
