"""What stands in the bytes of a sound file, where libsndfile does not tell."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from counter.errors import AudioError

_STREAMED = (0xFFFFFFFF, 0x7FFFF000)  # the sizes that ffmpeg and SoX write into a pipe
_MAX_CHUNKS = 1000  # a file of zeros must not be walked eight bytes at a time
_MAX_CHUNK_BYTES = 65_536
_NO_CHUNK = b"JUNK"
ByteFile = io.FileIO | io.BufferedReader  # of this machine; or of another, by counter.remote
_Order = Literal["little", "big"]


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Make an error of the file system one line for the user."""
    try:
        yield
    except OSError as error:
        raise AudioError(f"{what}: {(error.strerror or str(error)).lower()}") from error


class _Mended(io.RawIOBase):
    """A file whose header can be read as if its recorder had finished it."""

    def __init__(self, raw: ByteFile, extent: Extent) -> None:
        self._raw = raw
        self._extent = extent

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._raw.tell()
        n_bytes = self._raw.readinto(buffer)
        view = memoryview(buffer).cast("B")
        for at, value in enumerate(self._extent.mend, self._extent.mend_at - start):
            if 0 <= at < n_bytes:
                view[at] = value
        return n_bytes


@dataclass(frozen=True)
class Extent:
    """How much sound a header claims, and how to mend it.

    Attributes
    ----------
    claimed_bytes, held_bytes : int
        Bytes of sound that the header claims and that follow it; 0 where neither is known.
    mend_at : int
        Where in the file the mended bytes go.
    mend : bytes
        What the header should have said there; empty where it needs no mending.
    """

    claimed_bytes: int
    held_bytes: int
    mend_at: int = 0
    mend: bytes = b""

    @property
    def is_followed(self) -> bool:
        """Whether another file stands behind the sound, which the mending hides."""
        return self.mend[:4] == _NO_CHUNK

    @property
    def is_streamed(self) -> bool:
        """Whether the claim is only what stands in every header written into a pipe."""
        return self.claimed_bytes in _STREAMED

    def claimed_samples(self, n_samples: int) -> int:
        """Samples that the header claims, where libsndfile found ``n_samples`` in the file."""
        missing = self.claimed_bytes - self.held_bytes
        if missing <= 0 or self.is_streamed:
            return n_samples
        return n_samples + -(-n_samples * missing // self.held_bytes)


@_told("cannot be read")
def size_bytes(raw: ByteFile) -> int:
    """Length of a file now; its place is the same afterwards.

    Raises
    ------
    AudioError
        The file cannot be read.
    """
    place = raw.tell()
    size = raw.seek(0, os.SEEK_END)
    raw.seek(place)
    return size


@_told("cannot be opened")
def open_raw(path: str) -> io.FileIO:
    """Open a file for its bytes.

    Raises
    ------
    AudioError
        It is a folder, a pipe or the like, empty, or cannot be opened.
    """
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        os.listdir(path)
        raise AudioError("a folder, not a sound file")
    if not stat.S_ISREG(found.st_mode):
        raise AudioError("not a regular file")
    if not found.st_size:
        raise AudioError("empty file")
    return io.FileIO(path)


@_told("cannot be read")
def read_extent(raw: ByteFile) -> Extent:
    """Where WAV, RF64, W64, AIFF and AU say how much sound follows; zeros for all others.

    libsndfile shortens a claim that the file does not hold, and believes one that is too small
    (never finished, or over 4 GB and wrapped), both without a word.

    Parameters
    ----------
    raw : ByteFile
        The file, at its start.

    Raises
    ------
    AudioError
        The file cannot be read.
    """
    size = size_bytes(raw)
    head = raw.read(24)
    if head[:4] == b"riff" and len(head) == 24:
        return Extent(int.from_bytes(head[16:24], "little"), size)
    if head[:4] == b".snd" and len(head) == 24:
        start, claimed = (int.from_bytes(head[at : at + 4], "big") for at in (4, 8))
        return Extent(claimed, max(1, size - start))
    if head[:4] not in (b"RIFF", b"RF64", b"RIFX", b"FORM"):
        return Extent(0, 0)
    return _chunked_extent(raw, size, "big" if head[:4] in (b"RIFX", b"FORM") else "little")


def mended(raw: ByteFile, extent: Extent) -> ByteFile | io.RawIOBase | int:
    """What libsndfile is to read from the start: the file, by its number where it may have one."""
    raw.seek(0)
    if extent.mend:
        return _Mended(raw, extent)
    try:
        return raw.fileno()
    except io.UnsupportedOperation:
        return raw


def _chunked_extent(raw: ByteFile, size: int, order: _Order) -> Extent:
    raw.seek(12)
    wide_at, wide = 0, b""
    for _ in range(_MAX_CHUNKS):
        head = raw.read(8)
        start, length = raw.tell(), int.from_bytes(head[4:], order)
        if len(head) < 8:
            break
        if head[:4] == b"ds64":
            wide_at, wide = start + 8, raw.read(16)[8:]
        if head[:4] in (b"data", b"SSND"):
            at, width = (wide_at, 8) if wide and length == 0xFFFFFFFF else (start - 4, 4)
            claimed = int.from_bytes(wide, order) if width == 8 else length
            held, other = size - start, 8 if head[:4] == b"SSND" else 0
            follows = _next_file(raw, start + claimed + claimed % 2)
            if claimed >= held or any(follows) or _ends_sound(raw, start + claimed, claimed, order):
                return Extent(claimed - other, max(1, held - other), *follows)
            most = min(held, 256**width - 1)  # a plain WAV cannot say more than 4 GB
            return Extent(held, most, at, most.to_bytes(width, order))
        raw.seek(start + length + length % 2)
    return Extent(0, 0)


def _next_file(raw: ByteFile, at: int) -> tuple[int, bytes]:
    """Where another WAV begins behind the sound, at which libsndfile would give up, and a mend."""
    left = size_bytes(raw) - at - 8
    if left < 0:
        return 0, b""
    raw.seek(at)
    is_there = raw.read(4) in (b"RIFF", b"RF64")
    left = min(left, 0xFFFFFFFF)
    return (at, _NO_CHUNK + left.to_bytes(4, "little")) if is_there else (0, b"")


def _ends_sound(raw: ByteFile, end: int, claimed: int, order: _Order) -> bool:
    """Whether the bytes at ``end`` are another chunk, padding or nothing, not more sound."""
    raw.seek(end + end % 2)
    head = raw.read(8)
    left = size_bytes(raw) - raw.tell()
    if len(head) < 8 or (claimed and not any(head)):
        return True
    is_name = all(32 <= byte < 127 for byte in head[:4])
    return is_name and int.from_bytes(head[4:], order) <= left


@_told("cannot be read")
def read_chunks(raw: ByteFile, names: Sequence[bytes]) -> list[bytes]:
    """Contents of some chunks of a WAV or RF64 file, wherever they stand.

    Parameters
    ----------
    raw : ByteFile
        The file; its place is the same afterwards.
    names : sequence of bytes
        Names of the chunks, 4 bytes each.

    Returns
    -------
    list of bytes
        The first chunk of each name, at most 64 kB of it; empty where there is none, as in files
        of other formats.

    Raises
    ------
    AudioError
        The file cannot be read.
    """
    place = raw.tell()
    raw.seek(0)
    found: dict[bytes, bytes] = {}
    if raw.read(4) in (b"RIFF", b"RF64"):
        for name, start, length in _walk_chunks(raw, 12):
            if name in names and name not in found:
                raw.seek(start)
                found[name] = raw.read(min(length, _MAX_CHUNK_BYTES))
    raw.seek(place)
    return [found.get(name, b"") for name in names]


def _walk_chunks(raw: ByteFile, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of each chunk from a place on; the caller may move about."""
    for _ in range(_MAX_CHUNKS):
        raw.seek(at)
        head = raw.read(8)
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8:
            return
        yield head[:4], at + 8, length
        at += 8 + length + length % 2


@_told("cannot be read")
def mp3_states_length(raw: ByteFile) -> bool:
    """Whether the first frame of an MP3 is one of the headers that give the length.

    Raises
    ------
    AudioError
        The file cannot be read.
    """
    raw.seek(0)
    head = raw.read(10)
    tag_bytes = sum((byte & 127) << 7 * (3 - at) for at, byte in enumerate(head[6:]))
    raw.seek(10 + tag_bytes if head[:3] == b"ID3" else 0)
    frame = raw.read(4096)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


@_told("cannot be read")
def ogg_ends(raw: ByteFile) -> bool:
    """Whether the last Ogg page is whole and marked as the last (RFC 3533, section 6).

    Raises
    ------
    AudioError
        The file cannot be read.
    """
    raw.seek(max(0, raw.seek(0, os.SEEK_END) - 2 * 65_307))
    data = raw.read()
    page = data[max(0, data.rfind(b"OggS")) :]
    n_header = 27 + page[26] if len(page) > 26 else len(page)
    n_page = n_header + sum(page[27:n_header])
    return len(page) >= n_page > 27 and bool(page[5] & 4)
