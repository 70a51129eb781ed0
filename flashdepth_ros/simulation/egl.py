"""MuJoCo and a graphics context without a screen; says what to install where one is missing."""
import os


class SimulationError(ImportError):
    """What rendering needs is not installed; the message says what to install."""

    def __init__(self, reason: object):
        super().__init__(
            f'scenes need MuJoCo and EGL ({reason}): pip install mujoco, and on Debian or Ubuntu '
            f'apt install libegl1 libopengl0 libgl1-mesa-dri')


os.environ.setdefault('MUJOCO_GL', 'egl')  # mujoco reads it once, when it is imported
try:
    import mujoco  # noqa: F401
except AttributeError as error:  # PyOpenGL's way of saying it: of None
    raise SimulationError('there is no EGL library') from error
except Exception as error:  # ImportError; ctypes.ArgumentError where there is no OpenGL library
    raise SimulationError(error) from error


def open_context(width: int, height: int):
    """Return MuJoCo's EGL context. Raises SimulationError."""
    try:
        from mujoco.egl import GLContext
        context = GLContext(width, height)
        context.make_current()
    except Exception as error:  # as above
        raise SimulationError(error) from error
    return context
