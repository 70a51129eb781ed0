"""What every node of this package does as a process: prepare, spin, and leave without a trace."""
from collections.abc import Callable
import os
import sys
import threading
import time
import traceback

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.logging import LoggingSeverity, get_logger
from rclpy.node import Node
from rclpy.utilities import get_default_context

from . import command_line
from .memory import keep_large_buffers
from .parameters import Table
from .signals import end_in_order
from .transport import use_transport_profile

# seconds for callbacks under way, for the node, and for DDS: out within three, also if it is busy
CALLBACKS, NODE, DDS = 0.6, 0.8, 1.0


def prepare(args: list[str] | None) -> threading.Event:
    """Set the process up for large messages and initialise rclpy.

    Returns the event that SIGINT and SIGTERM set, which do nothing else. CommandLineError.
    """
    keep_large_buffers()
    use_transport_profile()
    ended = end_in_order()
    command_line.init(args)
    return ended


def run(
    name: str, make: Callable[[], Node], errors: tuple[type[Exception], ...],
    args: list[str] | None = None, *, about: str, table: Table,
    executor: Callable[[threading.Event], Executor] = lambda ended: SingleThreadedExecutor(),
    finished: Callable[[Node], bool] = lambda node: False,
    end: Callable[[Node], None] = Node.destroy_node,
) -> int:
    """Run a node until SIGINT or SIGTERM ends it, or until `finished`.

    name: of the program. about, table: for --help: what it does, its topics, and its parameters.
    executor: made with the event that a signal sets. end: destroys the node.
    Returns the exit status: 1 where `make` raises one of the errors, whose words are printed. After
    a signal the process ends here, with 0: what may still load or work needs no orderly end.
    """
    if command_line.wants_help(args):
        print(command_line.usage(name, about, table))
        return 0
    try:
        ended = prepare(args)
    except command_line.CommandLineError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 2
    threading.Thread(target=_insist, args=(ended,), name='insist', daemon=True).start()
    try:
        node = make()
    except errors as error:
        print(f'{name}: {error}', file=sys.stderr)
        _leave_dds()
        return 1
    spinning = executor(ended)
    spinning.add_node(node)
    spin(spinning, ended, lambda: finished(node))
    # What a thread that is not waited for (a model loads) still logs of its sudden end is of no use
    _within(CALLBACKS, spinning.shutdown)
    node.get_logger().set_level(LoggingSeverity.FATAL)
    _within(NODE, lambda: end(node))
    _within(DDS, _leave_dds)
    if ended.is_set():
        _exit()
    return 0


def spin(
    executor: Executor, ended: threading.Event, finished: Callable[[], bool] = lambda: False,
) -> None:
    """Spin until `ended` is set, or until `finished`.

    A callback that raises is logged, and the node goes on. Some are rclpy's own, and no message may
    end a process: a /clock with a negative time, for example, raises in rclpy.
    """
    lock, over = threading.Lock(), []

    def wake() -> None:
        ended.wait()
        with lock:
            if not over:
                executor.create_task(lambda: None)  # to wake alone is not enough

    threading.Thread(target=wake, name='waker', daemon=True).start()
    while not ended.is_set() and not finished():
        try:
            executor.spin_once()
        except Exception:
            get_logger('executor').error(
                f'a callback failed and was left out:\n{traceback.format_exc()}',
                throttle_duration_sec=5.0)
            time.sleep(0.01)  # what fails at once and always shall not take the whole processor
    with lock:
        over.append(True)


def leave(executor: Executor) -> None:
    """Take leave of DDS, once the nodes are destroyed: its shared memory is freed with the context.

    A process that ends without it leaves a file of hundreds of megabytes in /dev/shm. A callback
    that runs for long is not waited for.
    """
    _within(CALLBACKS, executor.shutdown)
    _within(DDS, _leave_dds)


def _leave_dds() -> None:
    context = get_default_context()  # try_shutdown() puts another into its place
    rclpy.try_shutdown()
    context.destroy()


def _within(seconds: float, act: Callable[[], object]) -> None:
    """Do something, and go on without it if it takes longer."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)


def _insist(ended: threading.Event) -> None:
    """End the process without the main thread, if that is held up, by a camera that hangs."""
    ended.wait()
    time.sleep(CALLBACKS + NODE + DDS + 0.2)
    _within(DDS, _leave_dds)
    _exit()


def _exit() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
