"""A simulated camera in indoor scenes: colour and true depth from a seed. No ROS here.

with Renderer(width=320, height=240, hfov=70) as renderer:
    scene = make_scene(seed)
    frame = renderer.render(scene, time=0.5)   # frame.rgb, frame.depth, frame.pose
    picture = disturb(frame.rgb, seed, index)  # what a real camera adds
    renderer.intrinsics

Without MuJoCo or EGL, importing this or making a Renderer raises ImportError with what to install.
"""
import os

os.environ.setdefault('MUJOCO_GL', 'egl')  # mujoco reads it once, when it is imported
try:
    import mujoco  # noqa: F401
except (ImportError, AttributeError) as error:  # PyOpenGL's way of saying that there is no EGL
    raise ImportError(
        f'scenes need MuJoCo and EGL ({error}): pip install mujoco, and on Debian or Ubuntu '
        f'apt install libegl1 libgl1-mesa-dri') from error

from .effects import Effects, disturb
from .render import Frame, Renderer, SimulationError
from .scenes import KINDS, Scene, make_scene

__all__ = [
    'KINDS', 'Effects', 'Frame', 'Renderer', 'Scene', 'SimulationError', 'disturb', 'make_scene']
