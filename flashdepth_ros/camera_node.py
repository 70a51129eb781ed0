"""The camera node as a program: ros2 run flashdepth_ros camera_node."""
import sys

from .ros.signals import end_at_once

end_at_once()

from .cameras.camera_node import main  # noqa: E402

if __name__ == '__main__':
    sys.exit(main())
