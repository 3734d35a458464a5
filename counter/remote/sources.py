"""Bytes of remote files, some at a time, with another try where a network stumbles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, TypeVar

from counter.remote.systems import READ_S, WAITS_S, connect, hang_up, is_final, network_errors
from counter.remote.urls import scheme_of
from counter.remote.web import begin

T = TypeVar("T")


async def tried(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a coroutine gives, made anew for every try that is due."""
    for wait_s in WAITS_S:
        try:
            return await make()
        except network_errors() as error:
            if is_final(error):
                raise
            await asyncio.sleep(wait_s)
    return await make()


class RangeSource:
    """A file of one of fsspec's asynchronous file systems (S3, Google, Azure, the web).

    Parameters
    ----------
    url : str
        The file.
    n_first_bytes : int
        How many bytes to fetch with the size, > 0.

    Attributes
    ----------
    info : dict
        What the server says of the file: ``type``, and ``size`` in bytes, -1 where unknown; this
        and ``first`` from ``wait`` on.
    first : bytes or None
        Its first bytes; None where the server gives whole files alone.
    """

    info: dict[str, Any]
    first: bytes | None

    def __init__(self, url: str, n_first_bytes: int) -> None:
        self._system, self._path = connect(url)
        is_web = scheme_of(url) in ("http", "https")
        self._asked = self._run(lambda: self._begin(n_first_bytes, is_web=is_web))

    def wait(self) -> None:
        """Until its first bytes have come."""
        self.info, self.first = self._asked.result()
        self.size = int(self.info["size"])

    def ask(self, start: int, stop: int) -> Future[bytes]:
        """Begin to fetch the bytes from ``start`` on; it fails where fewer come."""
        return self._run(lambda: self._part(start, stop))

    def close(self) -> None:
        """Nothing is held: connections belong to the file system."""

    def _run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(tried(make), self._system.loop)

    @property
    def is_whole(self) -> bool:
        """Whether it is had whole: at once, or since its server gives no parts."""
        return self.first is None or len(self.first) == self.size > 0

    def fetch(self, file: IO[bytes]) -> None:
        """Write all of it into a file, from its start, and wait for that."""

        async def fetch() -> None:
            file.seek(0)
            file.truncate()
            await self._system._get_file(self._path, file)

        if self.first is None:
            self._run(fetch).result()
        elif file.write(self.first) != self.size:
            raise OSError("no room for a temporary file")

    async def _begin(self, n_bytes: int, *, is_web: bool) -> tuple[dict[str, Any], bytes | None]:
        """Size and first bytes at once: a store answers slowly, however little is asked."""
        if is_web:
            return await begin(self._system, self._path, n_bytes)
        first = self._system._cat_file(self._path, start=0, end=n_bytes)
        asked = self._system._info(self._path), first
        answers: Any = await asyncio.gather(*asked, return_exceptions=True)
        info, first = answers
        if isinstance(info, BaseException):
            raise info
        if info["type"] != "file" or not info["size"]:
            return {**info, "size": 0}, b""
        if isinstance(first, BaseException):
            raise first
        return info, first

    async def _part(self, start: int, stop: int) -> bytes:
        part: bytes = await self._system._cat_file(self._path, start=start, end=stop)
        if len(part) != stop - start:
            raise OSError(f"{len(part)} bytes came of {stop - start} asked for; it has changed")
        return part


class FileSource:
    """A file of a file system that waits for each answer (SFTP), on a connection of its own."""

    info: dict[str, Any]
    first: bytes | None = b""

    def __init__(self, url: str) -> None:
        self._url = url
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._file: Any = None
        self._system: Any = None

    def wait(self) -> None:
        """Until it is open."""
        try:
            self.info = self._thread.submit(self._tried, self._look).result()
        except BaseException:
            self.close()
            raise
        self.size = int(self.info["size"])

    def ask(self, start: int, stop: int) -> Future[bytes]:
        """Begin to fetch the bytes from ``start`` on; it fails where fewer come."""
        return self._thread.submit(self._tried, lambda: self._part(start, stop))

    def close(self) -> None:
        """Hang up, when what was asked for has come."""
        self._thread.submit(self._hang_up)
        self._thread.shutdown(wait=False)

    def _look(self) -> dict[str, Any]:
        self._system, path = connect(self._url)
        info: dict[str, Any] = self._system.info(path)
        if info["type"] != "directory":
            self._file = self._system.open(path, "rb")
        if hasattr(self._system, "ftp"):
            self._system.ftp.get_channel().settimeout(READ_S)
        return info

    def _part(self, start: int, stop: int) -> bytes:
        if self._file is None:
            self._look()
        if hasattr(self._file, "readv"):  # paramiko's: all pieces asked for before one is awaited
            part: bytes = next(self._file.readv([(start, stop - start)]))
        else:
            self._file.seek(start)
            part = self._file.read(stop - start)
        if len(part) != stop - start:
            raise OSError(f"{len(part)} bytes came of {stop - start} asked for; it has changed")
        return part

    def _tried(self, work: Callable[[], Any]) -> Any:
        for wait_s in WAITS_S:
            try:
                return work()
            except network_errors() as error:
                self._hang_up()
                if is_final(error):
                    raise
                time.sleep(wait_s)
        return work()

    def _hang_up(self) -> None:
        if self._file is not None:
            self._file.close()
        hang_up(self._system)
        self._file = self._system = None
