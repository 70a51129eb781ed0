"""What running nodes make of a video or of a simulated scene, recorded and drawn.

tools/demo.py is the command.
"""
