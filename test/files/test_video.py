"""Videos as people have them: odd times, shapes and colours, and damage."""
from fractions import Fraction
import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import threading

import av
import numpy as np
import pytest
from video_files import SIZE, break_jpeg, cut, evenly, picture, write_video

from flashdepth_ros.files.sources import SourceError, open_source
from flashdepth_ros.files.video_writer import VideoWriter
from flashdepth_ros.images.tone_curve import tone_table

PAUSE = [*evenly(20), *(3 + time for time in evenly(40)[20:])]


def times_of(path) -> list[float]:
    with open_source(str(path)) as source:
        return [frame.time for frame in source]


@pytest.mark.parametrize('suffix', ['mp4', 'mkv'])
def test_frames_have_the_times_of_the_video(tmp_path, suffix):
    path = write_video(tmp_path / f'pause.{suffix}', PAUSE)
    assert times_of(path) == pytest.approx(PAUSE, abs=1e-3)


def test_times_go_on_where_recordings_were_joined(tmp_path):
    joined = tmp_path / 'joined.ts'
    joined.write_bytes(b''.join(
        write_video(tmp_path / f'{i}.ts', evenly(10), 'mpeg2video').read_bytes() for i in range(2)))
    times = times_of(joined)
    assert len(times) >= 19 and times[-1] < 3  # the last before the seam may count as broken off
    assert min(np.diff(times)) > 0


@pytest.mark.parametrize(('turn', 'corner'), [
    (None, (0, 0)), ((90, False), (1, 0)), ((180, False), (1, 1)), ((-90, False), (0, 1)),
    ((0, True), (0, 1))])
def test_frames_come_the_way_up_that_they_were_filmed(tmp_path, turn, corner):
    """The white corner is at the upper left of what is stored; degrees are anticlockwise."""
    path = write_video(tmp_path / 'phone.mp4', evenly(2), turn=turn, aspect=Fraction(4, 3))
    with open_source(str(path)) as source:
        rgb = next(iter(source)).rgb
        sideways = turn is not None and turn[0] in (90, -90)
        assert source.size == rgb.shape[:2] == (SIZE[::-1] if sideways else SIZE)
        assert source.pixel_aspect == pytest.approx(3 / 4 if sideways else 4 / 3)
    height, width = rgb.shape[:2]
    corners = {(y, x): rgb[y * (height - 8):, x * (width - 8):][:8, :8].mean()
               for y in (0, 1) for x in (0, 1)}
    assert max(corners, key=corners.get) == corner and corners[corner] > 200


def test_a_broken_jpeg_among_forty_is_one_frame_less(tmp_path, caplog):
    path = write_video(tmp_path / 'camera.avi', evenly(40), 'mjpeg', pixels='yuvj420p')
    break_jpeg(path, 15)
    with open_source(str(path)) as source:
        frames = list(source)
        assert (len(frames), source.damaged, source.frames) == (39, 1, 40)
        assert [frame.time for frame in frames] == pytest.approx(
            [time for i, time in enumerate(evenly(40)) if i != 15])
        assert all(np.abs(frame.rgb.astype(int) - picture(i + (i >= 15))).mean() < 12
                   for i, frame in enumerate(frames))
        source.rewind()
        assert source.damaged == 0 and len(list(source)) == 39
    assert caplog.text.count('damaged') == 1 and 'frame at 0.75 s is damaged' in caplog.text


def test_packets_that_are_not_whole_are_damaged_frames(tmp_path):
    path = write_video(tmp_path / 'antenna.ts', evenly(40), 'mpeg2video')
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 188 * 188
    del data[middle:middle + 188]  # a packet of the transport was not received
    path.write_bytes(data)
    with open_source(str(path)) as source:
        assert 37 <= len(list(source)) < 40  # FFmpeg leaves out what has lost its head
        assert source.damaged == 1


@pytest.mark.parametrize(('name', 'codec', 'container'), [
    ('a.mp4', 'libx264', {'movflags': 'faststart'}), ('a.mkv', 'libx264', {}),
    ('a.avi', 'mjpeg', {})])
def test_a_recording_that_is_cut_short_gives_its_frames_and_says_so(
        tmp_path, name, codec, container):
    path = write_video(tmp_path / name, evenly(100), codec, container=container,
                       pixels='yuvj420p' if codec == 'mjpeg' else 'yuv420p')
    assert len(times_of(path)) == 100
    cut(path, 0.6)
    frames = []
    with open_source(str(path)) as source:
        with pytest.raises(SourceError, match=r'is cut short: it says that it is 5\.0 s long'):
            frames.extend(source)
    assert 20 < len(frames) < 80


def test_a_recording_without_its_index_is_explained(tmp_path):
    path = write_video(tmp_path / 'a.mp4', evenly(40))
    cut(path, 0.6)
    with pytest.raises(SourceError, match=r'a\.mp4 cannot be read as a video.*index at its end'):
        open_source(str(path))


