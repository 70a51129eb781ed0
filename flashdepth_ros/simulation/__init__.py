"""A simulated camera in indoor scenes: colour and true depth from a seed. No ROS here.

    scene = make_scene(seed)
    with Renderer(width=320, height=240, hfov=70) as renderer:
        frame = renderer.render(scene, time=0.5)   # frame.rgb, frame.depth, frame.pose
        renderer.intrinsics
"""
from .render import Frame, Renderer, SimulationError
from .scenes import KINDS, Scene, make_scene

__all__ = ['KINDS', 'Frame', 'Renderer', 'Scene', 'SimulationError', 'make_scene']
