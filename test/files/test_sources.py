"""Frames from real files."""
import cv2
import numpy as np
import pytest

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
            frames = list(source)
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
        assert [int(frame[0, 0, 0]) for frame in source] == [1, 9, 10]
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
    with pytest.raises(SourceError, match=r'broken\.png cannot be read as an image'):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match='webcam 63 gives no frames'):
        open_source('63')
