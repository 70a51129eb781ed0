"""Benchmarks on disk as sequences of frames: pictures, true depth in metres, cameras. No ROS.

docs/evaluation.md lists the datasets and their layouts. Pictures and truths are paired by name, by
stamp or by an index, as each dataset says, never by their order.
"""
