"""The simulated camera as a program: ros2 run flashdepth_ros sim_camera_node."""
import sys

from .cameras.sim_camera_node import main

if __name__ == '__main__':
    sys.exit(main())
