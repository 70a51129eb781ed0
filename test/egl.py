"""Whether this machine renders scenes."""
import pytest


def needs_egl() -> None:
    """Skip a test, or a module that calls this first, where MuJoCo or EGL is missing."""
    try:
        from flashdepth_ros.simulation import Renderer
        Renderer(16, 16).close()
    except ImportError as error:
        pytest.skip(str(error), allow_module_level=True)
