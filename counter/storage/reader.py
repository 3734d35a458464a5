"""Reader of remote files: blocks fetched ahead, tried again where a network stumbles."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, TypeVar

from counter.errors import AudioError, CallcountError
from counter.storage.filesystems import (
    READ_S,
    begin,
    connect,
    hang_up,
    is_asynchronous,
    network_errors,
    reason,
    tried,
    tried_async,
)
from counter.storage.urls import scheme_of

T = TypeVar("T")


def _checked(part: bytes, n_bytes: int) -> bytes:
    if len(part) != n_bytes:
        raise OSError(f"{len(part)} bytes came of {n_bytes} asked for; it has changed")
    return part


class RangeSource:
    """A file of one of fsspec's asynchronous file systems (S3, Google, Azure, the web).

    ``n_first_bytes``, > 0, are fetched with the size; the attributes are there from ``wait`` on.
    """

    info: dict[str, Any]  # what the server says: ``type``, and ``size`` in bytes, -1 where unknown
    first: bytes | None  # None where the server gives whole files alone

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
        return asyncio.run_coroutine_threadsafe(tried_async(make), self._system.loop)

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
        part = await self._system._cat_file(self._path, start=start, end=stop)
        return _checked(part, stop - start)


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
            self.info = self._thread.submit(tried, self._look, mend=self._hang_up).result()
        except BaseException:
            self.close()
            raise
        self.size = int(self.info["size"])

    def ask(self, start: int, stop: int) -> Future[bytes]:
        """Begin to fetch the bytes from ``start`` on; it fails where fewer come."""
        return self._thread.submit(tried, lambda: self._part(start, stop), mend=self._hang_up)

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
            return _checked(next(self._file.readv([(start, stop - start)])), stop - start)
        self._file.seek(start)
        return _checked(self._file.read(stop - start), stop - start)

    def _hang_up(self) -> None:
        if self._file is not None:
            self._file.close()
        hang_up(self._system)
        self._file = self._system = None


BLOCK_BYTES = 1 << 20
_FIRST_BLOCKS = 4  # what comes with the size, in one request: a few minutes of MP3
_AHEAD_BLOCKS = 3
_KEPT_BLOCKS = _AHEAD_BLOCKS + 3  # and those used now and last, and the file's end
_MOST_EXPECTED = 8
_READ_BYTES = 65_536  # a decoder reads a hundred bytes at a time: those are Python's own work


class _Blocks(io.RawIOBase):
    """A file read in whole blocks, of which few are kept.

    What cannot be fetched is the end of the file, and ``failure`` says why: a decoder's callback
    must not raise.
    """

    failure = ""

    def __init__(self, source: RangeSource | FileSource) -> None:
        self._source = source
        self._at = 0
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        first, source.first = source.first or b"", b""
        for start in range(0, len(first), BLOCK_BYTES):
            block: Future[bytes] = Future()
            block.set_result(first[start : start + BLOCK_BYTES])
            self._blocks[start // BLOCK_BYTES] = block

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read to the end of the buffer or of the block, whichever is first."""
        if self.failure or self._at >= self._source.size:
            return 0
        number, offset = divmod(self._at, BLOCK_BYTES)
        try:
            block = self._block(number)
        except network_errors() as error:
            self.failure = reason(error)
            return 0
        # What reads but a header has no use for the rest.
        if number or offset >= BLOCK_BYTES // 8:
            for coming in range(number + 1, number + 1 + _AHEAD_BLOCKS):
                self._begin(coming)
        view = memoryview(buffer).cast("B")
        part = block[offset : offset + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _block(self, number: int) -> bytes:
        self._begin(number)
        self._blocks.move_to_end(number)
        while len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)[1].cancel()
        return self._blocks[number].result()

    def _begin(self, number: int) -> None:
        start = number * BLOCK_BYTES
        if number not in self._blocks and start < self._source.size:
            stop = min(start + BLOCK_BYTES, self._source.size)
            self._blocks[number] = self._source.ask(start, stop)

    def close(self) -> None:
        """Give up what is still coming."""
        if not self.closed:
            for block in self._blocks.values():
                block.cancel()
            self._blocks.clear()
            self._source.close()
        super().close()


class RemoteFile(io.BufferedReader):
    """A remote file, opened; as a local one, but that ``failure`` may say why it ends early."""

    raw: _Blocks

    @property
    def failure(self) -> str:
        """What the network or the server did wrong; empty while all is well."""
        return self.raw.failure


# Files of which the first bytes are fetched while others are scanned.
_expected: dict[str, RangeSource | FileSource] = {}


def expect(url: str) -> None:
    """Begin to fetch a file that will be opened soon; what goes wrong is told when it is."""
    if len(_expected) < _MOST_EXPECTED and not url.endswith("/"):
        with suppress(CallcountError):
            if is_asynchronous(url):
                _expected[url] = _begun(url)


def _begun(url: str) -> RangeSource | FileSource:
    n_first_bytes = _FIRST_BLOCKS * BLOCK_BYTES
    return RangeSource(url, n_first_bytes) if is_asynchronous(url) else FileSource(url)


def open_url(url: str) -> RemoteFile | io.FileIO:
    """Open a remote file for its bytes.

    Where its server gives parts of files, blocks of 1 MiB are kept, seven at most. Where it gives
    whole files alone, it is fetched into a temporary file without a name, gone when closed; so is
    one of up to 4 MiB, since a decoder of MP3 is quicker with a file of the system's.

    Raises
    ------
    AudioError
        It is a folder, empty, or cannot be reached after some tries.
    """
    if url.endswith("/"):
        raise AudioError("a folder that cannot be listed, or a link to one; name it itself")
    try:
        source = _expected.pop(url, None) or _begun(url)
        source.wait()
        if isinstance(source, RangeSource) and source.is_whole:
            return _fetched(source)
        if source.info["type"] != "directory" and source.size:
            return RemoteFile(_Blocks(source), _READ_BYTES)
        source.close()
        raise AudioError(
            "empty file" if source.info["type"] == "file" else "a folder, not a sound file"
        )
    except network_errors() as error:
        raise AudioError(f"cannot be opened: {reason(error)}") from error
    except CallcountError as error:
        raise error if isinstance(error, AudioError) else AudioError(str(error)) from error


def _fetched(source: RangeSource) -> io.FileIO:
    """A copy of a whole file, on disk."""
    # Any: on Windows it is another class, which does the same. Closed by who reads it.
    file: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    try:
        source.fetch(file)
        if not file.tell():
            raise AudioError("empty file")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
