"""Running nodes are compared with their truth over DDS."""
import json
import os
import subprocess
import sys
import time

from egl import needs_egl
import numpy as np
import pytest
from ros_rig import SECOND, Client
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from flashdepth_ros.ros.image_messages import depth_to_image


@pytest.fixture
def evaluate(domain, tmp_path):
    """Start evaluate --live; at its end its exit code, JSON and standard error are there."""
    running = []

    def start(*arguments: str) -> subprocess.Popen:
        running.append(subprocess.Popen(
            [sys.executable, '-m', 'flashdepth_ros.tools.evaluate', '--live',
             '--json', str(tmp_path / 'scores.json'), *arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def test_depth_that_is_ten_per_cent_too_large_is_found_out(domain, evaluate, tmp_path):
    process = evaluate('--max-frames', '6', '--align', 'none', '--namespace', 'robot',
                       '--max-depth', '22')
    client = Client(domain, 'robot')
    truth_topic = client.node.create_publisher(Image, 'truth/depth/image', 5)
    depth_topic = client.node.create_publisher(Image, 'depth/image', 5)
    rng = np.random.default_rng(0)
    try:
        index = 0
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            index += 1
            header = Header()
            header.stamp.sec, header.stamp.nanosec = divmod(index * SECOND // 10, SECOND)
            depth = rng.uniform(1, 9, (30, 40)).astype(np.float32)
            depth[0] = 20.0
            truth_topic.publish(depth_to_image(depth, header))
            if index % 3:  # a network that skips frames
                wrong = (depth * 1.1).astype(np.float32)
                wrong[0] = np.inf  # farther than output.max_range: clipped to --max-depth, 22
                wrong[1] = np.nan  # no value
                depth_topic.publish(depth_to_image(wrong, header))
            client.spin_until(lambda: False, 0.05)
        assert process.wait(10) == 0
    finally:
        client.close()
    found = json.loads((tmp_path / 'scores.json').read_text())
    assert found['frames'] == 6
    assert found['abs_rel'] == pytest.approx(0.1, rel=1e-4)
    assert found['coverage'] == pytest.approx(29 / 30)


def test_simulated_camera_and_depth_node_are_evaluated(start, evaluate, tmp_path):
    needs_egl()
    start('depth_node', '-p', 'model.weights:=random', '-p', 'engine.backend:=torch',
          '-p', 'output.max_range:=1000.0')
    start('sim_camera_node', '-p', 'width:=98', '-p', 'height:=84')
    process = evaluate('--max-frames', '3', '--align', 'median', '--wait', '90')
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert '| flashdepth-s (torch, fp32) | median | 3 |' in out
    found = json.loads((tmp_path / 'scores.json').read_text())
    assert found['abs_rel'] > 0 and found['coverage'] > 0.9


def test_silence_is_explained(evaluate):
    process = evaluate('--wait', '2')
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert '/depth/image has 0 publishers, /truth/depth/image has 0 publishers' in error
