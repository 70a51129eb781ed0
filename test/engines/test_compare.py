"""compare_engines measures against the plain network."""
import re

import cv2
import numpy as np
import pytest

from flashdepth_ros.tools import compare_engines


def test_the_plain_network_comes_first(capsys):
    assert compare_engines.main([
        '--model', 'tiny-ovda', '--weights', 'random', '--size', '84x70', '--steps', '3',
        'torch:bf16']) == 0
    text = capsys.readouterr().out
    first, *lines = text.splitlines()
    assert re.search(r'3 steps, .* GFLOP a step; .* GFLOP/s in fp32, \d+ GFLOP/s in bf16', first)
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines[3:]]
    assert [row[0] for row in rows] == ['plain', 'torch:fp32', 'torch:bf16']
    assert rows[0][3] == '1.00' and rows[1][4] == '1.00'
    deviations = [float(row[7].split(',')[1]) for row in rows]
    assert deviations[0] == 0 and 0 < deviations[1] < 1e-5 < deviations[2]


@pytest.mark.parametrize('arguments', [['--size', '85x70'], ['--steps', '0'], ['--model', 'nonet']])
def test_wrong_arguments(arguments):
    with pytest.raises(SystemExit) as exit_:
        compare_engines.main(arguments)
    assert exit_.value.code == 2


def test_a_size_that_the_model_does_not_use(capsys, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((168, 84, 3), np.uint8))
    assert compare_engines.main([
        '--model', 'vda-s', '--weights', 'random', '--size', '84x168', '--steps', '1', '--video',
        str(tmp_path), 'torch']) == 1
    assert re.search(r'vda-s brings a video of 84x168 to \d+x\d+: choose', capsys.readouterr().err)
