"""Nodes that stand in for a camera driver."""
