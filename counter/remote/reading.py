"""A remote file as bytes: read in blocks, the next ones fetched while one is used."""

from __future__ import annotations

import io
import tempfile
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from counter.errors import AudioError, CallcountError
from counter.remote.sources import FileSource, RangeSource
from counter.remote.systems import is_asynchronous, network_errors, reason

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
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115, closed by who reads it
    try:
        source.fetch(file)
        if not file.tell():
            raise AudioError("empty file")
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
