"""Who may talk to the page's server, and what becomes of pages that are slow."""
import asyncio
import http.client
import json

import numpy as np
import pytest
import websockets.asyncio.client
from websockets.exceptions import InvalidStatus

viser = pytest.importorskip('viser', reason='viser is not installed')

from pages import PROTOCOL  # noqa: E402

from flashdepth_ros.view.address import AddressError  # noqa: E402
from flashdepth_ros.view.guard import TOKEN_VARIABLE, Server  # noqa: E402
from flashdepth_ros.view.look import Look  # noqa: E402
from flashdepth_ros.view.page import Actions, Page  # noqa: E402
from flashdepth_ros.view.pictures import Colours, prepare  # noqa: E402

TOKEN = 'a token of the test'.replace(' ', '-')


@pytest.fixture(scope='module')
def local():
    server = Server('127.0.0.1', 18070, 'test')
    yield server
    server.stop()


@pytest.fixture
def public(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    server = Server('0.0.0.0', 18071, 'test')
    yield server
    server.stop()


def get(server: Server, path: str = '/', **headers: str) -> tuple[int, dict, bytes]:
    """Return status, headers and body of a page."""
    connection = http.client.HTTPConnection('127.0.0.1', server.get_port(), timeout=30)
    try:
        connection.request('GET', path, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def open_socket(server: Server, **headers: str) -> int:
    """Open a WebSocket as viser's client does; return the status, 101 where it is open."""
    async def connect() -> int:
        try:
            async with websockets.asyncio.client.connect(
                    f'ws://127.0.0.1:{server.get_port()}', subprotocols=[PROTOCOL],
                    additional_headers=headers, max_size=None) as connection:
                return connection.response.status_code
        except InvalidStatus as refused:
            return refused.response.status_code
    return asyncio.run(connect())


def test_on_the_loopback_address_this_very_page_alone_may_talk(local):
    here = f'127.0.0.1:{local.get_port()}'
    assert local.address == f'http://{here}/'
    assert get(local)[0] == 200 and b'<html' in get(local)[2]
    assert open_socket(local) == 101
    assert open_socket(local, Origin=f'http://{here}') == 101
    for origin in ('http://evil.example', f'http://evil.example:{local.get_port()}', 'null',
                   f'http://127.0.0.1:{local.get_port() + 1}'):
        assert open_socket(local, Origin=origin) == 403, origin
    # a name that was made to mean this machine
    for name in ('evil.example', f'evil.example:{local.get_port()}', '192.168.0.1', ''):
        status, _, body = get(local, Host=name)
        assert status == 403 and b'<html' not in body


def test_on_other_addresses_nothing_is_sent_without_the_token(public):
    assert public.address.endswith(f'/?token={TOKEN}')
    for path in ('/', '/?token=', '/?token=wrong', '/index.html', '/?websocket=ws://x'):
        status, _, body = get(public, path)
        assert status == 403 and b'<html' not in body, path
    assert open_socket(public) == 403
    assert open_socket(public, Cookie='flashdepth_view=wrong') == 403
    status, headers, body = get(public, f'/?token={TOKEN}')
    assert (status, headers['Location'], body) == (303, '/', b'')
    cookie, _, attributes = headers['Set-Cookie'].partition('; ')
    assert {'HttpOnly', 'SameSite=Lax'} <= set(attributes.split('; '))
    assert get(public, Cookie=cookie)[0] == 200
    assert open_socket(public, Cookie=f'other=1; {cookie}') == 101
    assert open_socket(public, Cookie=cookie, Origin='http://evil.example') == 403


def test_a_token_is_made_where_none_is_given(monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    server = Server('0.0.0.0', 18072, 'test')
    try:
        assert len(server.guard.token) >= 20
        assert get(server)[0] == 403
    finally:
        server.stop()


def test_the_way_out_into_the_internet_is_closed(local):
    assert local.request_share_url() is None


@pytest.mark.parametrize('host', ['192.0.2.1', 'no.such.host.invalid'])
def test_an_address_of_another_machine_is_named(host):
    with pytest.raises(AddressError, match=host):
        Server(host, 18073, 'test')


def test_a_page_that_is_slow_misses_frames_and_gets_the_newest():
    """What waits for it does not grow with the frames that it misses."""
    server = Server('127.0.0.1', 18074, 'test')
    nothing = Actions(*[lambda *_: None] * 5)
    page = Page(server, nothing)
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    depth = np.full((240, 320), 2.0, np.float32)
    frames = 600

    async def connect() -> list[int]:
        async with websockets.asyncio.client.connect(
                f'ws://127.0.0.1:{server.get_port()}', subprotocols=[PROTOCOL], max_size=None,
                max_queue=1) as connection:
            held = []
            for stamp in range(1, frames + 1):  # and reads nothing
                shown = prepare(depth, noise, None, None, Look(), Colours(), 320, 1000, stamp, '')
                page.show(shown)
                held.append(len(server._websock_server.get_message_buffer().message_from_id))
                await asyncio.sleep(0)
            assert max(held) == held[0]
            seen: list[int] = []
            while not seen or seen[-1] != frames:
                data = await asyncio.wait_for(connection.recv(), 60)
                seen += stamps(data)
            return seen

    try:
        seen = asyncio.run(connect())
    finally:
        server.stop()
    assert seen == sorted(seen)
    print(f'{len(seen)} of {frames} frames')
    assert len(seen) < frames / 2  # what the sockets held, and the newest


def stamps(data: bytes) -> list[int]:
    """Return the stamps of the frames in what came: see viser's infra for the layout."""
    import html
    import re

    import msgspec
    import zstandard
    size = int.from_bytes(data[8:16], 'little')
    messages = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data[16:16 + size]))
    return [int(json.loads(html.unescape(found[1]))['stamp'])
            for found in re.finditer(r'data-frame="([^"]*)"', str(messages))]
