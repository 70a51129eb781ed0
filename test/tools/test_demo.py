"""The demo as the Makefile starts it: real nodes in processes of their own, and what it leaves."""
import os
import subprocess
import sys

import cv2
from egl import needs_egl
import numpy as np
import pytest

FRAMES, SIZE = 3, (120, 160)


@pytest.fixture
def demo(domain, tmp_path):
    """Run the demo with options; give its finished process and the folder that it wrote to."""
    def run(*options):
        folder = tmp_path / 'out'
        return subprocess.run(
            [sys.executable, '-m', 'flashdepth_ros.tools.demo', '--model', 'flashdepth-nano',
             '--short-side', '84', '--frames', str(FRAMES), '--output', str(folder), *options],
            env=os.environ | {'ROS_DOMAIN_ID': str(domain)}, capture_output=True, text=True,
            timeout=240), folder

    return run


@pytest.fixture
def video(tmp_path):
    path = str(tmp_path / 'street.mp4')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'mp4v'), 10, SIZE[::-1])
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    for i in range(20):
        writer.write(np.roll(cv2.GaussianBlur(noise, (0, 0), 3), 2 * i, 1))
    writer.release()
    return path


def check(folder):
    """Look at what every demo leaves: pictures, a video of as many frames, and the latencies."""
    picture = cv2.imread(str(folder / 'frames.png'))
    assert min(picture.shape[:2]) > 200 and picture.std() > 20
    with_video = cv2.VideoCapture(str(folder / 'preview.mp4'))
    frames = 0
    while with_video.read()[0]:
        frames += 1
    assert frames == FRAMES
    report = (folder / 'latency.md').read_text()
    assert '| total (arrival to published) |' in report
    return report


def test_a_video_becomes_pictures_and_latencies(demo, video):
    process, folder = demo('--video', video)
    assert process.returncode == 0, process.stderr
    report = check(folder)
    assert report in process.stdout and 'truth' not in report


def test_a_simulated_scene_is_compared_with_the_truth(demo):
    needs_egl()
    process, folder = demo('--sim', '1')
    assert process.returncode == 0, process.stderr
    assert f'Against the true depth of {FRAMES} frames' in check(folder)


def test_what_cannot_be_played_ends_it_with_one_sentence(demo):
    process, folder = demo('--video', 'nowhere.mp4')
    assert process.returncode == 1 and not folder.exists()
    assert process.stderr.startswith('demo: ') and 'nowhere.mp4' in process.stderr
    assert 'Traceback' not in process.stderr
