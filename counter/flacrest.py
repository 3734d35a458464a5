"""The rest of a FLAC file behind damage, as a file of its own.

libsndfile's decoder stops for good at the first frame that is damaged: one flipped bit would cost
all that follows. Begun anew at a later frame, it goes on.
"""

from __future__ import annotations

import io
import os
import re
from typing import Any

_MARK = b"fLaC"
_HEAD_BYTES = 42  # the mark and the block STREAMINFO, all that a decoder needs
_LAST_BLOCK = b"\x80"
_SCAN_BYTES = 65_536
_FRAME_HEAD_BYTES = 16  # at most
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_CRC_POLYNOMIAL = 0x107
# Bytes that follow the number of a frame, by what its size and its rate are coded as.
_SIZE_BYTES, _RATE_BYTES = {6: 1, 7: 2}, {12: 1, 13: 2, 14: 2}


class FlacRest(io.RawIOBase):
    """The header of a FLAC file and its frames from a place on.

    Parameters
    ----------
    raw : file
        The whole file, which stays open and is moved about.
    head : bytes
        Its mark and its block STREAMINFO.
    start : int
        Where the first frame begins that is not left out.
    """

    def __init__(self, raw: io.RawIOBase | io.BufferedReader, head: bytes, start: int) -> None:
        self._head = head[:4] + _LAST_BLOCK + head[5:]
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


def flac_rest(raw: io.RawIOBase | io.BufferedReader) -> FlacRest | None:
    """The FLAC file from the first whole frame header on that stands at the file's place or later.

    None where there is no more frame, or the file does not begin as FLAC.
    """
    base, held = raw.tell(), b""
    raw.seek(0)
    head = raw.read(_HEAD_BYTES) or b""
    raw.seek(base)
    while head[:4] == _MARK and (part := raw.read(_SCAN_BYTES)):
        held += part
        for found in _SYNC.finditer(held):
            if _is_frame_head(held[found.start() : found.start() + _FRAME_HEAD_BYTES]):
                return FlacRest(raw, head, base + found.start())
        n_seen = max(0, len(held) - _FRAME_HEAD_BYTES)
        base, held = base + n_seen, held[n_seen:]
    return None


def _is_frame_head(head: bytes) -> bool:
    """Whether bytes that begin with the mark of a frame are its header (RFC 9639, section 9.1)."""
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
