"""Servers of sound on 127.0.0.1, on threads: a web one and an SFTP one."""

import html
import os
import re
import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

HOST = "127.0.0.1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *told):
        pass

    def do_GET(self):  # noqa: N802, as http.server calls it
        self._answer(with_body=True)

    def do_HEAD(self):  # noqa: N802
        self._answer(with_body=False)

    def _answer(self, *, with_body):
        web = self.server.web
        web.requests.append((self.command, unquote(self.path), self.headers.get("Range")))
        refused = web.refuse(self)
        path = web.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if refused == "hang up":
            self.close_connection = True
            self.connection.close()
        elif refused == "answered":
            pass
        elif refused or not path.exists():
            self._send(refused or 404, b"", {}, with_body=with_body)
        elif path.is_dir():
            names = sorted(f"{one.name}{'/' * one.is_dir()}" for one in path.iterdir())
            links = "".join(f'<a href="{quote(one)}">{html.escape(one)}</a>\n' for one in names)
            page = f'<html><a href="../">up</a><a href="?C=N">by name</a>{links}</html>'
            self._send(200, page.encode(), {"Content-Type": "text/html"}, with_body=with_body)
        else:
            self._send_file(path, with_body=with_body)

    def _send_file(self, path, *, with_body):
        size = path.stat().st_size
        headers = {"Last-Modified": "Sat, 01 Jun 2024 05:00:00 GMT"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted or not self.server.web.ranges:
            self._send(200, path.read_bytes(), headers, with_body=with_body)
        elif int(wanted[1]) >= size:
            self._send(416, b"", {"Content-Range": f"bytes */{size}"}, with_body=with_body)
        else:
            first, last = int(wanted[1]), min(int(wanted[2]), size - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
            with path.open("rb") as file:
                file.seek(first)
                body = file.read(last + 1 - first)
            self._send(206, body, headers, with_body=with_body)

    def _send(self, status, body, headers, *, with_body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            with suppress(ConnectionError):  # who asked may have heard enough
                self.wfile.write(body)


class Web:
    """A web server of a folder, with index pages.

    ``ranges`` says whether it gives parts of files; ``refuse`` is asked for every request and
    gives a status, ``"hang up"``, ``"answered"``, or nothing where all is well. ``requests`` holds
    method, path and range of what was asked.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ranges = True
        self.requests = []
        self.refuse = lambda handler: None

    @contextmanager
    def serving(self):
        server = ThreadingHTTPServer((HOST, 0), _Handler)
        server.web, server.daemon_threads = self, True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://{HOST}:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


@contextmanager
def sftp_server(folder, home):  # noqa: C901, small classes that need paramiko
    """An SFTP server of a folder, whose key stands in ``home/.ssh/known_hosts``; its URL."""
    import paramiko

    class Files(paramiko.SFTPServerInterface):
        def _real(self, path):
            return os.path.join(folder, path.lstrip("/"))

        def list_folder(self, path):
            try:
                names = os.listdir(self._real(path))
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno)
            return [self._told(os.path.join(self._real(path), name), name) for name in names]

        def stat(self, path):
            try:
                return self._told(self._real(path), os.path.basename(path))
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno)

        lstat = stat

        def _told(self, real, name):
            return paramiko.SFTPAttributes.from_stat(os.stat(real), name)

        def open(self, path, flags, attr):
            handle = paramiko.SFTPHandle(flags)
            number = os.open(self._real(path), flags, 0o644)
            mode = "wb" if flags & (os.O_WRONLY | os.O_RDWR) else "rb"
            handle.readfile = handle.writefile = os.fdopen(number, mode)
            handle.stat = lambda: self.stat(path)
            return handle

        def mkdir(self, path, attr):
            os.mkdir(self._real(path))
            return paramiko.SFTP_OK

        def remove(self, path):
            os.remove(self._real(path))
            return paramiko.SFTP_OK

    class Door(paramiko.ServerInterface):
        def check_auth_password(self, username, password):
            is_known = (username, password) == ("ranger", "secret")
            return paramiko.AUTH_SUCCESSFUL if is_known else paramiko.AUTH_FAILED

        def check_channel_request(self, kind, chanid):
            return paramiko.OPEN_SUCCEEDED

        def get_allowed_auths(self, username):
            return "password"

    key = paramiko.ECDSAKey.generate()
    listening = socket.create_server((HOST, 0))
    port = listening.getsockname()[1]
    (home / ".ssh").mkdir(parents=True)
    line = f"[{HOST}]:{port} {key.get_name()} {key.get_base64()}\n"
    (home / ".ssh" / "known_hosts").write_text(line)
    transports = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
            transport.start_server(server=Door())
            transports.append(transport)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"sftp://ranger:secret@{HOST}:{port}"
    finally:
        listening.close()
        for transport in transports:
            transport.close()
