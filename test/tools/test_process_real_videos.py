"""process_video on videos as people have them: pauses, damage, pixels that are not square."""
from fractions import Fraction
import json

import numpy as np
import pytest
from video_files import break_jpeg, cut, evenly, write_video

from flashdepth_ros.files.depth_folder import DepthFolder
from flashdepth_ros.files.sources import open_source
from flashdepth_ros.tools import process_video

SIZE = 72, 96
MODEL = ('--model', 'flashdepth-nano', '--weights', 'random', '--device', 'cpu',
         '--backend', 'torch', '--short-side', '70')


def run(source, folder, *arguments) -> tuple[int, dict]:
    status = process_video.main([str(source), '--output', str(folder), *MODEL, *arguments])
    return status, json.loads((folder / 'depth.json').read_text())


def test_a_pause_is_a_gap_of_the_stream_and_a_pause_of_the_preview(tmp_path):
    times = [*evenly(3), *(3 + time for time in evenly(3))]
    path = write_video(tmp_path / 'pause.mp4', times, size=SIZE)
    status, about = run(path, tmp_path / 'out', '--format', 'npz')
    assert (status, about['frames'], about['complete']) == (0, 6, True)
    assert about['times'] == pytest.approx(times, abs=1e-3)
    assert about['resets'] == [{'frame': 3, 'reason': 'gap in time'}]
    with open_source(str(tmp_path / 'out' / 'preview.mp4')) as preview:
        assert [frame.time for frame in preview] == pytest.approx(times, abs=1e-3)
    # after the gap depth is that of a video that begins there
    status, never = run(path, tmp_path / 'never', '--format', 'npz', '--max-gap', '0',
                        '--no-preview')
    assert never['resets'] == []
    gap, on = (DepthFolder(tmp_path / name).disparity(3) for name in ('out', 'never'))
    assert np.abs(gap - on).max() > 1e-5


def test_damaged_frames_are_counted_and_the_rest_is_processed(tmp_path, capsys):
    path = write_video(tmp_path / 'a.avi', evenly(8), 'mjpeg', SIZE, 'yuvj420p')
    break_jpeg(path, 3)
    status, about = run(path, tmp_path / 'out', '--no-preview')
    assert (status, about['frames'], about['damaged_frames'], about['complete']) == (0, 7, 1, True)
    assert 'damaged frames of' in capsys.readouterr().err
    assert about['times'][2:4] == [0.1, 0.2]


def test_a_video_that_is_cut_short_is_not_complete(tmp_path, capsys):
    path = write_video(tmp_path / 'a.mkv', evenly(40), size=SIZE)
    cut(path, 0.5)
    status, about = run(path, tmp_path / 'out', '--no-preview')
    assert (status, about['complete']) == (1, False)
    assert 5 <= about['frames'] == len(list((tmp_path / 'out').glob('frame_*'))) < 40
    assert 'is cut short: it says that it is 2.0 s long' in capsys.readouterr().err


def test_pixels_that_are_not_square(tmp_path):
    """The network sees them square; depth has the video's pixels, and the camera their shape."""
    path = write_video(tmp_path / 'pal.mp4', evenly(2), size=SIZE, aspect=Fraction(64, 45))
    status, about = run(path, tmp_path / 'out', '--metres', '--hfov', '60')
    assert status == 0
    assert about['network_size'] == [70, 140]  # 72x137 in square pixels
    assert (about['height'], about['width'], about['pixel_aspect']) == (
        *SIZE, pytest.approx(64 / 45))
    fx, fy = about['intrinsics'][0][0], about['intrinsics'][1][1]
    assert fx == pytest.approx(48 / np.tan(np.pi / 6)) and fy == pytest.approx(fx * 64 / 45)
