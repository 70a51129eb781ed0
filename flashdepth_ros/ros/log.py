"""The log of the rooms that know no ROS, in a node's log."""
import logging

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node


class RosLog(logging.Handler):
    """Passes what the ROS-free modules log on to a node's logger."""

    def __init__(self, logger: RcutilsLogger):
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        # one call for each severity: rclpy ties a place in the code to one
        if record.levelno >= logging.ERROR:
            self._logger.error(record.getMessage())
        elif record.levelno >= logging.WARNING:
            self._logger.warning(record.getMessage())
        else:
            self._logger.info(record.getMessage())


def log_through(node: Node) -> None:
    """Let what this package logs appear in the node's log."""
    package = logging.getLogger('flashdepth_ros')
    package.setLevel(logging.INFO)
    package.addHandler(RosLog(node.get_logger()))
