"""Who may talk to the page's server: checked before anything is sent, on every connection."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
import hmac
import http
import io
import os
import secrets
import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import viser
import websockets.asyncio.server
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from .address import AddressError, check_address, is_loopback

TOKEN_VARIABLE = 'FLASHDEPTH_VIEW_TOKEN'
MAX_MESSAGE = 1 << 20  # bytes that a page may send at once
COOKIE = 'flashdepth_view'


class Guard:
    """Lets a request pass, or answers it with why not.

    On the loopback address a browser is asked for two things: that it calls this machine by a name
    of its own (else a foreign name could be made to mean it, by DNS), and that a WebSocket comes
    from this very page, for any other page in the same browser may open one. On other addresses it
    must also know the token: from the address that was printed, and from then on as a cookie.
    """

    def __init__(self, host: str):
        self.local = is_loopback(host)
        self.token = '' if self.local else (
            os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(16))
        self.asked = False  # it stands in the server's way

    def answer(self, request: Request) -> Response | None:
        """Return a refusal or the way in, or None for a request that may go on."""
        host = request.headers.get('Host', '')
        if self.local and not is_loopback(urlsplit(f'//{host}').hostname or ''):
            return _refusal(f'this page is served to this machine only, which {host} is not')
        origin = request.headers.get('Origin')
        if origin is not None and urlsplit(origin).netloc != host:
            return _refusal(f'pages of {origin} may not talk to this one')
        if self.local:
            return None
        url = urlsplit(request.path)
        if self._knows(parse_qs(url.query).get('token', [''])[0]):
            # into a cookie, so that it does not stay in the address; Lax: not from other pages
            return Response(http.HTTPStatus.SEE_OTHER, 'See Other', Headers({
                'Location': url.path, 'Content-Length': '0', 'Set-Cookie':
                f'{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Lax'}))
        cookies = dict(part.strip().partition('=')[::2]
                       for part in request.headers.get('Cookie', '').split(';'))
        if self._knows(cookies.get(COOKIE, '')):
            return None
        return _refusal('open the address that the node has printed, with its token')

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())

    @contextmanager
    def before_every_server(self) -> Iterator[None]:
        """Stand before the servers that are started meanwhile.

        viser starts its own with websockets and offers no check of requests.
        """
        serve = websockets.asyncio.server.serve

        def guarded(*arguments: Any, process_request: Callable, **options: Any) -> Any:
            def check(connection: Any, request: Request) -> Response | None:
                return self.answer(request) or process_request(connection, request)

            self.asked = True
            return serve(*arguments, process_request=check, **options | {'max_size': MAX_MESSAGE})

        websockets.asyncio.server.serve = guarded  # type: ignore[misc, assignment]
        try:
            yield
        finally:
            websockets.asyncio.server.serve = serve  # type: ignore[misc]


def _refusal(reason: str) -> Response:
    body = f'{reason}\n'.encode()
    return Response(http.HTTPStatus.FORBIDDEN, 'Forbidden', Headers({
        'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': str(len(body))}), body)


class Server(viser.ViserServer):
    """viser's server behind a guard, without its way out into the internet.

    address: what to open, with the token where one is needed. AddressError.
    """

    def __init__(self, host: str, port: int, label: str):
        check_address(host)
        self.guard = Guard(host)
        # viser prints an address of its own, without the token
        with self.guard.before_every_server(), redirect_stdout(io.StringIO()):
            super().__init__(host=host, port=port, label=label, verbose=False)
        if not self.guard.asked:
            self.stop()
            raise AddressError(
                f'viser {viser.__version__} serves in a way that cannot be guarded: pip install '
                f'"viser<1.2"')
        shown = socket.gethostname() if host in ('0.0.0.0', '::') else host
        shown = f'[{shown}]' if ':' in shown else shown
        query = f'/?token={self.guard.token}' if self.guard.token else '/'
        self.address = f'http://{shown}:{self.get_port()}{query}'

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Refuse: any page could ask for it, and it would open this one to the internet."""
        return None
