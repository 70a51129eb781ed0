"""What every node of this package does as a process: prepare, spin, and leave without a trace."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import gc
import os
import sys
import threading
import time
import traceback

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.utilities import get_default_context

from .memory import keep_large_buffers
from .signals import leave_signals_to_ros
from .transport import use_transport_profile


def prepare(args: list[str] | None) -> None:
    """Set the process up for large messages and initialise rclpy; ends it if a signal has come."""
    keep_large_buffers()
    use_transport_profile()
    come = leave_signals_to_ros()
    rclpy.init(args=args)
    if come:
        rclpy.try_shutdown()
        sys.exit(0)


@contextmanager
def unless_ended() -> Iterator[None]:
    """Make a node in this context: a signal that comes meanwhile ends the process in order.

    It takes rclpy's context away, so that whatever comes next in the node raises.
    """
    try:
        yield
    except Exception:
        if rclpy.ok():
            raise
        # of the half-made node nothing is reachable but by its own references
        gc.collect()
        get_default_context().destroy()
        os._exit(0)


def leave(executor: Executor, timeout: float = 1.0) -> None:
    """Take leave of DDS, once the nodes are destroyed: its shared memory is freed with the context.

    A process that ends without it leaves a file of hundreds of megabytes in /dev/shm. A callback
    that runs for longer than the timeout in seconds (a model that loads) is not waited for.
    """
    def take_leave() -> None:
        executor.shutdown()
        rclpy.try_shutdown()
        get_default_context().destroy()

    thread = threading.Thread(target=take_leave, daemon=True)
    thread.start()
    thread.join(timeout)


def spin(executor: Executor, finished: Callable[[], bool] = lambda: False) -> None:
    """Spin until a signal ends rclpy's context, or until `finished`.

    A callback that raises is logged, and the node goes on. Some are rclpy's own, and no message may
    end a process: a /clock with a negative time, for example, raises in rclpy.
    """
    while rclpy.ok() and not finished():
        try:
            executor.spin_once()
        except Exception:
            if not rclpy.ok():  # a signal took the context away in the midst of a spin
                return
            get_logger('executor').error(
                f'a callback failed and was left out:\n{traceback.format_exc()}',
                throttle_duration_sec=5.0)
            time.sleep(0.01)  # what fails at once and always shall not take the whole processor


def run(
    name: str, make: Callable[[], Node], errors: tuple[type[Exception], ...],
    args: list[str] | None, finished: Callable[[Node], bool] = lambda node: False,
) -> int:
    """Run a node on one thread until a signal ends it, or until `finished`.

    name: of the program. Returns the exit status: 1 where `make` raises one of the errors, whose
    words are printed.
    """
    prepare(args)
    try:
        node = make()
    except errors as error:
        print(f'{name}: {error}', file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spin(executor, lambda: finished(node))
    node.destroy_node()
    leave(executor)
    return 0
