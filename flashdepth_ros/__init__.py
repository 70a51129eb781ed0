"""Depth from one ordinary camera, steadily: streaming temporal networks for ROS 2."""
import pkgutil

# The messages are generated into the installed package; from a source tree they are found there.
__path__ = pkgutil.extend_path(__path__, __name__)
