"""Frames of MP3 and FLAC, pages of Ogg: found again behind damage, and whether a file ends well."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from typing import Any

from counter.audio.riff import ByteFile

_MAX_TAG_BYTES = 32_768  # tags after the last MP3 frame; more, or a tenth, is sound left unread
_SCAN_BYTES = 65_536
_KEPT_BYTES = 16_384  # a mark near the end of a part is looked at with the next: see _N_CHAINED
_FLAC_MARK = b"fLaC"
_FLAC_HEAD_BYTES = 42  # the mark and the block STREAMINFO, all that a decoder needs
_FLAC_LAST_BLOCK = b"\x80"
_FLAC_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_CRC_POLYNOMIAL = 0x107
# Bytes that follow the number of a FLAC frame, by what its size and its rate are coded as.
_SIZE_BYTES, _RATE_BYTES = {6: 1, 7: 2}, {12: 1, 13: 2, 14: 2}
# MPEG 1, 2 and 2.5, layer III, protected or not; other layers are left alone.
_MP3_SYNC = re.compile(rb"\xff[\xfa\xfb\xf2\xf3\xe2\xe3]")
_MP3_KBPS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_MP3_RATES_HZ = {3: (44_100, 48_000, 32_000, 0), 2: (22_050, 24_000, 16_000, 0)}
_MP3_RATES_HZ[0] = (11_025, 12_000, 8000, 0)
_N_CHAINED = 4  # frames, one after another, that no picture in a tag holds by chance


class FrameRest(io.RawIOBase):
    """The rest of a damaged file as a file: its head, if its decoder needs one, and later frames.

    ``start`` is where the first frame begins that is not left out; ``raw`` is moved about and stays
    open.
    """

    def __init__(self, raw: ByteFile, head: bytes, start: int) -> None:
        self._head = head
        self._raw = raw
        self._start = start
        self._size = len(head) + max(0, raw.seek(0, os.SEEK_END) - start)
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as in any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Place in this file."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as much as there is, across the seam."""
        view = memoryview(buffer).cast("B")
        head = self._head[self._at : self._at + len(view)]
        view[: len(head)] = head
        n_bytes = len(head)
        if n_bytes < len(view):
            self._raw.seek(self._start + self._at + n_bytes - len(self._head))
            n_bytes += self._raw.readinto(view[n_bytes:]) or 0
        self._at += n_bytes
        return n_bytes


def flac_rest(raw: ByteFile) -> FrameRest | None:
    """The rest of a FLAC file, from the first frame header on at the file's place or later.

    None where there is no more frame, or the file does not begin as FLAC.
    """
    place = raw.tell()
    raw.seek(0)
    head = raw.read(_FLAC_HEAD_BYTES)
    raw.seek(place)
    if head[:4] != _FLAC_MARK:
        return None
    start = _first(raw, _FLAC_SYNC, _is_flac_frame)
    head = head[:4] + _FLAC_LAST_BLOCK + head[5:]
    return None if start is None else FrameRest(raw, head, start)


def mp3_rest(raw: ByteFile, rate_hz: int, channels: int) -> FrameRest | None:
    """The rest of an MP3 file, from the first frames on at the file's place or later.

    None where there are none of this rate and number of channels.
    """

    def are_frames(data: bytes, at: int) -> bool:
        for _ in range(_N_CHAINED):
            n_bytes = _mp3_frame_bytes(data[at : at + 4], rate_hz, channels)
            if not n_bytes:
                return False
            at += n_bytes
        return True

    start = _first(raw, _MP3_SYNC, are_frames)
    return None if start is None else FrameRest(raw, b"", start)


def mp3_unread_bytes(raw: ByteFile) -> int:
    """Bytes of an MP3 behind the file's place; 0 where they are no more than tags may take."""
    place = raw.tell()
    size_bytes = raw.seek(0, os.SEEK_END)
    raw.seek(place)
    n_bytes = size_bytes - place
    return n_bytes if n_bytes > min(_MAX_TAG_BYTES, size_bytes / 10) else 0


def mp3_states_length(raw: ByteFile) -> bool:
    """Whether the first frame of an MP3 is a header that gives its length (Xing, Info, VBRI)."""
    raw.seek(0)
    head = raw.read(10)
    tag_bytes = sum((byte & 127) << 7 * (3 - at) for at, byte in enumerate(head[6:]))
    raw.seek(10 + tag_bytes if head[:3] == b"ID3" else 0)
    frame = raw.read(4096)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def ogg_ends(raw: ByteFile) -> bool:
    """Whether the last Ogg page is whole and marked as the last (RFC 3533, section 6)."""
    raw.seek(max(0, raw.seek(0, os.SEEK_END) - 2 * 65_307))
    data = raw.read()
    page = data[max(0, data.rfind(b"OggS")) :]
    n_header = 27 + page[26] if len(page) > 26 else len(page)
    n_page = n_header + sum(page[27:n_header])
    return len(page) >= n_page > 27 and bool(page[5] & 4)


def _first(
    raw: ByteFile, mark: re.Pattern[bytes], is_frame: Callable[[bytes, int], bool]
) -> int | None:
    """Where the first frame is, from the file's place on, which stays where there is none."""
    base = place = raw.tell()
    held = b""
    while part := raw.read(_SCAN_BYTES):
        held += part
        for found in mark.finditer(held):
            if is_frame(held, found.start()):
                return base + found.start()
        n_seen = max(0, len(held) - _KEPT_BYTES)
        base, held = base + n_seen, held[n_seen:]
    raw.seek(place)
    return None


def _is_flac_frame(data: bytes, at: int) -> bool:
    """Whether bytes that begin with the mark of a frame are its header (RFC 9639, section 9.1)."""
    head = data[at : at + 16]
    if len(head) < 6:
        return False
    size, rate, channels = head[2] >> 4, head[2] & 15, head[3] >> 4
    if size == 0 or rate == 15 or channels > 10 or head[3] & 1:
        return False
    n_ones = 8 - (head[4] ^ 255).bit_length()  # the number is coded as UTF-8 codes a character
    at_crc = 4 + max(1, n_ones) + _SIZE_BYTES.get(size, 0) + _RATE_BYTES.get(rate, 0)
    return n_ones not in (1, 8) and len(head) > at_crc and _crc8(head[:at_crc]) == head[at_crc]


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (_CRC_POLYNOMIAL if crc & 0x80 else 0)
    return crc


def _mp3_frame_bytes(head: bytes, rate_hz: int, channels: int) -> int:
    """Length of a frame of layer III by its header; 0 where it is none, or of another kind."""
    if len(head) < 4 or not _MP3_SYNC.match(head):
        return 0
    version = head[1] >> 3 & 3
    kbps = _MP3_KBPS[1 if version == 3 else 2][head[2] >> 4]
    is_mono = head[3] >> 6 == 3
    if _MP3_RATES_HZ[version][head[2] >> 2 & 3] != rate_hz or is_mono != (channels == 1):
        return 0
    per_frame = 144 if version == 3 else 72  # samples a frame over bits a byte
    return per_frame * kbps * 1000 // rate_hz + (head[2] >> 1 & 1) if kbps else 0
