"""Bags in, bags with depth out: the node's way of a frame without a graph, and many of them."""
