"""How alike two stretches of sound are, from a recording's small spectrogram."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counter.picture import DB_PER_LEVEL
from counter.records import FloatArray, Picture

N_BANDS, N_PARTS = 16, 4


def sound_of(
    picture: Picture, start_s: float, end_s: float, band_hz: tuple[float, float]
) -> FloatArray:
    """Mean levels of a stretch in ``N_BANDS`` bands and ``N_PARTS`` parts of its time.

    The mean of all is taken off, so that distance to the microphone and gain tell nothing. They
    are scaled so that the length of the difference of two such arrays is in dB (RMS).

    Parameters
    ----------
    picture : Picture
        Spectrogram of the recording, at least one column.
    start_s, end_s : float
        The stretch, seconds from the recording's start.
    band_hz : (low_hz, high_hz)
        What the model hears; bands narrower than a row of the picture are left out.

    Returns
    -------
    array of float32, shape (N_PARTS * n_bands,)
    """
    low = min(int(band_hz[0] / picture.bin_hz), picture.levels_db.shape[1] - 1)
    high = max(int(np.ceil(band_hz[1] / picture.bin_hz)), low + 1)
    columns = np.linspace(start_s, end_s, N_PARTS + 1) / picture.column_s
    last = len(picture.levels_db) - 1
    first = np.minimum(columns[:-1].astype(np.int64), last)
    stop = np.clip(np.ceil(columns[1:]).astype(np.int64), first + 1, last + 1)
    parts = np.stack(
        [picture.levels_db[a:b, low:high].mean(axis=0) for a, b in zip(first, stop, strict=True)]
    )
    n_rows = parts.shape[1]
    edges = np.linspace(0, n_rows, min(N_BANDS, n_rows) + 1).astype(np.int64)[:-1]
    levels_db = np.add.reduceat(parts, edges, axis=1) / np.diff([*edges, n_rows]) * DB_PER_LEVEL
    levels_db -= levels_db.mean()
    found: FloatArray = (levels_db.ravel() / np.sqrt(levels_db.size)).astype(np.float32)
    return found


def unlike(sounds: Sequence[FloatArray], n: int, weights: Sequence[float]) -> list[int]:
    """Indices of ``n`` sounds that weigh much and are unlike one another.

    Each is the one of greatest weight times difference from the nearest one before it; the first,
    times difference from the mean of all. With equal weights that is farthest-first traversal
    (Gonzalez 1985).

    Parameters
    ----------
    sounds : sequence of arrays of float32, shape (n_levels,)
        As ``sound_of`` gives; may be empty.
    n : int
        How many are wanted; all where there are no more.
    weights : sequence of float
        Of each, at least 0.
    """
    if not len(sounds):
        return []
    every, weight = np.stack(sounds), np.asarray(weights)
    away_db = differences_db(every, every.mean(axis=0))
    nearest_db = np.full(len(every), np.inf)
    worth = weight * away_db
    chosen: list[int] = []
    while len(chosen) < min(n, len(every)):
        chosen.append(int(np.argmax(worth)))
        nearest_db = np.minimum(nearest_db, differences_db(every, every[chosen[-1]]))
        worth = weight * nearest_db
        worth[chosen] = -1.0
    return chosen


def differences_db(sounds: FloatArray, other: FloatArray) -> FloatArray:
    """Difference of each of some sounds, shape (n_sounds, n_levels), from another; dB (RMS)."""
    found: FloatArray = np.linalg.norm(sounds - other, axis=1)
    return found
