"""A child process' errors come out, and the last of them says why it ended."""
import sys
import time

import pytest

from flashdepth_ros.ros.child_process import ChildProcess, ProcessEndedError


def test_a_process_that_ends_early_says_why(capfd):
    process = ChildProcess('camera_node', [sys.executable, '-c', (
        'import sys\n'
        'print("a warning", file=sys.stderr)\n'
        'sys.exit("camera_node: there is no camera 7")')])
    end = time.monotonic() + 20
    with pytest.raises(ProcessEndedError, match='camera_node ended with 1: there is no camera 7'):
        while time.monotonic() < end:
            process.check()
    assert capfd.readouterr().err == 'a warning\ncamera_node: there is no camera 7\n'
    process.end()


def test_a_process_that_runs_is_ended():
    process = ChildProcess('sleeper', [sys.executable, '-c', 'import time; time.sleep(60)'])
    process.check()
    process.end()
    with pytest.raises(ProcessEndedError, match='sleeper ended with -15: it gave no reason'):
        process.check()
