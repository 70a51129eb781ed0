"""Several models on the same frames: numbers, pictures and the report."""
import base64
import re

import cv2
from egl import needs_egl
import numpy as np
import pytest

from flashdepth_ros.scoring import comparison
from flashdepth_ros.scoring.sequences import FrameStore
from flashdepth_ros.tools import evaluate


@pytest.fixture
def compared(tmp_path):
    """Make a clip of 12 frames, a model that is right and one that drifts from frame 10 on."""
    rng = np.random.default_rng(1)
    wall = rng.uniform(1, 9, (20, 30))
    clip = comparison.Clip('a wall', 12, lambda i: np.full((20, 30, 3), 20 * i, np.uint8),
                           lambda i: wall, 10.0)
    right, drifting = FrameStore(tmp_path / 'right'), FrameStore(tmp_path / 'drifting')
    for i in range(12):
        right.add(2 / wall + 0.1)
        drifting.add((1 + 0.5 * (i >= 10)) / wall)
    return clip, [comparison.outcome('right', clip, right, 5.0),
                  comparison.outcome('drifting', clip, drifting, 7.0)]


def test_a_drift_shows_with_length(compared):
    _, (right, drifting) = compared
    assert list(right.lengths) == [10, 12]
    assert max(right.lengths.values()) < 1e-5
    assert drifting.lengths[10] < 1e-5 and drifting.lengths[12] > 0.05
    assert np.argmax(drifting.scores.rows['change_error']) == 9  # from frame 9 to 10


def test_a_slice_is_the_middle_column_through_time(compared):
    clip, (right, _) = compared
    assert right.slice.shape == (comparison.HEIGHT, 12)
    np.testing.assert_allclose(
        right.slice[:, 3], comparison.column(1 / clip.depth(3)), rtol=1e-5)


def test_the_report_is_one_file_with_its_pictures(compared):
    page = comparison.report([compared], 'right & drifting')
    assert '<h1>right &amp; drifting</h1>' in page and '<td>drifting</td>' in page
    pictures = [cv2.imdecode(np.frombuffer(base64.b64decode(each), np.uint8), cv2.IMREAD_COLOR)
                for each in re.findall(r'base64,([^"]+)"', page)]
    assert len(pictures) == 3  # against length, slices, flicker
    assert all(picture.std() > 10 for picture in pictures)
    assert 'http' not in page


def test_models_and_engines_on_a_simulated_scene(tmp_path, capsys):
    needs_egl()
    report = tmp_path / 'report.html'
    assert evaluate.main([
        '--seeds', '3', '--size', '98x84', '--max-frames', '4', '--compare', 'flashdepth-s@torch',
        'flashdepth-nano@torch', '--weights', 'random', '--report', str(report)]) == 0
    text = capsys.readouterr().out
    assert '| flashdepth-s@torch | 4 |' in text and '| flashdepth-nano@torch | 4 |' in text
    assert report.stat().st_size > 50_000
    assert evaluate.main(['--seeds', '3', '--compare', 'no-such']) == 1
    assert "there is no model 'no-such'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate.main(['--bag', 'x', '--compare', 'auto'])
    assert '--compare takes --seeds or --dataset' in capsys.readouterr().err
