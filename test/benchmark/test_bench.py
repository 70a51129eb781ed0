"""The benchmark: a real run of a few seconds, and what it makes of its numbers."""
import json
import os

import cv2
import numpy as np
import psutil
import pytest

from flashdepth_ros.benchmark.measure import Samples, search_rate
from flashdepth_ros.benchmark.pictures import forth_and_back, moving_texture
from flashdepth_ros.benchmark.report import drift, percentiles
from flashdepth_ros.tools.bench import assignments, main


@pytest.mark.parametrize('peak', [0.3, 7.0, 55.0])
def test_the_search_finds_the_rate(peak):
    tried = []

    def lost_at(rate):
        tried.append(rate)
        return max(0.0, 1 - peak / rate)

    found = search_rate(lost_at, 0.01, 120.0)
    assert 0.95 * peak < found < 1.02 * peak
    assert len(tried) < 14


def test_the_search_knows_its_ends():
    assert search_rate(lambda rate: 0.0, 0.01, 60.0) == 60.0
    assert search_rate(lambda rate: 1.0, 0.01, 60.0) == 0.0


def status(total: float, memory: float) -> dict:
    return {'total_ms': total, 'cpu_memory': memory}


def test_drift_compares_the_end_with_frame_100():
    assert drift(Samples(statuses=[status(9.0, 1e8)] * 399)) is None
    # slow at the start, a step in memory after the first tenth
    statuses = ([status(50.0, 1e8)] * 20 + [status(10.0, 1e8)] * 200
                + [status(10.5, 1.03e8)] * 780)
    found = drift(Samples(statuses=statuses))
    assert found['latency'] == pytest.approx(0.05)
    assert found['memory_bytes'] == pytest.approx(3e6)


def test_percentiles_leave_nan_out():
    assert percentiles([float('nan')]) is None
    found = percentiles([*range(1, 102), float('nan')])
    assert (found['p50'], found['p90']) == (51, 91)


def test_pictures_move_a_little():
    pictures = moving_texture(60, 90)
    assert all(picture.shape == (60, 90, 3) and picture.dtype == np.uint8 for picture in pictures)
    change = np.abs(pictures[0].astype(int) - pictures[1]).mean()
    assert 0.5 < change < np.abs(pictures[0].astype(int) - pictures[-1]).mean()
    assert forth_and_back(4) == [0, 1, 2, 3, 2, 1]


def test_options_that_mean_nothing_are_refused(capsys):
    assert assignments(['backend=onnx', 'points.stride=4', 'points.color=false']) == {
        'engine.backend': 'onnx', 'points.stride': 4, 'points.color': False}
    for arguments in (['--against', 'nonsense=1'], ['--size', '0x9'], ['--rate', '-1']):
        with pytest.raises(SystemExit):
            main(arguments)
        assert arguments[0].lstrip('-') in capsys.readouterr().err or 'nonsense' in arguments[1]


def children() -> set[psutil.Process]:
    """Return the processes below this one; multiprocessing keeps one of its own."""
    return set(psutil.Process(os.getpid()).children(recursive=True))


def test_a_short_run(tmp_path, domain, monkeypatch, capfd):
    before = children()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    assert main(['--model', 'flashdepth-nano', '--size', '98x84', '--backend', 'torch',
                 '--short-side', '84', '--rate', '10', '--frames', '20', '--blocks', '2',
                 '--cameras', '2', '--against', 'points.stride=1', '--output', str(tmp_path)]) == 0
    report = json.loads((tmp_path / 'bench.json').read_text())
    assert report['matmul_peak']['fp32'] > 1e9
    for result in report['results']:
        assert result['frames'] == 40    # of two cameras
        assert result['lost'] < 0.5
        assert result['flops'] > 1e8 and 0 < result['utilisation'] < 2
        assert result['cpu_ms_per_frame'] > 0 and min(result['resident_bytes']) > 1e8
        for one in result['statuses']:
            stages = sum(one[f'{stage}_ms'] for stage in (
                'decode', 'preprocess', 'model', 'postprocess', 'publish'))
            assert 0 < stages <= one['total_ms'] <= one['age_ms']
        assert result['milliseconds']['stamp to subscriber, points']['p50'] > 0
    table = (tmp_path / 'bench.md').read_text()
    assert table in capfd.readouterr().out
    assert '| flashdepth-nano | stride 1 |' in table and 'GFLOP' in table
    assert cv2.imread(str(tmp_path / 'latency.png')).shape[1] > 1000    # two columns
    assert children() == before


def test_a_node_that_does_not_start_is_told(tmp_path, domain, monkeypatch, capfd):
    before = children()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    assert main(['--size', '98x84', '--command', 'false', '--output', str(tmp_path)]) == 1
    assert 'ended with 1' in capfd.readouterr().err
    assert children() == before
