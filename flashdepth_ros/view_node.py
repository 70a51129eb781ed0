"""The live page as a program: ros2 run flashdepth_ros view."""
import sys

from .ros.signals import end_at_once

end_at_once()

from .ros import parameters  # noqa: E402
from .ros.program import run  # noqa: E402
from .view.address import AddressError  # noqa: E402
from .view.parameter_table import PARAMETERS  # noqa: E402

ABOUT = """
What a depth node sees, in a browser: camera and depth, the cloud, latencies, health, and its
parameters. The address is printed at the start.

subscribes to  while a page is open: image, depth/image, depth/camera_info, depth/confidence,
               depth_node/status, /diagnostics, /parameter_events
calls          depth_node's reset, change_state and parameter services
"""


class MissingPackageError(ImportError):
    """A package from PyPI that the page needs is not installed."""


def make():
    try:
        import viser  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"the page needs viser ({error}): pip install 'viser>=1.1,<1.2' rosbags") from error
    from .view.view_node import ViewNode
    return ViewNode()


def main(args: list[str] | None = None) -> int:
    return run('view', make, (MissingPackageError, parameters.ParameterError, AddressError), args,
               about=ABOUT, table=PARAMETERS)


if __name__ == '__main__':
    sys.exit(main())
