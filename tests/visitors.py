"""A server of pages in a thread, and who asks it as a browser would."""

import http.client
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def told(self):
        """The text of a page with its names as they are, without tags' own."""
        return unescape(self.text)

    @property
    def data(self):
        return json.loads(self.body)


class Visitor:
    """Asks a server; what it sends comes from a page of the server's own unless said otherwise."""

    def __init__(self, port):
        self.port = port
        self.host = f"127.0.0.1:{port}"

    def ask(self, method, path, body=None, **headers):
        one = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {
            "Host": self.host,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        one.request(
            method, path, body, {name: value for name, value in given.items() if value is not None}
        )
        got = one.getresponse()
        reply = Reply(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        one.close()
        return reply

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, given, **headers):
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        return self.ask("POST", path, body, **{"Origin": f"http://{self.host}", **headers})


@contextmanager
def visited(app):
    """Serve an app; gives its visitor."""
    from counter.review.server import listen, server_of

    listening = listen("127.0.0.1", 0)
    server = server_of(app)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Visitor(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
