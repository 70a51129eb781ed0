"""What is found in the cache is whole and of the key that was asked for."""
import json
import multiprocessing
import os
from pathlib import Path
import shutil
import time

import pytest

from flashdepth_ros.engines import EngineError, cache
from flashdepth_ros.engines.engine import Request
from flashdepth_ros.engines.export import GraphKey
from flashdepth_ros.engines.store import Store
from flashdepth_ros.models import model_spec

KEY = {'model': 'm', 'width': '28', 'height': '14', 'kind': 'test', 'precision': 'fp32'}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path / 'flashdepth_ros' / 'engines'


class Maker:
    """Fills an entry and counts how often."""

    def __init__(self, content: bytes = b'engine'):
        self.content, self.calls = content, 0

    def __call__(self, folder: Path) -> dict:
        self.calls += 1
        (folder / 'a.bin').write_bytes(self.content)
        return {'fact': 1}


def test_made_once_and_found_again():
    make = Maker()
    entry = cache.get(KEY, make)
    assert (entry.folder / 'a.bin').read_bytes() == b'engine'
    assert cache.get(KEY, make) == entry and make.calls == 1
    assert cache.find(KEY).facts == {'fact': 1}
    for name in KEY:
        assert cache.find({**KEY, name: 'other'}) is None
        assert cache.place({**KEY, name: 'other'}) != cache.place(KEY)


@pytest.mark.parametrize('damage', [
    lambda folder: (folder / 'a.bin').write_bytes(b'engin'),     # cut off
    lambda folder: (folder / 'a.bin').write_bytes(b'engime'),    # of the same length
    lambda folder: (folder / 'a.bin').unlink(),
    lambda folder: (folder / cache.ABOUT).unlink(),
    lambda folder: (folder / cache.ABOUT).write_text('{'),
    lambda folder: (folder / cache.ABOUT).write_text('[]'),
    lambda folder: (folder / cache.ABOUT).write_text(json.dumps(
        {**json.loads((folder / cache.ABOUT).read_text()), 'key': {**KEY, 'model': 'n'}})),
])
def test_damaged_and_foreign_entries_are_built_anew(damage, caplog):
    make = Maker()
    damage(cache.get(KEY, make).folder)
    assert cache.find(KEY) is None
    assert 'built anew' in caplog.text
    assert (cache.get(KEY, make).folder / 'a.bin').read_bytes() == b'engine'
    assert make.calls == 2


def test_files_are_hashed_again_only_where_they_may_be_others(monkeypatch):
    hashed = []
    whole_digest = cache.file_digest
    monkeypatch.setattr(
        cache, 'file_digest', lambda path: hashed.append(path.name) or whole_digest(path))
    entry = cache.get(KEY, Maker())
    assert hashed.pop() == 'a.bin' and cache.find(KEY) == entry and not hashed
    file = entry.folder / 'a.bin'
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_bytes(file.read_bytes())  # as when the cache was copied
    os.utime(file, ns=times)
    assert cache.find(KEY) == entry and hashed.pop() == 'a.bin'
    assert cache.find(KEY) == entry and not hashed  # and that was noted
    file.write_bytes(b'engime')
    os.utime(file, ns=times)  # its time of change cannot be set back
    assert cache.find(KEY) is None and hashed.pop() == 'a.bin'


def test_a_failing_or_killed_build_leaves_nothing_that_is_used(folder):
    def fail(path: Path) -> dict:
        (path / 'a.bin').write_bytes(b'half')
        raise EngineError('no')

    with pytest.raises(EngineError, match='no'):
        cache.get(KEY, fail)
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []
    killed = multiprocessing.get_context('fork').Process(
        target=cache.get, args=(KEY, lambda path: os._exit(9)))
    killed.start()
    killed.join()
    assert cache.find(KEY) is None
    cache.get(KEY, Maker())
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [cache.place(KEY).name]


def _build(number: int, log: Path) -> None:
    def make(folder: Path) -> dict:
        with log.open('a') as file:
            file.write(f'{number}\n')
        time.sleep(0.3)
        (folder / 'a.bin').write_bytes(b'x' * 100_000)
        return {'by': number}

    assert (cache.get(KEY, make).folder / 'a.bin').stat().st_size == 100_000


def test_processes_that_want_the_same_build_it_once(tmp_path):
    log = tmp_path / 'log'
    processes = [multiprocessing.get_context('fork').Process(target=_build, args=(i, log))
                 for i in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(log.read_text().split()) == 1


def test_no_room_says_where(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(EngineError, match='XDG_CACHE_HOME'):
        cache.get(KEY, Maker())


def test_the_key_follows_the_weights(tmp_path):
    spec, path = model_spec('flashdepth-s'), tmp_path / 'w.pth'
    path.write_bytes(b'one')
    one = GraphKey.of(spec, str(path), 70, 70, 1)
    path.write_bytes(b'other')
    other = GraphKey.of(spec, str(path), 70, 70, 1)
    assert len(one.weights) == 64 and one != other
    places = {cache.place(key.entries()) for key in (
        one, other, GraphKey.of(spec, 'random', 70, 70, 1), GraphKey.of(spec, 'random', 70, 84, 1),
        GraphKey.of(spec, 'random', 70, 70, 2), GraphKey.of(spec, 'random', 70, 70, 1, 'fp16'))}
    assert len(places) == 6


@pytest.mark.parametrize('changed', ['trust', 'onnx', 'openvino', 'tensorrt', 'store'])
def test_a_verdict_ends_with_the_code_that_gave_it(tmp_path, monkeypatch, changed):
    copy = shutil.copytree(
        Path(cache.__file__).parent, tmp_path / 'code' / 'engines',
        ignore=shutil.ignore_patterns('__pycache__'))
    monkeypatch.setattr(cache, '__file__', str(copy / 'cache.py'))
    request = Request(model_spec('flashdepth-nano'), 'random', 'cpu', 'fp32', 70, 84)

    def verdict_key() -> dict[str, str]:
        cache.code_digest.cache_clear()
        store = Store(request, 'onnx', 'cpu', {})
        return store._verdict_key(store._graph_key, 'digest')

    try:
        before = verdict_key()
        assert verdict_key() == before
        with open(copy / f'{changed}.py', 'a') as file:
            file.write('# another tolerance')
        assert verdict_key() != before
    finally:
        cache.code_digest.cache_clear()


def test_what_was_not_used_for_longest_goes_first(folder, monkeypatch):
    keys = [{**KEY, 'width': str(width)} for width in range(5)]
    for i, key in enumerate(keys[:3]):
        os.utime(cache.get(key, Maker()).folder / cache.ABOUT, (i + 1, i + 1))
    cache.find(keys[0])  # used again, so the second is the oldest now
    cache.look(keys[1])
    monkeypatch.setattr(cache, 'MOST_ENTRIES', 3)
    cache.get(keys[3], Maker())
    assert [cache.look(key) is not None for key in keys] == [True, False, True, True, False]
    monkeypatch.setattr(cache, 'MOST_BYTES', 100_000)
    cache.get(keys[4], Maker(b'x' * 200_000))  # larger than all: it is kept alone
    assert [cache.look(key) is not None for key in keys] == [False] * 4 + [True]
