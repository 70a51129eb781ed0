"""Humble's module layout. There is no wheel of Humble: a stand-in hides what it does not have."""
import subprocess
import sys

# STAND-IN: this rclpy, without the modules that Humble lacks, and with its names for what they hold
HUMBLE = """
import sys
import types

import rclpy.event_handler
import rclpy.lifecycle  # which imports them by the names that it has here
import rclpy.node

qos_event = types.ModuleType('rclpy.qos_event')
for name in ('PublisherEventCallbacks', 'SubscriptionEventCallbacks',
             'UnsupportedEventTypeError'):
    setattr(qos_event, name, getattr(rclpy.event_handler, name))
sys.modules['rclpy.qos_event'] = qos_event
sys.modules['rclpy.event_handler'] = None
import {module}
"""


def test_the_node_imports_there(tmp_path):
    program = tmp_path / 'program.py'  # a file: the ROS wheels run Python again
    program.write_text(HUMBLE.format(module='flashdepth_ros.depth_node'))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # the stand-in hides what it says: the module of later distributions cannot be imported
    program.write_text(HUMBLE.format(module='rclpy.event_handler'))
    assert subprocess.run([sys.executable, str(program)], capture_output=True).returncode == 1
