"""The depth node as a program: ros2 run flashdepth_ros depth_node."""
import gc
import sys

from .ros.signals import end_at_once

end_at_once()
gc.disable()  # to look for garbage among what is imported takes a tenth of the start

from .ros.openmp import spin_briefly  # noqa: E402

spin_briefly()  # before the node loads PyTorch

from .node.depth_node import DepthNode  # noqa: E402
from .node.parameter_table import PARAMETERS  # noqa: E402
from .ros.executor import PoolExecutor  # noqa: E402
from .ros.log import log_through  # noqa: E402
from .ros.program import NODE, run  # noqa: E402

gc.enable()
gc.freeze()  # and 0.1 s in the midst of a frame

ABOUT = """
Depth of one or several cameras, from a network that remembers earlier frames. A lifecycle node;
with autostart it configures and activates itself.

subscribes to  image, camera_info; with input.transport: compressed image/compressed; with
               scale.mode: reference reference/depth/image or reference/points
publishes      depth/image, depth/camera_info, depth/confidence, points, disparity/image,
               depth/preview, depth/slice, ~/status, /diagnostics
serves         ~/reset, and the services of a lifecycle node
Below its name where a camera has one: front/image, front/depth/image.
"""


def make() -> DepthNode:
    node = DepthNode()
    log_through(node)
    return node


def main(args: list[str] | None = None) -> int:
    return run(
        'depth_node', make, (), args, about=ABOUT, table=PARAMETERS,
        executor=lambda ended: PoolExecutor(num_threads=4, ended=ended),
        end=lambda node: node.end(timeout=NODE / 2))


if __name__ == '__main__':
    sys.exit(main())
