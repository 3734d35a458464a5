"""Ogg taken apart into pages and put together with checksums that hold (RFC 3533, section 6).

Nothing to run here. A page whose checksum does not hold is passed over by every decoder, so a lie
in it would never be read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_HEAD_BYTES = 27
_CRC_AT = 22


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


@dataclass(frozen=True)
class OggPage:
    """One page, its checksum as it stands."""

    data: bytes

    @property
    def body_at(self) -> int:
        """Where the packets begin."""
        return _HEAD_BYTES + self.data[26]

    def with_serial(self, serial: int) -> OggPage:
        """The page as one of another stream; its checksum does not hold."""
        return OggPage(self.data[:14] + struct.pack("<I", serial) + self.data[18:])

    def sealed(self) -> bytes:
        """The page with the checksum that it should have."""
        data = self.data[:_CRC_AT] + bytes(4) + self.data[_CRC_AT + 4 :]
        crc = 0
        for byte in data:
            crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC_TABLE[crc >> 24 ^ byte]
        return data[:_CRC_AT] + struct.pack("<I", crc) + data[_CRC_AT + 4 :]


def split_pages(data: bytes) -> Iterator[OggPage]:
    """Pages of a file that is whole."""
    at = 0
    while at < len(data):
        head = data[at : at + _HEAD_BYTES]
        n_lacing = head[26]
        n_body = sum(data[at + _HEAD_BYTES : at + _HEAD_BYTES + n_lacing])
        end = at + _HEAD_BYTES + n_lacing + n_body
        yield OggPage(data[at:end])
        at = end


def join_pages(pages: Iterable[OggPage]) -> bytes:
    """A file of pages, each with the checksum that it should have."""
    return b"".join(page.sealed() for page in pages)
