"""Damage that any file may take: flips, cuts, stretches zeroed, repeated, shuffled or put in.

Nothing to run here; ``mutants.py`` picks from ``DAMAGE``. Each takes the bytes of a file and a
generator, and gives the bytes of the damaged file.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Damage = Callable[[bytes, np.random.Generator], bytes]

_HEADER_BYTES = 128
# What a length, a count or a rate must not be trusted to be.
_SMALL = (0, 1, 2, 3, 7, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536)
_LARGE = (2**31 - 1, 2**31, 2**32 - 1, 2**32 - 8, 4_000_000_000, 2**63 - 1, 2**64 - 1)
EXTREMES = _SMALL + _LARGE


def flip_few(data: bytes, rng: np.random.Generator) -> bytes:
    """1 to 8 bits anywhere."""
    return _flipped(data, rng, int(rng.integers(1, 9)), len(data))


def flip_many(data: bytes, rng: np.random.Generator) -> bytes:
    """Up to a bit in twenty bytes, anywhere."""
    return _flipped(data, rng, max(1, int(len(data) * rng.uniform(0.0005, 0.05))), len(data))


def flip_header(data: bytes, rng: np.random.Generator) -> bytes:
    """1 to 16 bits near the beginning."""
    return _flipped(data, rng, int(rng.integers(1, 17)), _HEADER_BYTES)


def flip_body(data: bytes, rng: np.random.Generator) -> bytes:
    """1 to 400 bits behind the beginning."""
    keep = min(len(data), _HEADER_BYTES)
    body = data[keep:]
    return data[:keep] + _flipped(body, rng, int(rng.integers(1, 401)), len(body))


def extreme_numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """1 to 3 numbers of 1 to 8 bytes near the beginning, of either byte order."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        width = int(rng.choice((1, 2, 4, 8)))
        at = int(rng.integers(0, max(1, min(len(data), 2 * _HEADER_BYTES) - width)))
        value = EXTREMES[rng.integers(len(EXTREMES))] % 256**width
        changed[at : at + width] = value.to_bytes(width, "big" if rng.random() < 0.5 else "little")
    return bytes(changed[: len(data)])


def cut_anywhere(data: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return data[: int(rng.integers(len(data)))]


def cut_in_header(data: bytes, rng: np.random.Generator) -> bytes:
    """Hardly more than a header is there."""
    return data[: int(rng.integers(1, _HEADER_BYTES))]


def cut_in_front(data: bytes, rng: np.random.Generator) -> bytes:
    """The beginning is missing."""
    return data[int(rng.integers(len(data))) :]


def zero_stretch(data: bytes, rng: np.random.Generator) -> bytes:
    """A stretch holds zeros, or ones, as of a sector that was never written."""
    start, end = _stretch(data, rng)
    return data[:start] + bytes([rng.choice((0, 255))]) * (end - start) + data[end:]


def zero_tail(data: bytes, rng: np.random.Generator) -> bytes:
    """Nothing but zeros from some place on, as after a loss of power."""
    start = int(rng.integers(0, len(data)))
    return data[:start] + bytes(len(data) - start)


def repeat_stretch(data: bytes, rng: np.random.Generator) -> bytes:
    """A stretch stands there up to 20 times."""
    start, end = _stretch(data, rng)
    return data[:end] + data[start:end] * int(rng.integers(1, 20)) + data[end:]


def drop_stretch(data: bytes, rng: np.random.Generator) -> bytes:
    """A stretch is missing."""
    start, end = _stretch(data, rng)
    return data[:start] + data[end:]


def shuffle_stretches(data: bytes, rng: np.random.Generator) -> bytes:
    """2 to 12 stretches in another order, as of a file system gone wrong."""
    cuts = np.sort(rng.integers(0, len(data) + 1, rng.integers(1, 12)))
    edges = [int(rng.choice((0, min(len(data), _HEADER_BYTES)))), *cuts.tolist(), len(data)]
    parts = [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    return data[: edges[0]] + b"".join(parts[place] for place in rng.permutation(len(parts)))


def insert_rubbish(data: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes in some place, which may be the front or the end."""
    at = int(rng.choice((0, len(data), int(rng.integers(0, len(data))))))
    return data[:at] + rng.bytes(int(rng.integers(1, 6000))) + data[at:]


def overwrite_with_rubbish(data: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes instead of a stretch."""
    start, end = _stretch(data, rng)
    return data[:start] + rng.bytes(end - start) + data[end:]


DAMAGE: dict[str, Damage] = {
    "few bits flipped": flip_few,
    "many bits flipped": flip_many,
    "bits flipped in the header": flip_header,
    "bits flipped in the body": flip_body,
    "extreme numbers in the header": extreme_numbers,
    "cut anywhere": cut_anywhere,
    "cut inside the header": cut_in_header,
    "front missing": cut_in_front,
    "stretch zeroed": zero_stretch,
    "tail zeroed": zero_tail,
    "stretch repeated": repeat_stretch,
    "stretch missing": drop_stretch,
    "stretches shuffled": shuffle_stretches,
    "rubbish inserted": insert_rubbish,
    "rubbish written over": overwrite_with_rubbish,
}


def _flipped(data: bytes, rng: np.random.Generator, n_bits: int, within: int) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(0, max(1, min(within, len(data))), n_bits if data else 0):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _stretch(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    """Start and end of a stretch, of any size: as many short as long ones."""
    length = int(np.exp(rng.uniform(0, np.log(len(data) + 1))))
    start = int(rng.integers(0, max(1, len(data) - length + 1)))
    return start, start + length
