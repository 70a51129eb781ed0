"""Depth from one ordinary camera, steadily: streaming temporal networks for ROS 2."""
import os
import pkgutil

# Threads of PyTorch (GNU OpenMP) wait for each other a thousand times in a step, and by default
# spin for milliseconds. On a robot whose cores have other work too, the thread that is waited for
# then does not run. This is some microseconds; read when PyTorch is loaded, hence here.
if 'OMP_WAIT_POLICY' not in os.environ:
    os.environ.setdefault('GOMP_SPINCOUNT', '10000')

# The messages are generated into the installed package; from a source tree they are found there.
__path__ = pkgutil.extend_path(__path__, __name__)
