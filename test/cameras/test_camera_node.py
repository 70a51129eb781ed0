"""The camera node as a process: recordings at their own times, and a camera that drops."""
from fractions import Fraction
import signal
import time

from diagnostic_msgs.msg import DiagnosticStatus
from mjpeg_server import MjpegServer
import numpy as np
import pytest
from ros_rig import Client
from sensor_msgs.msg import CameraInfo, Image
from video_files import evenly, picture, write_video

from flashdepth_ros.ros.image_messages import image_to_rgb
from flashdepth_ros.ros.message import stamp_to_ns

LONG = 60  # seconds, on a machine that may be busy
CALIBRATION = """
image_width: 128
image_height: 96
camera_name: front
distortion_model: plumb_bob
camera_matrix: {rows: 3, cols: 3, data: [100, 0, 63.5, 0, 101, 47.5, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [-0.2, 0.1, 0.001, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [90, 0, 63.5, 0, 0, 91, 47.5, 0, 0, 0, 1, 0]}
"""


@pytest.fixture
def client(domain):
    client = Client(domain)
    client.images = client.collect(Image, 'image')
    client.infos = client.collect(CameraInfo, 'camera_info')
    yield client
    client.close()


def spacing(images: list[Image]) -> np.ndarray:
    return np.diff([stamp_to_ns(image.header.stamp) / 1e9 for image in images])


def test_a_pause_plays_as_a_pause_and_the_loop_goes_on(client, start, tmp_path):
    times = [*evenly(10, 10), *(1.5 + time for time in evenly(10, 10))]
    path = write_video(tmp_path / 'pause.mp4', times, aspect=Fraction(64, 45))
    (tmp_path / 'front.yaml').write_text(CALIBRATION)
    start('camera_node', '-p', f'source:={path}',
          '-p', f'camera_info_url:=file://{tmp_path}/front.yaml')
    assert client.spin_until(lambda: len(client.images) >= 25, LONG)
    gaps = spacing(client.images)
    pause = next(i for i, gap in enumerate(gaps) if gap > 0.5)
    # stamps are the video's times, however late a frame is sent
    assert gaps[pause] == pytest.approx(0.6, abs=2e-3)
    assert np.median(gaps) == pytest.approx(0.1, abs=2e-3)
    assert client.spin_until(lambda: len(client.images) >= pause + 14, LONG)
    assert np.abs(image_to_rgb(client.images[pause + 1]).astype(int) - picture(10)).mean() < 12
    info = client.infos[-1]
    assert (info.width, info.height) == (64, 48)
    assert list(info.k) == pytest.approx([50, 0, 31.5, 0, 50.5, 23.5, 0, 0, 1])
    assert list(info.p)[:7] == pytest.approx([45, 0, 31.5, 0, 0, 45.5, 23.5])
    assert list(info.d) == [-0.2, 0.1, 0.001, 0, 0]


def test_pixels_that_are_not_square_have_two_focal_lengths(client, start, tmp_path):
    path = write_video(tmp_path / 'pal.mp4', evenly(5), size=(576, 720), aspect=Fraction(64, 45))
    start('camera_node', '-p', f'source:={path}', '-p', 'hfov:=90.0')
    assert client.spin_until(lambda: client.infos, LONG)
    info = client.infos[0]
    assert (info.width, info.height) == (720, 576)
    assert (info.k[0], info.k[4]) == pytest.approx((360, 512))


class Source:
    """What the camera says of itself in the diagnostics."""

    def __init__(self, client: Client):
        self._client = client

    @property
    def status(self) -> DiagnosticStatus | None:
        """The newest."""
        return next((status for array in reversed(self._client.diagnostics)
                     for status in array.status if status.name.endswith(': source')), None)

    def says(self, level: bytes, *words: str) -> bool:
        """Wait until it says this."""
        return self._client.spin_until(lambda: self.status is not None and (
            self.status.level == level and all(word in self.status.message for word in words)),
            LONG)


def test_a_camera_that_drops_is_connected_again(client, start):
    server, source = MjpegServer(), Source(client)
    server.mode = 'refuse'
    address = f'http://me:secret@127.0.0.1:{server.port}/video.mjpg?key=secret'
    process = start('camera_node', '-p', f'source:={address}', '-p', 'timeout:=1.0')
    assert source.says(DiagnosticStatus.ERROR, 'cannot be opened', '5XX')

    def come() -> bool:
        count = len(client.images)
        return client.spin_until(lambda: len(client.images) > count + 5, LONG)

    for mode in ('stall', 'drop', 'end'):
        server.mode = 'run'
        assert come(), mode
        before, server.mode = server.requests, mode
        assert client.spin_until(lambda: server.requests > before, LONG), mode  # noqa: B023
    server.mode = 'run'
    assert source.says(DiagnosticStatus.OK, 'frames in the last second')
    server.mode = 'end'
    assert source.says(DiagnosticStatus.ERROR)
    server.mode = 'run'
    assert come()
    values = {value.key: value.value for value in source.status.values}
    assert int(values['connections']) >= 4 and int(values['damaged']) >= 1
    assert source.status.hardware_id == f'http://***@127.0.0.1:{server.port}/video.mjpg?***'

    server.mode = 'stall'  # a read that hangs does not hold up the end
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, log = process.communicate(timeout=LONG)
    assert time.monotonic() - begin < 3 * 3  # three where nothing else runs
    assert process.returncode == 0 and 'Traceback' not in log
    assert 'secret' not in log
    # once for each time that it was gone, until it had been back for some seconds
    assert log.count('tried again until it comes') == 2
    assert log.count('the server ended the stream; it is tried again until it comes') == 1
    assert log.count('gives frames again') == 1
    server.close()


def test_it_ends_while_the_camera_does_not_answer(client, start, tmp_path):
    """It has accepted the connection, and says nothing for longer than anybody waits."""
    server = MjpegServer()
    server.mode = 'stall'
    process = start('camera_node', '-p', f'source:=http://127.0.0.1:{server.port}/',
                    '-p', 'timeout:=600.0')
    assert Source(client).says(DiagnosticStatus.WARN, 'no frame yet')
    process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    process.communicate(timeout=LONG)
    assert (process.returncode, time.monotonic() - begin < 3 * 3) == (0, True)
    server.close()


@pytest.mark.parametrize(('parameters', 'words'), [
    (('source:=63',), 'webcam /dev/video63 cannot be opened'),
    (('source:=gopher://me:secret@host/',), 'gopher:// is none of http'),
    (('width:=640',), 'set both, or neither'),
    (('camera_info_url:=package://no_such_package/a.yaml', 'source:=VIDEO'), 'no package'),
    (('camera_info_url:=wide.yaml', 'source:=VIDEO'), 'another shape')],
    ids=lambda value: value if isinstance(value, str) else '')
def test_what_cannot_be_had_is_told_at_once(start, tmp_path, parameters, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / 'VIDEO', evenly(2), suffix='mp4')
    (tmp_path / 'wide.yaml').write_text(CALIBRATION.replace('width: 128', 'width: 200'))
    process = start('camera_node', *(word for each in parameters for word in ('-p', each)))
    _, log = process.communicate(timeout=LONG)
    assert process.returncode == 1
    assert words in log and 'Traceback' not in log and 'secret' not in log