@pytest.mark.parametrize('name', ['10:30:00.mp4', 'http:walk.mkv', 'rtsp:a%03d.avi'])
def test_names_with_colons(tmp_path, monkeypatch, name):
    path = write_video(tmp_path / name, evenly(5), 'mpeg4')
    monkeypatch.chdir(tmp_path)
    for source in (name, str(path), f'file://{path}'):
        assert len(times_of(source)) == 5


@pytest.mark.parametrize('pixels', ['yuv420p10le', 'yuv422p', 'gray', 'yuv444p12le'])
def test_pixels_of_other_layouts_and_depths(tmp_path, pixels):
    path = write_video(tmp_path / 'deep.mkv', evenly(1), 'ffv1', pixels=pixels)
    with open_source(str(path)) as source:
        rgb = next(iter(source)).rgb
    wanted = picture(0).astype(int)
    if pixels == 'gray':
        wanted = np.repeat(np.round(wanted @ (0.299, 0.587, 0.114))[..., None], 3, 2)
    assert np.abs(rgb - wanted).mean() < 3


@pytest.mark.parametrize(('curve', 'transfer'), [('pq', 16), ('hlg', 18)])
def test_a_high_dynamic_range_is_compressed(tmp_path, caplog, curve, transfer):
    codes = np.arange(0, 1024, 16, dtype=np.uint16)  # a ramp over the width, of full range
    path = tmp_path / 'hdr.mkv'
    with av.open(str(path), 'w') as file:
        stream = file.add_stream('ffv1', rate=20)
        stream.height, stream.width = 16, 64
        stream.pix_fmt = 'gbrp10le'
        stream.codec_context.color_trc = transfer
        frame = av.VideoFrame(64, 16, 'gbrp10le')
        for plane in frame.planes:
            rows = np.zeros((16, plane.line_size // 2), np.uint16)
            rows[:, :64] = codes
            plane.update(rows)
        frame.color_trc, frame.pts, frame.time_base = transfer, 0, Fraction(1, 20)
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with open_source(str(path)) as source:
        row = next(iter(source)).rgb[8, :, 0]
    assert np.abs(row.astype(int) - tone_table(curve)[codes * 4]).max() <= 1
    assert f'high dynamic range ({curve.upper()})' in caplog.text


def test_the_tone_curves_are_those_of_the_standards():
    """BT.2100: PQ's code 0.5806 is 203 cd/m2, 0.7518 1000; HLG's 0.75 is 203 on its display."""
    for curve, code, light in (('pq', 0.5806, 203), ('pq', 0.7518, 1000), ('pq', 0.5081, 100),
                               ('hlg', 0.75, 203), ('hlg', 1.0, 1000)):
        relative = light / 203
        shown = relative * (1 + relative * 203 ** 2 / 1e6) / (1 + relative)
        assert tone_table(curve)[round(code * 4095)] == pytest.approx(
            255 * min(shown, 1) ** (1 / 2.4), abs=1)
        assert (np.diff(tone_table(curve).astype(int)) >= 0).all()


def test_interlaced_video_is_told(tmp_path, caplog):
    path = write_video(tmp_path / 'tape.mpg', evenly(5), 'mpeg2video',
                       options={'flags': '+ilme+ildct'})
    assert len(times_of(path)) == 5
    assert caplog.text.count('is interlaced') == 1


def test_a_written_video_keeps_its_times(tmp_path):
    writer = VideoWriter(tmp_path / 'a:b.mp4', (SIZE[0] + 1, SIZE[1] + 1), 20)
    for i, time in enumerate(PAUSE):
        writer.write(picture(i, (SIZE[0] + 1, SIZE[1] + 1))[..., ::-1], time)
    writer.close()
    with open_source(str(tmp_path / 'a:b.mp4')) as source:
        frames = list(source)
    assert [frame.time for frame in frames] == pytest.approx(PAUSE, abs=1e-3)
    assert np.abs(frames[7].rgb[:-1, :-1].astype(int)
                  - picture(7, (SIZE[0] + 1, SIZE[1] + 1))[:-1, :-1]).mean() < 8


def test_a_recording_at_an_address_is_no_camera(tmp_path):
    write_video(tmp_path / 'a.mp4', evenly(20), container={'movflags': 'faststart'})
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://me:secret@127.0.0.1:{server.server_port}'
        with open_source(f'{address}/a.mp4') as source:
            assert not source.live
            for _ in range(2):
                assert [frame.time for frame in source] == pytest.approx(evenly(20), abs=1e-3)
                source.rewind()
        with pytest.raises(SourceError, match='404') as caught:
            open_source(f'{address}/b.mp4')
        assert 'secret' not in str(caught.value)
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
