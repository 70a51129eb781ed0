"""The camera node as a program: ros2 run flashdepth_ros camera_node."""
import sys

from .cameras.camera_node import main

if __name__ == '__main__':
    sys.exit(main())
