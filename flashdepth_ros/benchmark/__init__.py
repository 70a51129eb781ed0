"""A depth node measured from outside: a camera, the node and a subscriber, each a process.

tools/bench.py is the command; docs/performance.md says what it measured.
"""
