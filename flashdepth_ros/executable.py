"""What every node of this package does as a process: prepare, spin, and leave without a trace."""
from collections.abc import Callable

import rclpy
from rclpy.executors import Executor
from rclpy.utilities import get_default_context

from .process import keep_large_buffers, leave_signals_to_ros, use_transport_profile


def prepare(args: list[str] | None) -> None:
    """Set the process up for large messages and initialise rclpy."""
    keep_large_buffers()
    use_transport_profile()
    leave_signals_to_ros()
    rclpy.init(args=args)


def leave(executor: Executor) -> None:
    """Take leave of DDS, once the nodes are destroyed: its shared memory is freed with the context.

    A process that ends without it leaves a file of hundreds of megabytes in /dev/shm.
    """
    executor.shutdown(timeout_sec=0.5)
    rclpy.try_shutdown()
    get_default_context().destroy()


def spin(executor: Executor, finished: Callable[[], bool] = lambda: False) -> None:
    """Spin until a signal ends rclpy's context, or until `finished`."""
    try:
        while rclpy.ok() and not finished():
            executor.spin_once()
    except Exception:
        if rclpy.ok():  # else: a signal took the context away in the midst of a spin
            raise
