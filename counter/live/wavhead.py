"""The header of a WAV file that comes through a pipe, which cannot be read twice."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from counter.errors import AudioError
from counter.live.formatnames import SAMPLE_FORMATS
from counter.live.samples import Layout

MAGIC_BYTES = 4
WAV = (b"RIFF", b"RF64")
# What writers put where they do not know the length yet: 0, or close to 2 or 4 GB.
_NO_LENGTH_FROM = 0x7FFF_0000
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS = {
    (_PCM, 1): "u8",
    (_PCM, 2): "s16le",
    (_PCM, 3): "s24le",
    (_PCM, 4): "s32le",
    (_FLOAT, 4): "f32le",
    (_FLOAT, 8): "f64le",
}
_MAX_CHUNK_BYTES = 1 << 24  # before the sound; a tag with a picture is smaller

Read = Callable[[int], bytes]


@dataclass(frozen=True)
class WavHead:
    """What a header says.

    Attributes
    ----------
    layout : Layout
        How its samples stand in the bytes that follow.
    n_bytes : int or None
        Bytes of sound, where it says so.
    """

    layout: Layout
    n_bytes: int | None


def read_head(read: Read, magic: bytes) -> WavHead:
    """Read up to the first sample.

    Parameters
    ----------
    read : callable
        Gives exactly so many bytes, or fewer at the end.
    magic : bytes
        The first four, one of ``WAV``, which were read before.

    Raises
    ------
    AudioError
        The header breaks off, or the sound is of a kind that is not read from a stream.
    """
    if _exactly(read, 8)[4:] != b"WAVE":
        raise AudioError("is no WAV: its header does not say WAVE")
    layout, data_bytes = None, None
    while True:
        name, size = struct.unpack("<4sI", _exactly(read, 8))
        if name == b"data":
            break
        if size > _MAX_CHUNK_BYTES:
            raise AudioError(f"has a damaged header: {size} bytes before the sound")
        body = _exactly(read, size + size % 2)
        if name == b"fmt ":
            layout = _layout(body)
        elif name == b"ds64" and magic == b"RF64" and len(body) >= 16:
            data_bytes = struct.unpack_from("<Q", body, 8)[0]
    if layout is None:
        raise AudioError("has a damaged header: it does not say what the samples are")
    if data_bytes is None and 0 < size < _NO_LENGTH_FROM:
        data_bytes = size
    return WavHead(layout, data_bytes)


def _exactly(read: Read, n_bytes: int) -> bytes:
    found = read(n_bytes)
    if len(found) < n_bytes:
        raise AudioError("ends within its header")
    return found


def _layout(body: bytes) -> Layout:
    if len(body) < 16:
        raise AudioError("has a damaged header: too little about the samples")
    kind, channels, rate_hz, _, step_bytes, _ = struct.unpack_from("<HHIIHH", body)
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = struct.unpack_from("<H", body, 24)[0]
    found = _KINDS.get((kind, step_bytes // max(channels, 1)))
    if found is None or step_bytes % max(channels, 1):
        known = ", ".join(SAMPLE_FORMATS)
        raise AudioError(f"holds WAV samples of another kind (0x{kind:04x}) than {known}")
    return Layout(rate_hz, channels, found)
