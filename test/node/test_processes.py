"""The nodes as processes of their own, as people start them."""
from contextlib import contextmanager
from pathlib import Path
import signal
import time

import cv2
from node_process import shared_memory
import numpy as np
from patience import patience
import pytest
from ros_rig import Client, to_array
from sensor_msgs.msg import Image

from flashdepth_ros.ros.image_messages import image_to_rgb
from flashdepth_ros.ros.message import stamp_to_ns

DEPTH = ('depth_node', '-p', 'model.name:=flashdepth-nano', '-p', 'model.weights:=random',
         '-p', 'engine.backend:=torch', '-p', 'output.max_range:=1000.0')


@contextmanager
def client_in(domain: int):
    client = Client(domain)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope='module')
def clip(tmp_path_factory) -> Path:
    """A video of full HD size: the size at which default settings lose every image."""
    path = tmp_path_factory.mktemp('clip') / 'clip.mp4'
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (1920, 1080))
    for i in range(20):
        frame = np.full((1080, 1920, 3), 40, np.uint8)
        cv2.circle(frame, (200 + 60 * i, 500), 150, (40, 160, 250), -1)
        video.write(frame)
    video.release()
    return path


def test_camera_to_depth_between_processes_in_full_hd(domain, start, clip):
    start(*DEPTH, '-p', 'input.short_side:=70')
    start('camera_node', '-p', f'source:={clip}', '-p', 'hfov:=90.0')
    with client_in(domain) as client:
        images = client.collect(Image, 'image')
        assert client.spin_until(lambda: len(client.received['points']) >= 20, 60)
        depth = client.received['depth/image'][-1]
        assert depth.header.frame_id == 'camera_optical'
        assert to_array(depth).shape == (1080, 1920)
        stamps = {stamp_to_ns(image.header.stamp) for image in images}
        assert stamp_to_ns(client.received['depth/image'][-2].header.stamp) in stamps
        assert image_to_rgb(images[-1]).shape == (1080, 1920, 3)
        info = client.received['depth/camera_info'][-1]
        assert info.k[0] == pytest.approx(960)  # 1920 / 2 / tan(45 degrees)
        # the camera sends at 10 Hz, and most of what it sends arrives
        first, last = client.received['depth_node/status'][0], client.status
        seconds = (stamp_to_ns(last.header.stamp) - stamp_to_ns(first.header.stamp)) / 1e9
        assert last.received - first.received >= 0.7 * 10 * seconds - 1


def test_camera_node_ends_with_its_video(domain, start, clip):
    process = start(
        'camera_node', '-p', f'source:={clip}', '-p', 'loop:=false', '-p', 'rate:=100.0')
    assert process.wait(20) == 0


def test_camera_node_explains_a_missing_source(domain, start):
    process = start('camera_node', '-p', 'source:=/no/such/clip.mp4')
    _, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert '/no/such/clip.mp4' in error and 'Traceback' not in error


@pytest.mark.parametrize('end', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('state', ['unconfigured', 'inactive', 'active'])
def test_clean_exit_in_every_state(domain, start, state, end):
    with client_in(domain) as client:
        peers = shared_memory()
        process = start(*DEPTH, '-p', 'autostart:=false')
        assert client.state() == 'unconfigured'
        for transition in {'unconfigured': (), 'inactive': ('configure',),
                           'active': ('configure', 'activate')}[state]:
            assert client.change_state(transition)
        shared = shared_memory(process.pid) - peers
        begin = time.monotonic()
        for _ in range(2):  # from a terminal, launch's process and the terminal both signal
            process.send_signal(end)
            time.sleep(0.05)
        _, error = process.communicate(timeout=30)
        assert time.monotonic() - begin < 3 * patience()
        assert process.returncode == 0
        assert 'Traceback' not in error
        assert shared and not [name for name in shared if Path(name).exists()]


def test_exit_while_the_model_loads(domain, start):
    process = start(*DEPTH, '-p', 'model.name:=flashdepth-l', '-p', 'autostart:=false')
    with client_in(domain) as client:
        # the first answer may take seconds, where a request came before both had met
        assert client.state() == 'unconfigured'
        client.ask('configure')
        assert client.spin_until(lambda: client.state() == 'configuring')
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        process.communicate(timeout=30)
        assert time.monotonic() - begin < 3 * patience()
        assert process.returncode == 0
