"""Headers that lie: the fields of WAV, FLAC, MP3 and Ogg, and values that no file should have.

Nothing to run here; ``mutants.py`` picks from ``LIES`` and ``TEN_HOURS``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.damage import EXTREMES, Damage
from benchmarks.oggpages import OggPage, join_pages, split_pages

TEN_HOURS_S = 36_000
_KEPT_BYTES = 1000  # of a file that claims ten hours
_RATES_HZ = (0, 1, 999, 1000, 8000, 192_000, 1_000_000, 1_000_001, 2**31, 4_000_000_000, 2**32 - 1)
_CHANNELS = (0, 1, 2, 3, 8, 64, 65, 255, 256, 1024, 1025, 32_768, 65_535)
_FORMAT_TAGS = (0, 1, 2, 3, 6, 7, 0x11, 0x14, 0x31, 0x38, 0x40, 0x45, 0x55, 0x64, 0x2000, 0xFFFE)


@dataclass(frozen=True)
class _Field:
    """A number in a header: where after the mark, how written, and what it may lie."""

    at: int
    code: str
    values: Sequence[int] = EXTREMES

    def lie(self, data: bytearray, mark_at: int, rng: np.random.Generator) -> None:
        """Write one of the values, where there is room for it."""
        at, width = mark_at + self.at, struct.calcsize(self.code)
        if at + width > len(data):
            return
        value = int(self.values[rng.integers(len(self.values))]) % 256**width
        order = "big" if self.code[0] == ">" else "little"
        data[at : at + width] = value.to_bytes(width, order)


_FMT_FIELDS = (
    _Field(4, "<I"),
    _Field(8, "<H", _FORMAT_TAGS),
    _Field(10, "<H", _CHANNELS),
    _Field(12, "<I", _RATES_HZ),
    _Field(16, "<I"),
    _Field(20, "<H"),  # block align
    _Field(22, "<H", (0, 1, 4, 7, 8, 12, 16, 24, 32, 33, 64, 65_535)),
    _Field(24, "<H"),
    _Field(26, "<H"),
    _Field(28, "<H"),
)
_SIZE = (_Field(4, "<I"),)
_WAV_MARKS = {
    b"fmt ": _FMT_FIELDS,
    b"RIFF": _SIZE,
    b"data": _SIZE,
    b"fact": (*_SIZE, _Field(8, "<I")),
    b"LIST": (*_SIZE, _Field(16, "<I")),
    b"guan": _SIZE,
    b"bext": (*_SIZE, _Field(610, "<I")),
    b"PEAK": (*_SIZE, _Field(8, "<I")),
    b"ds64": (*_SIZE, _Field(8, "<Q"), _Field(16, "<Q"), _Field(24, "<Q"), _Field(32, "<I")),
}
_ID3_SIZES = (_Field(6, ">I", (0, 1, 0x7F7F7F7F, 0x00000F7F, 0x7F, 0xFFFFFFFF, 0x01000000)),)
_MP3_MARKS = {
    b"ID3": (_Field(3, "<B", (0, 1, 2, 3, 4, 5, 255)), _Field(5, "<B"), *_ID3_SIZES),
    b"APIC": (_Field(4, ">I"), _Field(8, ">H"), _Field(10, "<B", (0, 1, 2, 3, 4, 255))),
    b"COMM": (_Field(4, ">I"), _Field(8, ">H"), _Field(10, "<B", (0, 1, 2, 3, 4, 255))),
    b"Xing": (_Field(4, ">I", range(16)), _Field(8, ">I"), _Field(12, ">I"), _Field(16, ">Q")),
    b"Info": (_Field(4, ">I", range(16)), _Field(8, ">I"), _Field(12, ">I"), _Field(16, ">Q")),
    b"LAME": (_Field(9, "<B"), _Field(20, ">I"), _Field(21, ">H"), _Field(27, ">I")),
}
_STREAMINFO_FIELDS = (
    _Field(0, ">I"),  # type and length of the block
    _Field(4, ">H", (0, 1, 15, 16, 4096, 65_535)),
    _Field(6, ">H", (0, 1, 15, 16, 4096, 65_535)),
    _Field(8, ">I"),
    _Field(11, ">I"),
    _Field(14, ">I"),  # 20 bits of rate, 3 of channels, 5 of bits, 4 of length
    _Field(16, ">H", range(0, 65_536, 257)),
    _Field(17, ">I"),
    _Field(18, ">I"),
    _Field(22, ">Q"),  # checksum of the sound
)
_PAGE_FIELDS = (
    _Field(4, "<B", (0, 1, 255)),
    _Field(5, "<B", range(8)),
    _Field(6, "<Q"),  # granule position
    _Field(14, "<I", (0, 1, 2**32 - 1)),
    _Field(18, "<I", (0, 1, 2, 3, 2**31, 2**32 - 1)),
    _Field(26, "<B", (0, 1, 2, 128, 254, 255)),
    _Field(27, "<B", (0, 1, 128, 254, 255)),
)
_HEAD_PACKETS = {
    b"\x01vorbis": (
        _Field(7, "<I"),
        _Field(11, "<B", _CHANNELS),
        _Field(12, "<I", _RATES_HZ),
        _Field(16, "<I"),
        _Field(28, "<B", range(256)),  # sizes of the two blocks
        _Field(29, "<B", (0, 1, 254, 255)),
    ),
    b"\x03vorbis": (_Field(7, "<I"), _Field(11, "<I")),
    b"\x05vorbis": tuple(_Field(at, "<B", range(256)) for at in range(7, 60)),
    b"OpusHead": (
        _Field(8, "<B", (0, 1, 2, 15, 16, 255)),
        _Field(9, "<B", _CHANNELS),
        _Field(10, "<H"),
        _Field(12, "<I", _RATES_HZ),
        _Field(16, "<H"),
        _Field(18, "<B", (0, 1, 2, 3, 254, 255)),
        _Field(19, "<B", (0, 1, 2, 255)),
    ),
    b"OpusTags": (_Field(8, "<I"), _Field(12, "<I")),
}


def _lie_by_marks(marks: dict[bytes, tuple[_Field, ...]]) -> Damage:
    """Change 1 to 3 fields, each after one of the marks that the file has."""

    def lie(data: bytes, rng: np.random.Generator) -> bytes:
        changed = bytearray(data)
        found = [(data.find(mark), fields) for mark, fields in marks.items() if mark in data]
        for _ in range(rng.integers(1, 4) if found else 0):
            at, fields = found[rng.integers(len(found))]
            fields[rng.integers(len(fields))].lie(changed, at, rng)
        return bytes(changed)

    return lie


def _lie_mp3(data: bytes, rng: np.random.Generator) -> bytes:
    """Lengths, or the headers of some frames, or both."""
    changed = bytearray(_lie_by_marks(_MP3_MARKS)(data, rng) if rng.random() < 0.7 else data)
    starts = [at for at in range(len(data) - 4) if data[at] == 255 and data[at + 1] & 0xE0 == 0xE0]
    for at in rng.choice(starts, rng.integers(1, 30)) if rng.random() < 0.6 and starts else ():
        place = int(rng.integers(1, 4))
        kept = 0xE0 if place == 1 else 0  # the rest of the mark
        changed[at + place] = int(rng.integers(256)) | kept
    return bytes(changed)


def _lie_flac(data: bytes, rng: np.random.Generator) -> bytes:
    """STREAMINFO, or the type and length of the blocks after it, or both."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.7:
            _STREAMINFO_FIELDS[rng.integers(len(_STREAMINFO_FIELDS))].lie(changed, 4, rng)
        else:
            changed[42] = int(rng.choice((0, 1, 2, 3, 4, 5, 6, 127, 128, 132, 255)))
            _Field(43, ">H", (0, 1, 255, 32_767, 65_535)).lie(changed, 0, rng)
            _Field(44, "<I").lie(changed, 0, rng)
    return bytes(changed)


