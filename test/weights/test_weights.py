"""Weights: found, fetched from a real server on this machine, verified."""
from contextlib import contextmanager, suppress
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import re
import threading
import time

import pytest

from flashdepth_ros.models import CheckpointError, build_model, load_weights, model_spec
from flashdepth_ros.tools import fetch_weights
from flashdepth_ros.weights.choice import choose_model, resolve_weights
from flashdepth_ros.weights.official import (
    LicenceError,
    WeightsNotFoundError,
    download_weights,
    find_weights,
)
from flashdepth_ros.weights.record import sha256

SPEC = model_spec('flashdepth-s')
RESTRICTED = model_spec('flashdepth-l')
NOBODY = 'http://127.0.0.1:9'
CONTENT = bytes(range(256)) * 96 * 1024  # 24 MiB: the Hub's client keeps blocks of 10 MiB


@pytest.fixture(autouse=True)
def empty_caches(tmp_path, monkeypatch):
    """Give the test caches of its own, and no network."""
    constants = pytest.importorskip('huggingface_hub.constants')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv('FLASHDEPTH_WEIGHTS', raising=False)
    monkeypatch.setenv('HF_ENDPOINT', NOBODY)
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)


@contextmanager
def hub(announced=None, breaks_once=False):
    """Serve CONTENT as every file as the Hub does; yields its address and the requests it saw."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            seen.append(('HEAD', self.path, None))
            self.send_response(200)
            self.send_header('X-Repo-Commit', '0' * 40)
            self.send_header('ETag', f'"{announced or hashlib.sha256(CONTENT).hexdigest()}"')
            self.send_header('Content-Length', str(len(CONTENT)))
            self.end_headers()

        def do_GET(self):
            first = not any(method == 'GET' for method, _, _ in seen)
            wanted = self.headers.get('Range')
            seen.append(('GET', self.path, wanted))
            start = int(re.match(r'bytes=(\d+)-', wanted)[1]) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header('Content-Length', str(len(CONTENT) - start))
            if wanted:
                self.send_header(
                    'Content-Range', f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}')
            self.end_headers()
            self.wfile.write(CONTENT[start:len(CONTENT) // 2 if breaks_once and first else None])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}', seen
    finally:
        server.shutdown()
        server.server_close()


def put(path, content=b'weights'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_are_found_in_each_place(tmp_path, monkeypatch):
    with pytest.raises(WeightsNotFoundError) as caught:
        find_weights(SPEC)
    own = tmp_path / 'cache/flashdepth_ros/flashdepth-s/iter_14001.pth'
    for part in ('flashdepth-s/iter_14001.pth of Eyeline-Research/FlashDepth', 'Apache-2.0',
                 'https://huggingface.co/Eyeline-Research/FlashDepth/blob/main/'
                 'flashdepth-s/iter_14001.pth',
                 'fetch_weights flashdepth-s;', str(own)):
        assert part in str(caught.value)
    put(own)
    assert find_weights(SPEC) == own
    shared = put(tmp_path / 'shared/iter_14001.pth')
    monkeypatch.setenv('FLASHDEPTH_WEIGHTS', str(tmp_path / 'shared'))
    assert find_weights(SPEC) == shared
    assert find_weights(SPEC) == resolve_weights(SPEC, 'auto')


def test_a_download_is_kept_recorded_and_used_without_a_network(tmp_path, monkeypatch, capsys):
    with hub() as (address, seen):
        monkeypatch.setenv('HF_ENDPOINT', address)
        assert fetch_weights.main(['flashdepth-s']) == 0
    assert {path for _, path, _ in seen} == {
        '/Eyeline-Research/FlashDepth/resolve/main/flashdepth-s/iter_14001.pth'}
    monkeypatch.setenv('HF_ENDPOINT', NOBODY)
    path = resolve_weights(SPEC, 'auto')
    assert path.read_bytes() == CONTENT
    assert path.name == 'iter_14001.pth'
    digest = hashlib.sha256(CONTENT).hexdigest()
    out = capsys.readouterr().out
    assert str(path) in out
    assert f'25.2 MB, licence Apache-2.0, sha256 {digest}' in out
    record = json.loads((tmp_path / 'cache/flashdepth_ros/sha256.json').read_text())
    assert record['official'] == {
        'Eyeline-Research/FlashDepth/flashdepth-s/iter_14001.pth': digest}


def test_a_file_that_changed_after_its_download_is_refused(monkeypatch, capsys):
    with hub() as (address, _):
        monkeypatch.setenv('HF_ENDPOINT', address)
        path = download_weights(SPEC)
    path.resolve().write_bytes(CONTENT[:-1] + b'?')
    with pytest.raises(CheckpointError, match='damaged or was changed') as caught:
        find_weights(SPEC)
    assert str(path.resolve()) in str(caught.value)
    assert fetch_weights.main(['flashdepth-s']) == 1
    assert 'Traceback' not in capsys.readouterr().err


def test_a_file_that_is_not_what_the_server_announced_is_refused_for_good(monkeypatch):
    with hub(announced='ab' * 32) as (address, _):
        monkeypatch.setenv('HF_ENDPOINT', address)
        with pytest.raises(CheckpointError, match='abababab'):
            download_weights(SPEC)
    with pytest.raises(CheckpointError, match='abababab'):
        find_weights(SPEC)


def test_a_broken_connection_is_taken_up_where_it_stopped(monkeypatch):
    with hub(breaks_once=True) as (address, seen):
        monkeypatch.setenv('HF_ENDPOINT', address)
        with suppress(WeightsNotFoundError):  # older clients resume in the second call
            download_weights(SPEC)
        assert download_weights(SPEC).read_bytes() == CONTENT
    ranges = [wanted for method, _, wanted in seen if method == 'GET']
    assert len(ranges) == 2
    assert int(re.match(r'bytes=(\d+)-', ranges[1])[1]) > 0


def test_without_a_network_one_plain_message_comes_soon(capsys):
    start = time.monotonic()
    assert fetch_weights.main(['flashdepth-s']) == 1
    assert time.monotonic() - start < 10
    message = capsys.readouterr().err
    assert message.count('\n') == 1
    for part in ('could not be fetched', 'blob/main/flashdepth-s/iter_14001.pth', 'put it at'):
        assert part in message


def test_a_licence_that_forbids_commercial_use_must_be_accepted(monkeypatch, capsys):
    with hub() as (address, seen):
        monkeypatch.setenv('HF_ENDPOINT', address)
        with pytest.raises(LicenceError, match='CC-BY-NC-4'):
            download_weights(RESTRICTED)
        with pytest.raises(WeightsNotFoundError, match='--accept-licence'):
            resolve_weights(RESTRICTED, 'auto')  # never accepted for the user
        assert fetch_weights.main(['flashdepth-l']) == 3
        assert '--accept-licence' in capsys.readouterr().err
        assert seen == []
        assert fetch_weights.main(['flashdepth-l', '--accept-licence']) == 0
    assert resolve_weights(RESTRICTED, 'auto').read_bytes() == CONTENT


def test_weights_may_be_random_or_a_path(tmp_path, monkeypatch):
    assert resolve_weights(SPEC, 'random') == 'random'
    monkeypatch.setenv('HOME', str(tmp_path))
    file = put(tmp_path / 'own.pth')
    assert resolve_weights(SPEC, '~/own.pth') == file
    with pytest.raises(WeightsNotFoundError, match='there is no such file'):
        resolve_weights(SPEC, '~/gone.pth')


def test_a_hash_is_kept_until_the_file_changes(tmp_path):
    file = put(tmp_path / 'big.pth', b'one')
    assert sha256(file) == hashlib.sha256(b'one').hexdigest()
    record = tmp_path / 'cache/flashdepth_ros/sha256.json'
    content = json.loads(record.read_text())
    content['files'][str(file)][2] = 'kept'
    record.write_text(json.dumps(content))
    assert sha256(file) == 'kept'
    file.write_bytes(b'three')
    assert sha256(file) == hashlib.sha256(b'three').hexdigest()
    record.write_text('{')
    with pytest.raises(CheckpointError, match=r'sha256\.json.* repair or delete it'):
        sha256(file)


def test_the_list_names_every_model_and_its_licence(capsys):
    assert fetch_weights.main(['--list']) == 0
    out = capsys.readouterr().out
    assert 'flashdepth-s' in out
    assert 'not on this machine' in out


def test_the_model_that_comes_with_the_package(tmp_path):
    """Found without a server, small, and whole; a file in the user's cache goes before it."""
    spec = model_spec('flashdepth-nano')
    path = find_weights(spec)
    assert path.stat().st_size < 12e6
    load_weights(build_model(spec.name), path)
    place = put(tmp_path / 'cache/flashdepth_ros/flashdepth-nano' / spec.file)
    assert download_weights(spec) == place


def test_auto_takes_what_there_is(tmp_path):
    """FlashDepth-S where its weights are here, else the model that comes along, with a warning."""
    spec, weights, warning = choose_model('auto', 'auto')
    assert (spec.name, weights) == ('flashdepth-nano', find_weights(spec))
    for part in ('could not be fetched', 'flashdepth-nano runs in its place',
                 'trained on simulated indoor scenes only'):
        assert part in warning
    with pytest.raises(WeightsNotFoundError):  # what was chosen by name is not replaced
        choose_model('flashdepth-s', 'auto')
    with pytest.raises(WeightsNotFoundError):
        choose_model('auto', str(tmp_path / 'gone.pth'))
    assert choose_model('auto', 'random')[0] == SPEC
    assert choose_model('flashdepth-nano', 'auto')[2] == spec.domain_warning
    official = put(tmp_path / 'cache/flashdepth_ros/flashdepth-s/iter_14001.pth')
    assert choose_model('auto', 'auto') == (SPEC, official, '')
