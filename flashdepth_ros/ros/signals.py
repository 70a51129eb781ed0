"""SIGINT and SIGTERM in a process that runs nodes."""
import signal


def leave_signals_to_ros() -> list[int]:
    """Let SIGINT and SIGTERM do no more than end rclpy's context; before rclpy.init().

    rclpy hands every signal on to the handler that was there before. Python's own would raise
    KeyboardInterrupt at any place, also in the midst of leaving: from a terminal under ros2 launch
    two signals come. Returns the list in which the signals appear that have come: rclpy does not
    see those from before the end of rclpy.init().
    """
    come: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: come.append(number))
    return come