def _lie_ogg(data: bytes, rng: np.random.Generator) -> bytes:
    """Fields of pages and of the packets that head a stream; the checksums hold."""
    pages = list(split_pages(data))
    for _ in range(rng.integers(1, 4)):
        which = int(rng.choice((0, 1, int(rng.integers(len(pages))), len(pages) - 1)))
        pages[which] = OggPage(_page_lied(pages[which], rng))
    return join_pages(pages)


def _page_lied(page: OggPage, rng: np.random.Generator) -> bytes:
    changed = bytearray(page.data)
    marks = [mark for mark in _HEAD_PACKETS if mark in page.data]
    kind = rng.random()
    if marks and kind < 0.6:
        mark = marks[rng.integers(len(marks))]
        fields = _HEAD_PACKETS[mark]
        fields[rng.integers(len(fields))].lie(changed, page.data.find(mark), rng)
    elif kind < 0.8:
        _PAGE_FIELDS[rng.integers(len(_PAGE_FIELDS))].lie(changed, 0, rng)
    else:
        body_at = min(page.body_at, len(changed) - 1)  # a lie about the page may stand there
        for at in rng.integers(body_at, len(changed), rng.integers(1, 20)):
            changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


LIES: dict[str, Damage] = {
    "wav": _lie_by_marks(_WAV_MARKS),
    "flac": _lie_flac,
    "mp3": _lie_mp3,
    "ogg": _lie_ogg,
}


def _ten_hours_wav(data: bytes, rng: np.random.Generator) -> bytes:
    changed, fmt = bytearray(data[:_KEPT_BYTES]), data.find(b"fmt ")
    n_bytes = min(struct.unpack_from("<I", data, fmt + 16)[0] * TEN_HOURS_S, 2**32 - 1)
    for mark in (b"RIFF", b"data"):
        if mark in changed:
            struct.pack_into("<I", changed, changed.find(mark) + 4, n_bytes)
    return bytes(changed)


def _ten_hours_flac(data: bytes, rng: np.random.Generator) -> bytes:
    packed = int.from_bytes(data[18:26], "big")
    n_samples = (packed >> 44) * TEN_HOURS_S
    lied = packed >> 36 << 36 | n_samples % 2**36
    # A frame of noise is longer than 1 kB: sometimes the first is there.
    kept = int(rng.choice((_KEPT_BYTES, 20_000)))
    return data[:18] + lied.to_bytes(8, "big") + data[26:kept]


def _ten_hours_mp3(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data[: int(rng.choice((_KEPT_BYTES, 6000)))])
    for mark in (b"Xing", b"Info"):
        if mark in changed[:-12]:
            struct.pack_into(">I", changed, changed.find(mark) + 8, TEN_HOURS_S * 40)
    return bytes(changed)


def _ten_hours_ogg(data: bytes, rng: np.random.Generator) -> bytes:
    """The last page that is kept, which holds sound, stands at ten hours."""
    pages = list(split_pages(data))
    kept = pages[: int(rng.integers(3, 5))]
    at = struct.pack("<q", 48_000 * TEN_HOURS_S)
    flags = bytes([kept[-1].data[5] | int(rng.choice((0, 4)))])
    kept[-1] = OggPage(kept[-1].data[:5] + flags + at + kept[-1].data[14:])
    return join_pages(kept)


TEN_HOURS: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "wav": _ten_hours_wav,
    "flac": _ten_hours_flac,
    "mp3": _ten_hours_mp3,
    "ogg": _ten_hours_ogg,
}
