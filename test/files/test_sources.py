"""Frames from real files."""
import cv2
import numpy as np
import pytest

from flashdepth_ros.files.inputs import Wishes, input_of, masked
from flashdepth_ros.files.sources import SourceError, open_source


def write_video(path, count=5, size=(48, 64), fps=12.5):
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, (size[1], size[0]))
    for i in range(count):
        writer.write(np.full((*size, 3), (0, 0, 40 * i + 20), np.uint8))  # BGR: red
    writer.release()
    return str(path)


def test_a_video_is_read_as_rgb_to_its_end_and_again(tmp_path):
    with open_source(write_video(tmp_path / 'red.mp4')) as source:
        assert source.size == (48, 64)
        assert source.fps == pytest.approx(12.5)
        assert source.frames == 5
        for _ in range(2):
            frames = [frame.rgb for frame in source]
            assert [frame.shape for frame in frames] == [(48, 64, 3)] * 5
            assert all(frame.dtype == np.uint8 for frame in frames)
            red = [float(frame[..., 0].mean()) for frame in frames]
            assert red == pytest.approx([20, 60, 100, 140, 180], abs=6)
            assert float(frames[0][..., 2].mean()) < 10
            assert list(source) == []
            source.rewind()
        next(iter(source))
        assert len(list(source)) == 4  # goes on where it stopped
    assert list(source) == []


def test_a_folder_is_read_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f'frame_{number}.png'), np.full((4, 6, 3), number, np.uint8))
    (tmp_path / 'notes.txt').write_text('no image')
    with open_source(str(tmp_path)) as source:
        assert (source.size, source.frames) == ((4, 6), 3)
        assert [int(frame.rgb[0, 0, 0]) for frame in source] == [1, 9, 10]
        source.rewind()
        assert len(list(source)) == 3


def test_a_frame_of_another_size_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / 'b.png'), np.zeros((5, 6, 3), np.uint8))
    with pytest.raises(SourceError, match=r'b\.png is 6x5, but the frames before it are 6x4'):
        list(open_source(str(tmp_path)))


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SourceError, match='no images'):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match='there is no video'):
        open_source(str(tmp_path / 'gone.mp4'))
    text = tmp_path / 'text.mp4'
    text.write_text('no video')
    with pytest.raises(SourceError, match=r'text\.mp4 cannot be read as a video'):
        open_source(str(text))
    (tmp_path / 'broken.png').write_bytes(b'no image')
    with pytest.raises(SourceError, match=r'none of its 1 images can be read, such as broken\.png'):
        open_source(str(tmp_path))


@pytest.mark.parametrize(('source', 'words'), [
    ('63', '/dev/video63 cannot be opened: No such file or directory: is it connected'),
    ('/dev/video63', '/dev/video63 cannot be opened'),
    ('/dev/null', '/dev/null cannot be opened: Inappropriate ioctl'),
    ('gopher://me:secret@host/a?key=secret', r'gopher://\*\*\*@host/a\?\*\*\* cannot be opened')])
def test_a_camera_that_is_none_is_told(source, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_source(source)
    assert 'secret' not in str(caught.value)


def test_what_a_webcam_is_asked_for():
    """There is no webcam here: this is what FFmpeg's v4l2 gets."""
    opened = input_of('/dev/video7', Wishes(640, 480, 29.97, 'mjpeg'))
    assert (opened.kind, opened.address, opened.format) == ('webcam', '/dev/video7', 'v4l2')
    assert opened.options == {
        'video_size': '640x480', 'framerate': '29.97', 'input_format': 'mjpeg'}
    assert input_of('7').options == {} and input_of('7').address == '/dev/video7'


@pytest.mark.parametrize(('address', 'shown'), [
    ('rtsp://admin:pa:ss@10.0.0.7:554/live', 'rtsp://***@10.0.0.7:554/live'),
    ('rtsp://admin:p@ss@cam/live', 'rtsp://***@cam/live'),
    ('http://cam/video.cgi?user=me&pwd=secret', 'http://cam/video.cgi?***'),
    ('rtsp://me:a/b?c@cam/live', 'rtsp://***@cam/live'),
    ('http://cam/video?user=me@home.org&pwd=secret', 'http://***@home.org?***'),
    ('http://cam:8080/b.mjpg', 'http://cam:8080/b.mjpg'),
    ('walk?.mp4', 'walk?.mp4')])
def test_credentials_are_masked(address, shown):
    assert masked(address) == shown


def test_files_of_a_folder_that_are_no_images_are_left_out_and_told(tmp_path, caplog):
    for number in (1, 2, 3):
        cv2.imwrite(str(tmp_path / f'{number}.jpg'), np.full((40, 60, 3), 50 * number, np.uint8))
    (tmp_path / '._1.jpg').write_bytes(b'\0\5\x16\7 of macOS')
    (tmp_path / 'notes.txt').write_text('no image')
    whole = (tmp_path / '2.jpg').read_bytes()
    (tmp_path / '2.jpg').write_bytes(whole[:len(whole) - 20])
    with open_source(str(tmp_path)) as source:
        frames = list(source)
    assert [(frame.name, frame.rgb.mean().round()) for frame in frames] == [('1', 50), ('3', 150)]
    assert source.damaged == 1
    assert frames[1].time == pytest.approx(2 / 30)  # the place of the one that is missing is kept
    told = caplog.text
    assert 'left out, as no images: ._1.jpg, notes.txt' in told
    assert told.count('2.jpg cannot be read as a whole image') == 1
