"""Broken sound files, each made again by a seed and a number.

Nothing to run here; see ``fuzz.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.damage import DAMAGE
from benchmarks.lies import LIES, TEN_HOURS
from benchmarks.wholefiles import RECIPES, whole_file

_SHARES = {"wav": 0.25, "flac": 0.22, "mp3": 0.22, "ogg": 0.22, "other": 0.09}
_SUFFIXES = ("wav", "flac", "mp3", "ogg", "opus", "aiff", "au", "caf", "w64", "rf64", "voc", "sds")
_TWICE_SHARE = 0.25  # of the files, take one more damage
_LIES, _TEN_HOURS = "lying header", "ten hours over 1 kB"
_JOINED, _SPLICED = "two files joined", "header of one, body of another"
_EMPTY, _RUBBISH, _SUFFIX = "empty", "rubbish alone", "wrong suffix"
# How often each kind is drawn; a kind of damage counts 1.
_WEIGHTS = {name: 1.0 for name in DAMAGE} | {
    _LIES: 6.0,
    _TEN_HOURS: 1.0,
    _JOINED: 1.5,
    _SPLICED: 1.5,
    _EMPTY: 0.1,
    _RUBBISH: 0.4,
    _SUFFIX: 0.5,
}
KINDS = tuple(_WEIGHTS)


@dataclass(frozen=True)
class Mutant:
    """A broken file.

    Attributes
    ----------
    number : int
        Which of its seed.
    made_of : str
        Kind of the whole file: ``wav``, ``flac``, ``mp3``, ``ogg`` or ``other``.
    kind : str
        What was done to it, one of ``KINDS``.
    name : str
        Its file name, which begins with its number.
    data : bytes
        What is in it.
    """

    number: int
    made_of: str
    kind: str
    name: str
    data: bytes


def mutant(seed: int, number: int, made_of: str | None = None) -> Mutant:
    """File ``number`` of a seed, the same whenever it is made.

    Parameters
    ----------
    seed, number : int
        At least 0.
    made_of : str, optional
        The kind of whole file, one of ``RECIPES``; drawn by chance where not given.
    """
    rng = np.random.default_rng([seed, number])
    if made_of is None:
        made_of = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    suffix, data = _draw(rng, made_of)
    weights = np.array(list(_WEIGHTS.values()))
    kind = KINDS[rng.choice(len(KINDS), p=weights / weights.sum())]
    if kind == _SUFFIX:
        suffix = str(rng.choice(_SUFFIXES))
    data = _broken(data, kind, made_of, rng)
    if data and rng.random() < _TWICE_SHARE:
        again = list(DAMAGE.values())[rng.integers(len(DAMAGE))]
        data = again(data, rng)
    return Mutant(number, made_of, kind, f"{number:06}.{suffix}", data)


def _broken(data: bytes, kind: str, made_of: str, rng: np.random.Generator) -> bytes:
    if kind in DAMAGE:
        return DAMAGE[kind](data, rng)
    if kind in (_LIES, _TEN_HOURS):
        lies = LIES if kind == _LIES else TEN_HOURS
        return lies.get(made_of, DAMAGE["extreme numbers in the header"])(data, rng)
    if kind == _JOINED:
        return data + _draw(rng, _partner(rng, made_of))[1]
    if kind == _SPLICED:
        other = _draw(rng, _partner(rng, made_of))[1]
        kept = int(rng.integers(16, min(len(data), 8000)))
        return data[:kept] + other[int(rng.integers(0, min(len(other), 8000))) :]
    if kind == _RUBBISH:
        return data[: int(rng.integers(0, 13))] + rng.bytes(int(rng.integers(1, 40_000)))
    return b"" if kind == _EMPTY else data


def _partner(rng: np.random.Generator, made_of: str) -> str:
    """Another file of the same kind, where rate and channels change on the way, or of any."""
    return made_of if rng.random() < 0.5 else str(rng.choice(list(RECIPES)))


def _draw(rng: np.random.Generator, made_of: str) -> tuple[str, bytes]:
    """Suffix and bytes of a whole file."""
    index = int(rng.integers(len(RECIPES[made_of])))
    return RECIPES[made_of][index].suffix, whole_file(made_of, index)
