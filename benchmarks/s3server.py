"""A real S3 server on 127.0.0.1, moto's, as a process of its own; for benchmarks and tests.

Nothing to run here.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HOST = "127.0.0.1"
_WAIT_S = 30


@dataclass(frozen=True)
class S3Server:
    """A server that runs.

    Attributes
    ----------
    address : str
        ``http://127.0.0.1:port``.
    process : Popen
        The server itself.
    """

    address: str
    process: subprocess.Popen[bytes]

    @property
    def settings(self) -> dict[str, str]:
        """Environment by which S3 tools find it; any key will do."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start a server and wait until it answers; it ends with the block."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://{HOST}:{port}", process)
        yield S3Server(f"http://{HOST}:{port}", process)
    finally:
        process.kill()
        process.wait()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    last_s = time.monotonic() + _WAIT_S
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > last_s:
                raise RuntimeError("moto's server does not answer") from error
            time.sleep(0.1)
        else:
            return
