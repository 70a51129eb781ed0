"""Several models on the same frames: numbers, pictures and the report."""
import base64
import json
import re

import cv2
from egl import needs_egl
import numpy as np
import pytest

from flashdepth_ros.scoring import comparison
from flashdepth_ros.scoring.comparison_report import as_html, check_report_name, write_report
from flashdepth_ros.scoring.sequences import FrameStore, ScoringError
from flashdepth_ros.tools import evaluate
from flashdepth_ros.tools.evaluation_sources import StreamingModel


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
    assert max(rel for rel, _ in right.lengths.values()) < 1e-5
    assert {delta for _, delta in right.lengths.values()} == {1}
    assert drifting.lengths[10][0] < 1e-5 and drifting.lengths[12][0] > 0.05
    assert np.argmax(drifting.scores.rows['change_error']) == 9  # from frame 9 to 10


def test_a_slice_is_the_middle_column_through_time(compared):
    clip, (right, _) = compared
    assert right.slice.shape == (comparison.HEIGHT, 12)
    np.testing.assert_allclose(
        right.slice[:, 3], comparison.column(1 / clip.depth(3)), rtol=1e-5)


def test_the_report_is_one_file_with_its_pictures(compared):
    page = as_html([compared], 'right & drifting')
    assert '<h1>right &amp; drifting</h1>' in page and '<td>drifting</td>' in page
    pictures = [cv2.imdecode(np.frombuffer(base64.b64decode(each), np.uint8), cv2.IMREAD_COLOR)
                for each in re.findall(r'base64,([^"]+)"', page)]
    assert len(pictures) == 4  # against length, whole frames, slices, flicker
    assert all(picture.std() > 10 for picture in pictures)
    assert 'http' not in page


def test_the_report_as_a_pdf(compared, tmp_path):
    path = tmp_path / 'report.pdf'
    write_report([compared], 'right & drifting', path)
    data = path.read_bytes()
    assert data.startswith(b'%PDF') and b'%%EOF' in data[-32:]
    assert len(re.findall(rb'/Type /Page\b', data)) == 5  # the table first
    for name in ('report.txt', 'no-such-folder/report.pdf'):
        with pytest.raises(ScoringError, match='report'):
            check_report_name(tmp_path / name)


def test_a_folder_of_pictures_is_given_to_all_models_in_turns(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    for i in range(2, 8):  # pictures 2 and 5 have no truth, and are seen all the same
        (tmp_path / 'rgb').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f'rgb/{i}.png'), np.full((84, 98, 3), 30 * i, np.uint8))
        if i not in (2, 5):
            (tmp_path / 'depth').mkdir(exist_ok=True)
            np.save(tmp_path / f'depth/{i}.npy', rng.uniform(1, 5, (84, 98)))
    steps = []
    plain = StreamingModel.step

    def recorded(self, rgb):
        steps.append((rgb[0, 0, 0] // 30, self))
        return plain(self, rgb)
    monkeypatch.setattr(StreamingModel, 'step', recorded)
    arguments = [str(tmp_path / 'rgb'), str(tmp_path / 'depth'), '--compare',
                 'flashdepth-nano@torch', 'flashdepth-nano', '--backend', 'torch', '--json',
                 str(tmp_path / 'numbers.json')]
    assert evaluate.main(arguments) == 1
    assert '1 of 5 frames have no partner' in capsys.readouterr().err  # 5; 2 comes before all
    assert evaluate.main([*arguments, '--allow-unpaired', '25', '--report',
                          str(tmp_path / 'report.pdf')]) == 0
    first, second = steps[0][1], steps[1][1]
    assert first is not second
    assert steps == [(2, first), (2, second), (3, first), (3, second), (4, second), (4, first),
                     (5, first), (5, second), (6, first), (6, second), (7, second), (7, first)]
    assert '| flashdepth-nano@torch | 4 |' in capsys.readouterr().out
    sequence, = json.loads((tmp_path / 'numbers.json').read_text())['sequences']
    one, other = sequence['models']
    assert one['abs_rel'] == other['abs_rel'] > 0  # neither has met the other's state
    assert [each['frames'] for each in one['lengths']] == [4] and one['milliseconds'] > 0
    assert evaluate.main([*arguments, '--allow-unpaired', '25', '--report', 'report.txt']) == 1
    assert 'a report is .html or .pdf' in capsys.readouterr().err


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
    assert '--compare takes --seeds, --dataset or pictures and truth' in capsys.readouterr().err
