"""Web server of the review pages: where it listens, and what it lets through."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from counter.errors import CallcountError

if TYPE_CHECKING:
    import uvicorn
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FIRST_PORT, N_PORTS = 8501, 50
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WRONG_S = 1.0
_STOP_S = 2
_MOST_FORM_BYTES = 10_000
# No other page may show this one in a frame, nothing is fetched from elsewhere, and no script runs
# but those of the package.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; media-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    # with none, a browser hides where the form of the token comes from
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def listen(address: str, wanted: int | None) -> socket.socket:
    """A socket that listens at the port wanted, else at the first free one from 8501 on.

    Raises
    ------
    CallcountError
        It is in use, none is free, or the address is not one of this machine.
    """
    tried = range(FIRST_PORT, FIRST_PORT + N_PORTS) if wanted is None else [wanted]
    for port in tried:
        one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            if os.name == "posix":  # on Windows it would share the port with another program
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
            one.listen()
            return one
        except OSError as error:
            why = error.strerror or str(error)
            one.close()
    where = f"port {wanted}" if wanted is not None else f"ports {tried[0]} to {tried[-1]}"
    raise CallcountError(
        f"cannot serve at {address}, {where}: {why}.", "Give another with --port or --address."
    )


def url_of(address: str, listening: socket.socket) -> str:
    """What to open."""
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{listening.getsockname()[1]}"


def server_of(app: ASGIApp) -> uvicorn.Server:
    """A server that says nothing of itself, trusts no proxy and writes no log of its visitors."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_STOP_S,
    )
    return uvicorn.Server(config)


def serve(app: ASGIApp, listening: socket.socket, *, opens: str = "") -> None:
    """Serve pages until Ctrl-C.

    Parameters
    ----------
    app : ASGI application
        What answers.
    listening : socket
        What ``listen`` gave.
    opens : str
        Address that a browser is opened at, where there is a screen; empty for none.
    """
    if opens and _has_screen():
        threading.Thread(target=webbrowser.open, args=(opens,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        server_of(app).run([listening])


def _has_screen() -> bool:
    """Whether a browser has a window; in a terminal alone one would take the terminal."""
    is_windowed = sys.platform in ("win32", "darwin")
    return is_windowed or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def is_loopback(host: str) -> bool:
    """Whether a host, perhaps with its port, is this machine as only it calls itself."""
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


class Guard:
    """What stands before the pages: this machine alone or the token, and no page of others.

    Parameters
    ----------
    app : ASGI application
        The pages.
    token : str
        What every visitor has to give first; empty where this machine alone may ask.
    ask : callable
        Gives the page that asks for the token, given whether a wrong one was tried.
    open_paths : sequence of str
        What is answered without the token, as that page needs it.
    """

    def __init__(
        self, app: ASGIApp, token: str, ask: Callable[[bool], Response], open_paths: Sequence[str]
    ) -> None:
        self._app = app
        self._token = token
        self._ask = ask
        self._open_paths = open_paths
        # what a browser shows once it gave the token; another one after each start
        self._pass = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        from starlette.requests import ClientDisconnect, Request

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        request = Request(scope, receive)
        with contextlib.suppress(ClientDisconnect):  # a page that was left while it sent something
            response = await self._intercept(request)
            await (response or self._app)(scope, receive, send_safely)

    async def _intercept(self, request: Request) -> Response | None:
        """What is answered instead; None where the request may pass."""
        from starlette.responses import PlainTextResponse, RedirectResponse

        host = request.headers.get("host", "")
        if not self._token and not is_loopback(host):
            # A page of somebody else's, whose name was made to lead to this machine.
            text = "This page is for this machine alone: open it as http://127.0.0.1."
            return PlainTextResponse(text, 403)
        if request.method not in ("GET", "HEAD") and not _is_of(host, request):
            return PlainTextResponse("Only the pages themselves may ask for this.", 403)
        cookie = f"callcount-{request.scope['server'][1]}"
        if not self._token or _is_same(request.cookies.get(cookie, ""), self._pass):
            return None
        path, is_page = request.scope["path"], request.method == "GET"
        if is_page and path in self._open_paths:
            return None
        if request.method != "POST" or path != "/token":
            return self._ask(False) if is_page else PlainTextResponse("Give the token first.", 401)
        if not _is_same(await _given_token(request), self._token):
            await asyncio.sleep(_WRONG_S)
            return self._ask(True)
        let_in = RedirectResponse("/", 303)
        let_in.set_cookie(cookie, self._pass, httponly=True, samesite="strict")
        return let_in


def _is_of(host: str, request: Request) -> bool:
    """Whether a request comes from a page of the host that it goes to."""
    try:
        return urlsplit(request.headers.get("origin", "")).netloc == host != ""
    except ValueError:
        return False


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


async def _given_token(request: Request) -> str:
    body = await read_body(request, _MOST_FORM_BYTES)
    return parse_qs((body or b"").decode("utf-8", "replace")).get("token", [""])[0]


async def read_body(request: Request, most_bytes: int) -> bytes | None:
    """The body of a request; None where it is longer than that."""
    parts, n_bytes = [], 0
    async for part in request.stream():
        n_bytes += len(part)
        if n_bytes > most_bytes:
            return None
        parts.append(part)
    return b"".join(parts)
