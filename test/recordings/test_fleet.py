"""Many bags: each once, those that fail are told, and a second run does only what is missing."""
from dataclasses import replace
import json
from pathlib import Path
import shutil

from bags_by_hand import KINDS, messages, write
import numpy as np
import pytest
from sensor_msgs.msg import Image

from flashdepth_ros.files.bag_reader import BagReader
from flashdepth_ros.files.places import Place
from flashdepth_ros.recordings.fleet import Here, process_all, write_manifest
from flashdepth_ros.recordings.jobs import Job, jobs_for, run
from flashdepth_ros.recordings.recipe import Recipe
from flashdepth_ros.ros.image_messages import image_to_depth
from flashdepth_ros.ros.message import deserialised
from flashdepth_ros.tools import process_bag as tool

RECIPE = Recipe({'model.name': 'flashdepth-nano', 'engine.backend': 'torch',
                 'input.short_side': 70, 'engine.threads': 1}, piece=3)


def depths(path: Path, topic: str = '/front/depth/image') -> np.ndarray:
    with BagReader(path) as reader:
        assert not reader.losses
        return np.stack([image_to_depth(deserialised(data, Image), far=True)
                         for _, (_, _, data) in reader.messages({topic})])


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bags')
    for number in range(3):
        write(folder / f'drive_{number}', messages(
            [100 * number + each / 10 for each in range(20)]))
    (folder / 'broken.mcap').write_text('this is no bag at all')
    return folder


@pytest.fixture(scope='module')
def expected(bags, tmp_path_factory):
    """Return the depth of a bag in one go."""
    folder = tmp_path_factory.mktemp('expected')
    assert run(Job(str(bags / 'drive_1'), str(folder / 'drive_1'), RECIPE))['outcome'] == 'done'
    return depths(folder / 'drive_1')


def test_each_once_and_again_only_what_is_missing(bags, expected, tmp_path):
    sources = [str(path) for path in sorted(bags.iterdir())]
    jobs = jobs_for(sources, str(tmp_path), RECIPE, False, False)
    entries = list(process_all(jobs, Here()))
    write_manifest(Place(str(tmp_path)), entries)
    manifest = json.loads((tmp_path / 'manifest.json').read_text())
    assert manifest['outcomes'] == {'failed': 1, 'done': 3} and manifest['frames'] == 60
    failed, *others = manifest['bags']
    assert 'no MCAP' in failed['error'] and failed['bag'].endswith('broken.mcap')
    assert all(len(each['files'][0]['sha256']) == 64 for each in others)
    assert [each['loaded_model'] for each in others][1:] == [False, False]
    assert np.array_equal(depths(tmp_path / 'drive_1'), expected, equal_nan=True)

    shutil.rmtree(tmp_path / 'drive_1')
    again = {entry['output'].rpartition('/')[2]: entry for entry in process_all(jobs, Here())}
    assert {name: entry['outcome'] for name, entry in again.items()} == {
        'broken': 'failed', 'drive_0': 'was there', 'drive_1': 'done', 'drive_2': 'was there'}
    # what is there in another way is not taken for it
    other = replace(jobs[1], recipe=replace(RECIPE, compress='png'))
    assert 'made in another way' in run(other)['error']


def test_windows_that_are_led_in_make_the_same_bag(bags, expected, tmp_path):
    jobs = jobs_for([str(bags / 'drive_1')], str(tmp_path), RECIPE, False, False)
    # over all that is before them: the state is the same
    entry, = process_all(jobs, Here(), 0.5, 100)
    assert entry['outcome'] == 'done' and entry['frames'] == 20, entry
    assert np.array_equal(depths(tmp_path / 'drive_1'), expected, equal_nan=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['drive_1']
    with BagReader(tmp_path / 'drive_1') as reader, BagReader(bags / 'drive_1') as original:
        for name, topic in original.topics.items():
            assert reader.topics[name].count == topic.count
        assert reader.seekable
    assert next(process_all(jobs, Here(), 0.5, 100))['outcome'] == 'was there'
    # and over fewer nearly the same
    shutil.rmtree(tmp_path / 'drive_1')
    entry, = process_all(jobs, Here(), 0.5, 3)
    found = depths(tmp_path / 'drive_1')
    assert found.shape == expected.shape
    assert not np.array_equal(found, expected, equal_nan=True)
    assert np.nanmedian(np.abs(found / expected - 1)) < 0.2


def test_cameras_apart_and_a_url(bags, expected, tmp_path):
    content = messages([100 + each / 10 for each in range(20)])
    both = content + [('/rear' + topic[6:], *rest) for topic, *rest in content]
    kinds = {**KINDS, **{'/rear' + topic[6:]: kind for topic, kind in KINDS.items()}}
    source = write(tmp_path / 'both', sorted(both, key=lambda each: each[1]), kinds)
    recipe = replace(RECIPE, topics=['front/image_raw', 'rear/image_raw'], values={
        **RECIPE.values, 'rear.scale.factor': 2.0})
    url = f'file://{tmp_path}/out'
    jobs = jobs_for([f'file://{source}'], url, recipe, False, True)
    entries = list(process_all(jobs, Here()))
    assert [entry['outcome'] for entry in entries] == ['done', 'done'], entries
    assert np.array_equal(depths(tmp_path / 'out/both.front'), expected, equal_nan=True)
    rear = depths(tmp_path / 'out/both.rear', '/rear/depth/image')
    assert np.allclose(rear, 2 * expected, equal_nan=True)
    with BagReader(tmp_path / 'out/both.rear') as reader:
        assert '/front/image_raw' not in reader.topics
    assert [entry['outcome'] for entry in process_all(jobs, Here())] == ['was there'] * 2


def test_the_command_for_many(bags, tmp_path, capsys):
    words = [str(path) for path in sorted(bags.iterdir())]
    options = ['--model', 'flashdepth-nano', '--backend', 'torch', '--short-side', '70',
               '-p', 'engine.threads:=1']
    assert tool.main([*words, str(tmp_path / 'out'), *options]) == 1
    told = capsys.readouterr()
    assert '60 frames of 3 bags' in told.out and '1 bags failed' in told.out
    assert 'broken.mcap failed: ' in told.err
    assert tool.main([words[1], words[1], str(tmp_path / 'out'), *options]) == 1
    assert 'need folders of their own' in capsys.readouterr().err


@pytest.mark.parametrize(('words', 'expected'), [
    ('--ray in out', '--ray local in out'), ('--ray auto in out', '--ray auto in out'),
    ('--ray 10.0.0.1:6379 in out', '--ray 10.0.0.1:6379 in out'), ('in out', 'in out'),
    ('in out --ray', 'in out --ray')])
def test_ray_may_have_no_address(words, expected):
    assert tool.with_address(words.split()) == expected.split()
