"""A simulated camera in indoor scenes: colour and true depth from a seed. No ROS here.

with Renderer(width=320, height=240, hfov=70) as renderer:
    scene = make_scene(seed)
    frame = renderer.render(scene, time=0.5)   # frame.rgb, frame.depth, frame.pose
    picture = disturb(frame.rgb, seed, index)  # what a real camera adds
    renderer.intrinsics

Without MuJoCo or EGL, importing this or making a Renderer raises ImportError with what to install.
"""
from .effects import Effects, disturb
from .egl import SimulationError
from .render import Frame, Renderer
from .scene import Scene
from .scenes import KINDS, MATERIALS, make_scene

__all__ = [
    'KINDS', 'MATERIALS', 'Effects', 'Frame', 'Renderer', 'Scene', 'SimulationError', 'disturb',
    'make_scene']
