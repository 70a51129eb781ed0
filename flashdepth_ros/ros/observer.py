"""A node inside a command that watches other nodes: prepared, spun while frames come, and left."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import signal
import time
from typing import TypeVar

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from tqdm import tqdm

from .memory import keep_large_buffers
from .program import leave
from .transport import use_transport_profile

Observer = TypeVar('Observer', bound=Node)


@contextmanager
def observer(make: Callable[[], Observer]) -> Iterator[tuple[Observer, Executor]]:
    """Initialise ROS, make a node and its executor; destroy all of it at the end.

    SIGINT and SIGTERM raise KeyboardInterrupt meanwhile, as a command wants it.
    """
    keep_large_buffers()
    use_transport_profile()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    try:
        node = make()
        executor.add_node(node)
        try:
            yield node, executor
        finally:
            node.destroy_node()
    finally:
        leave(executor)
        signal.signal(signal.SIGTERM, before)


def spin_until_received(
    executor: Executor, received: Callable[[], int], frames: int, wait: float,
    check: Callable[[], None] = lambda: None, description: str | None = None,
) -> bool:
    """Spin until so many frames are received; False where none has come for `wait` seconds.

    check: called all the while; what it raises ends the spinning. description: of the bar that
    shows how far it is.
    """
    done, last = 0, time.monotonic()
    with tqdm(total=frames, unit='frame', desc=description, disable=None) as bar:
        while done < frames:
            executor.spin_once(timeout_sec=0.1)
            new = min(received(), frames) - done
            if new:
                bar.update(new)
                done, last = done + new, time.monotonic()
            check()
            if time.monotonic() - last > wait:
                return False
    return True
