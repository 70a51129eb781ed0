"""The depth node. depth_node.py holds its transitions."""
