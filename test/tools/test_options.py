"""What the commands' options take."""
import argparse

import pytest

from flashdepth_ros.cameras.sim_camera_node import PARAMETERS
from flashdepth_ros.tools.options import LARGEST_SEED, image_size, network_size, seed, seeds


def test_commands_and_the_simulated_camera_take_the_same_seeds():
    parameter = PARAMETERS['seed']
    for number in (0, 3_000_000_000, LARGEST_SEED):
        assert seed(str(number)) == number
        assert parameter.problem(number) is None
    assert parameter.problem(LARGEST_SEED + 1)
    for text in ('-1', str(LARGEST_SEED + 1)):
        with pytest.raises(argparse.ArgumentTypeError, match='must lie between 0 and'):
            seed(text)


def test_seeds():
    assert (seeds('7'), seeds('2:4'), seeds(':2'), seeds('1,9')) == ([7], [2, 3], [0, 1], [1, 9])
    for text in ('5:5', '1,-2'):
        with pytest.raises(argparse.ArgumentTypeError):
            seeds(text)


@pytest.mark.parametrize(('parse', 'text', 'words'), [
    (image_size, '320', 'is not WIDTHxHEIGHT'), (image_size, '8x320', 'from 14 to 4096'),
    (network_size, 'axb', 'is not WIDTHxHEIGHT'), (network_size, '518x500', 'multiple of 14')])
def test_sizes_that_cannot_be_are_explained(parse, text, words):
    assert (image_size('320x240'), network_size('28X14')) == ((320, 240), (14, 28))
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        parse(text)
