"""PNG pictures of 256 colours, packed fast and marked as callcount's own."""

from __future__ import annotations

import hashlib
import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES = 256


def encode_png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8], file_name: str) -> bytes:
    """Pack a palette picture as PNG.

    Runs of equal bytes alone are packed (zlib's ``Z_RLE``): on spectrograms that is a third of
    the time of Pillow's encoder and no larger, and zlib lets go of the interpreter lock.

    Parameters
    ----------
    pixels : array of uint8, shape (height, width)
        Palette indices, both sides at least 1.
    palette : array of uint8, shape (256, 3)
        Red, green, blue.
    file_name : str
        Name that the file will have; it is written into the mark.
    """
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row starts with its filter: none
    rows[:, 1:] = pixels
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    data = packer.compress(rows.data) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tEXt", _mark(file_name)), (b"PLTE", palette.tobytes())]
    chunks += [(b"IDAT", data), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def is_own_png(path: Path) -> bool:
    """Whether ``encode_png`` made this file under this very name; a renamed copy is not."""
    with path.open("rb") as file:
        return _mark(path.name) in file.read(_HEAD_BYTES)


def name_digest(file_name: str) -> str:
    """What stands in a file of callcount's for its name, in the 16 letters of a digest.

    Some file systems change the normal form of a name, so it is of one form.
    """
    name = unicodedata.normalize("NFC", file_name).encode("utf-8", "surrogatepass")
    return hashlib.sha256(name).hexdigest()[:16]


def _mark(file_name: str) -> bytes:
    return b"Software\0callcount plot " + name_digest(file_name).encode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
