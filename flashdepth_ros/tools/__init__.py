"""Command line tools, each also `python3 -m flashdepth_ros.tools.NAME`. No ROS here."""
