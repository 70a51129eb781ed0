"""Depth from one ordinary camera, steadily: streaming temporal networks for ROS 2."""
import os
import pkgutil

# Threads of PyTorch (OpenMP) wait for each other a thousand times in a step, and by default they do
# so by spinning. On a robot whose cores are busy with other work the one that is waited for then
# does not run, and a step takes 100 times as long. Read when PyTorch is loaded, hence here.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

# The messages are generated into the installed package; from a source tree they are found there.
__path__ = pkgutil.extend_path(__path__, __name__)
