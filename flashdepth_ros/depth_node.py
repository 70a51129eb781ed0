"""The depth node as a program: ros2 run flashdepth_ros depth_node."""
import os
import sys

from .ros.openmp import spin_briefly

spin_briefly()  # before the node loads PyTorch

from .node.depth_node import DepthNode  # noqa: E402
from .ros.executor import PoolExecutor  # noqa: E402
from .ros.log import log_through  # noqa: E402
from .ros.program import leave, prepare, spin, unless_ended  # noqa: E402


def main(args: list[str] | None = None) -> int:
    prepare(args)
    with unless_ended():
        node = DepthNode()
        log_through(node)
        executor = PoolExecutor(num_threads=4)
        executor.add_node(node)
    spin(executor)
    node.end(timeout=0.5)  # with leave(): out within three seconds, also on a busy computer
    leave(executor)
    # A network may be loading or at work for long; nothing of it needs an orderly end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == '__main__':
    sys.exit(main())
