"""ROS packages that have no PyPI wheel, imported only where a parameter asks for them."""
import importlib
import os
from types import ModuleType

from ..ros.parameters import ParameterError


def require(module: str, package: str, purpose: str) -> ModuleType:
    """Import a ROS module that has no PyPI wheel; ParameterError names its apt package."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        distribution = os.environ.get('ROS_DISTRO', '<distro>')
        raise ParameterError(
            f'{purpose} needs {module}, which is missing ({error}): '
            f'sudo apt install ros-{distribution}-{package}') from error
