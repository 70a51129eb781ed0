"""A camera node, a depth node and its live page, until somebody ends them."""
from collections.abc import Sequence
import sys
import time

from ..ros.child_process import ChildProcess
from .recording import NAMESPACE


def show_live(*commands: Sequence[str]) -> None:
    """Run nodes until Ctrl-C.

    commands: executables, each with its ROS arguments. ProcessEndedError where one ends early.
    """
    nodes: list[ChildProcess] = []
    try:
        for name, *arguments in commands:
            nodes.append(ChildProcess(name.removesuffix('_node'), [
                sys.executable, '-m', f'flashdepth_ros.{name}',
                '--ros-args', '-r', f'__ns:=/{NAMESPACE}', *arguments]))
        while True:
            time.sleep(0.2)
            for node in nodes:
                node.check()
    except KeyboardInterrupt:
        pass
    finally:
        for node in nodes:
            node.end()
