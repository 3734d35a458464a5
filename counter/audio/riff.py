"""RIFF chunks of WAV, RF64 and AIFF, in files and pipes; how much sound headers claim, and hold."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

FORM_BYTES = 12  # name, size and type of the form, before its first chunk
_Order = Literal["little", "big"]
_LITTLE_FORMS, _BIG_FORMS = (b"RIFF", b"RF64"), (b"RIFX", b"FORM")
_MAX_CHUNKS = 1000  # a file of zeros must not be walked eight bytes at a time
_MAX_CHUNK_BYTES = 65_536
_FOLLOWED = b"JUNK"
# Lengths that stand for an unknown one: SoX, arecord (two versions), LAME, ffmpeg.
_PLACEHOLDERS = (0, 0x7FFF_F000, 0x7FFF_FF00, 0x8000_0000, 0x7FFF_FFFF, 0xFFFF_FFFF)
# Others lie near one of these, less or more a header or part of a block; the first is SoX's (AIFF).
_LIMITS = (0x7F00_0000, 2**31, 2**32, 2**64)
_NEAR_BYTES = 65_536
_UNKNOWN = 2**64 - 1

ByteFile = io.FileIO | io.BufferedReader  # of this machine; or of another, by counter.storage


class ChunkSource(Protocol):
    """A file or pipe whose chunks can be walked: it is read and moved forward."""

    def read(self, n_bytes: int, /) -> bytes:
        """Exactly so many bytes, or fewer at the end."""

    def seek(self, place: int, /) -> int:
        """Move to a place that is not before this one."""


class Chunk(NamedTuple):
    """A RIFF chunk."""

    name: bytes  # its four letters
    # where its content begins, and how long it claims to be
    start: int
    n_bytes: int
    # where that claim stands, and in how many bytes
    size_at: int
    size_width: int
    order: _Order  # order of the bytes of numbers: ``little`` or ``big``

    @property
    def stop(self) -> int:
        """Where the next chunk begins."""
        return self.start + self.n_bytes + self.n_bytes % 2


def walk_chunks(file: ChunkSource, form: bytes, *, size: int = sys.maxsize) -> Iterator[Chunk]:
    """RIFF chunks in order, with the file at the content of each; of a seekable file or a pipe.

    The length of ``data`` is that of ``ds64``, which is read here, where it says so (BS.2088).

    ``file`` is at the first chunk; what is read of a chunk before the next does not matter.
    ``form`` is the first ``FORM_BYTES`` of the file: chunks follow where it is RIFF, RF64, RIFX or
    FORM (AIFF). ``size`` is that of the whole file, where known: some file systems refuse to move
    far behind it.
    """
    if form[:4] not in _LITTLE_FORMS + _BIG_FORMS:
        return
    order: _Order = "big" if form[:4] in _BIG_FORMS else "little"
    at, wide, wide_at = FORM_BYTES, b"", 0
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk = Chunk(head[:4], at + 8, int.from_bytes(head[4:], order), at + 4, 4, order)
        if chunk.name == b"ds64":
            wide, wide_at = file.read(min(chunk.n_bytes, 16))[8:], chunk.start + 8
        elif chunk.name in (b"data", b"SSND") and wide and chunk.n_bytes == 0xFFFF_FFFF:
            n_bytes = int.from_bytes(wide, order)
            chunk = chunk._replace(n_bytes=n_bytes, size_at=wide_at, size_width=8)
        yield chunk
        at = chunk.stop
        if at >= size:
            return


def is_no_length(claimed_bytes: int, held_bytes: int = 0) -> bool:
    """Whether a claimed length is a placeholder, of a writer that streams: 0, near 2 or 4 GB.

    Recorders that split their files at 2 or 4 GB say such lengths truly. So one near a limit that
    is no known placeholder counts as a length where the file, as far as known, holds half of it.
    """
    is_near = any(abs(claimed_bytes - limit) <= _NEAR_BYTES for limit in _LIMITS)
    return claimed_bytes in _PLACEHOLDERS or (is_near and held_bytes < claimed_bytes / 2)


@dataclass(frozen=True)
class Extent:
    """Length of sound in bytes: what a header claims, what the file holds, and a patch."""

    # bytes of sound that the header claims and that follow it; 0 where neither is known
    claimed_bytes: int
    held_bytes: int
    patch_at: int = 0  # where in the file the patch goes
    patch: bytes = b""  # what the header should have said there; empty where it needs no patch

    @property
    def is_followed(self) -> bool:
        """Whether another file stands behind the sound, which the patch hides."""
        return self.patch[:4] == _FOLLOWED

    @property
    def is_streamed(self) -> bool:
        """Whether the claim is a placeholder, as of a writer into a pipe."""
        is_more = self.claimed_bytes > self.held_bytes
        return is_more and is_no_length(self.claimed_bytes, self.held_bytes)

    @property
    def is_unfinished(self) -> bool:
        """Whether the header says less than there is, as after a loss of power."""
        return bool(self.patch) and not self.is_followed and not self.is_streamed

    @property
    def is_sure(self) -> bool:
        """Whether the header says where the sound ends."""
        return not self.patch and not self.is_streamed

    def claimed_samples(self, n_samples: int) -> int:
        """Samples that the header claims, where libsndfile found ``n_samples`` in the file."""
        missing = self.claimed_bytes - self.held_bytes
        if missing <= 0 or self.is_streamed:
            return n_samples
        return n_samples + -(-n_samples * missing // self.held_bytes)


def read_extent(raw: ByteFile) -> Extent:
    """Extent of the sound of a WAV, RF64, W64, AIFF or AU; zeros for all other formats.

    libsndfile shortens a claim that the file does not hold, and believes one that is too small
    (never finished, or over 4 GB and wrapped), both without a word.
    """
    size = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    head = raw.read(24)
    if head[:4] == b"riff" and len(head) == 24:
        return Extent(int.from_bytes(head[16:24], "little"), size)
    if head[:4] == b".snd" and len(head) == 24:
        start, claimed = (int.from_bytes(head[at : at + 4], "big") for at in (4, 8))
        return Extent(claimed, max(1, size - start))
    for chunk in walk_chunks(raw, head[:FORM_BYTES], size=size):
        if chunk.name in (b"data", b"SSND"):
            return _sound_extent(raw, chunk, size)
    return Extent(0, 0)


def _sound_extent(raw: ByteFile, chunk: Chunk, size: int) -> Extent:
    claimed, held, width = chunk.n_bytes, size - chunk.start, chunk.size_width
    n_before = 8 if chunk.name == b"SSND" else 0  # offset and block size
    is_whole = claimed < held and _ends_sound(raw, chunk, size)
    follows = _next_file(raw, chunk.stop, size)
    if claimed >= held or is_whole or any(follows):
        return Extent(claimed - n_before, max(1, held - n_before), *follows)
    most = min(held, 256**width - 1)  # a plain WAV cannot say more than 4 GB
    # ffmpeg leaves 0 in the ds64 of a stream; in other files it is what a loss of power leaves.
    is_streamed = is_no_length(claimed, held) and (claimed or width == 8) and most == held
    patch = most.to_bytes(width, chunk.order)
    return Extent(_UNKNOWN if is_streamed else held, most, chunk.size_at, patch)


def _next_file(raw: ByteFile, at: int, size: int) -> tuple[int, bytes]:
    """Where another WAV begins behind the sound, at which libsndfile would give up, and a patch."""
    left = size - at - 8
    if left < 0:
        return 0, b""
    raw.seek(at)
    is_there = raw.read(4) in _LITTLE_FORMS
    left = min(left, 0xFFFF_FFFF)
    return (at, _FOLLOWED + left.to_bytes(4, "little")) if is_there else (0, b"")


def _ends_sound(raw: ByteFile, chunk: Chunk, size: int) -> bool:
    """Whether another chunk, padding or nothing stands behind the sound, not more sound."""
    end = chunk.start + chunk.n_bytes
    raw.seek(end + end % 2)
    head = raw.read(8)
    if len(head) < 8 or (chunk.n_bytes and not any(head)):
        return True
    is_name = all(32 <= byte < 127 for byte in head[:4])
    return is_name and int.from_bytes(head[4:], chunk.order) <= size - raw.tell()


class _PatchedFile(io.RawIOBase):
    """A file whose header is read as if its recorder had finished it."""

    def __init__(self, raw: ByteFile, extent: Extent) -> None:
        self._raw = raw
        self._extent = extent

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with suppress(OSError):  # a header may lead where no file can reach
            self._raw.seek(offset, whence)
        return self._raw.tell()

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._raw.tell()
        n_bytes = self._raw.readinto(buffer)
        view = memoryview(buffer).cast("B")
        for at, value in enumerate(self._extent.patch, self._extent.patch_at - start):
            if 0 <= at < n_bytes:
                view[at] = value
        return n_bytes


# On Windows libsndfile's library has a C runtime of its own, to which our numbers mean nothing.
_KNOWS_NUMBERS = os.name == "posix"


def patched(raw: ByteFile, extent: Extent) -> ByteFile | io.RawIOBase | int:
    """The file, patched, as libsndfile reads it from the start; by its number where it has one."""
    raw.seek(0)
    if extent.patch:
        return _PatchedFile(raw, extent)
    if not _KNOWS_NUMBERS:
        return raw
    try:
        return raw.fileno()
    except io.UnsupportedOperation:
        return raw


def read_chunks(raw: ByteFile, names: Sequence[bytes]) -> list[bytes]:
    """Contents of RIFF chunks by name, such as ``guan`` and ``bext``, wherever they stand.

    The first chunk of each name, at most 64 kB of it; empty where there is none, as in files of
    other formats. The file's place is the same afterwards.
    """
    place = raw.tell()
    size = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    found: dict[bytes, bytes] = {}
    for chunk in walk_chunks(raw, raw.read(FORM_BYTES), size=size):
        if chunk.name in names:
            found.setdefault(chunk.name, raw.read(min(chunk.n_bytes, _MAX_CHUNK_BYTES)))
    raw.seek(place)
    return [found.get(name, b"") for name in names]
