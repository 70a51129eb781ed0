"""Rendered clips of two scenes, which the tests of training share."""
import pytest

from flashdepth_ros.simulation import SimulationError
from flashdepth_ros.tools import make_scenes
from flashdepth_ros.training.shards import Shards

FRAMES, HEIGHT, WIDTH = 4, 70, 84


@pytest.fixture(scope='session')
def scenes(tmp_path_factory):
    """Return a folder with the clips of two scenes."""
    folder = tmp_path_factory.mktemp('scenes')
    try:
        assert make_scenes.main([
            str(folder), '--clips', '2', '--frames', str(FRAMES), '--interval', '0.2',
            '--height', str(HEIGHT), '--width', str(WIDTH), '--shard', '1',
            '--processes', '1']) == 0
    except SimulationError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture
def shards(scenes):
    return Shards(scenes)
