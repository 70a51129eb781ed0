"""Bags, folders and simulated scenes as recordings."""
import numpy as np
import pytest

from flashdepth_ros.files.bag_writer import BagWriter
from flashdepth_ros.files.rgbd_folder import RgbdWriter
from flashdepth_ros.images.intrinsics import Intrinsics
from flashdepth_ros.models import model_spec
from flashdepth_ros.simulation import SimulationError
from flashdepth_ros.tools import record_simulation
from flashdepth_ros.training.data_sources import Reading, recordings_of, split_weight
from flashdepth_ros.training.recordings import DataError

CAMERA = Intrinsics.from_field_of_view(70, 96, 72)


def frames(count=3):
    for index in range(count):
        depth = np.full((72, 96), 1.5 + index, np.float32)
        depth[:9] = np.inf
        depth[9:18] = np.nan
        yield np.full((72, 96, 3), 40 * index + 20, np.uint8), depth


@pytest.fixture
def reading(tmp_path):
    return Reading(model_spec('flashdepth-nano'), tmp_path / 'cache', short_side=42)


def check(recording, name):
    assert recording.name == name and len(recording) == 3 and recording.size == (42, 56)
    for index in range(3):
        depth = np.asarray(recording.depth[index])
        assert set(np.unique(depth)) == {0.0, 1.5 + index} and not depth[:9].any()
        assert (depth[12:] == 1.5 + index).all()
        assert abs(float(recording.rgb[index].mean()) - 40 * index - 20) < 3


def test_a_bag_and_a_folder_of_bags(tmp_path, reading):
    for name in ('first', 'second'):
        with BagWriter(tmp_path / 'drives' / name if name == 'second' else tmp_path / name) as bag:
            for index, (rgb, depth) in enumerate(frames()):
                bag.write(10 ** 9 + index * 10 ** 8, rgb, depth, CAMERA)
    first, = recordings_of(str(tmp_path / 'first'), reading)
    check(first, 'first')
    again, = recordings_of(str(tmp_path / 'first'), reading)
    assert again.rgb.filename == first.rgb.filename  # read once
    check(*recordings_of(str(tmp_path / 'drives'), reading), 'second')


def test_a_folder_of_pictures_with_depth(tmp_path, reading):
    for file_format in ('png16', 'exr'):
        writer = RgbdWriter(tmp_path / file_format, CAMERA, file_format, 10.0, {})
        for rgb, depth in frames():
            writer.write(rgb, depth)
        writer.close(complete=True)
        check(*recordings_of(str(tmp_path / file_format), reading), file_format)


def test_simulated_scenes_of_another_domain_are_those_of_a_bag(tmp_path, reading):
    try:
        recordings = recordings_of(
            'sim:5:7,hfov=105,materials=bold,size=96x72,frames=2', reading)
    except SimulationError as error:
        pytest.skip(str(error))
    assert record_simulation.main([
        '--seed', '5', '--frames', '2', '--hfov', '105', '--materials', 'bold', '--size', '96x72',
        '--output', str(tmp_path / 'drive')]) == 0
    drive, = recordings_of(str(tmp_path / 'drive'), reading)
    assert np.array_equal(drive.rgb, recordings[0].rgb)
    assert np.array_equal(drive.depth, recordings[0].depth)
    assert [each.seed for each in recordings] == [5, 6]
    assert recordings[0].intrinsics[0, 0] == pytest.approx(56 / 2 / np.tan(np.radians(52.5)))
    assert recordings[0].poses.shape == (2, 4, 4) and (recordings[0].depth > 0).mean() > 0.9
    usual, = recordings_of('sim:5,hfov=105,size=96x72,frames=2', reading)
    assert not np.array_equal(usual.rgb, recordings[0].rgb)


@pytest.mark.parametrize(('source', 'message'), [
    ('/nowhere', 'there is no /nowhere'), ('sim:a', 'is not SEED or FIRST:END'),
    ('sim:3:3', 'names no seed'), ('sim:3,colour=red', 'is not SEED'),
    ('.', 'holds nothing to train on')])
def test_sources_that_cannot_be(source, message, reading, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        recordings_of(source, reading)


def test_weights_of_sources():
    assert split_weight('drives/@2.5') == ('drives/', 2.5)
    assert split_weight('me@home/drive') == ('me@home/drive', 1.0)
    assert split_weight('drive') == ('drive', 1.0)
    with pytest.raises(DataError, match='must be positive'):
        split_weight('drive@0')
