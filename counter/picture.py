"""A small spectrogram of a recording, gathered while it streams, for its plot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counter.records import FloatArray, Picture

FLOOR_DB = -120.0
DB_PER_LEVEL = 0.5
N_ROWS = 128
COLUMN_S = 0.128
# A day at this many columns is 4 s a column; more is never held.
MAX_COLUMNS = 24 * 1400


class PictureMaker:
    """Columns of mean power in ``N_ROWS`` rows from 0 Hz to half the rate.

    One spectrum stands for each column of ``COLUMN_S`` seconds; when there are more than
    ``MAX_COLUMNS``, neighbours are merged (the louder wins) and columns get twice as long.

    Parameters
    ----------
    sample_rate_hz : int
        Rate of the samples.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._step = max(2 * N_ROWS, round(COLUMN_S * sample_rate_hz))
        self._window = np.hanning(2 * N_ROWS + 1)[:-1].astype(np.float32)
        self._window /= self._window.sum() / 2
        self._held = np.zeros(0, dtype=np.float32)
        self._columns: list[NDArray[np.uint8]] = []
        self._n_columns = 0
        self._merged = 1
        self._unmerged = np.zeros((0, N_ROWS), dtype=np.uint8)

    def push(self, samples: FloatArray) -> None:
        """Take the next samples, shape (n_samples,)."""
        held = np.concatenate([self._held, samples]) if len(self._held) else samples
        n_columns = len(held) // self._step
        frames = held[: n_columns * self._step].reshape(n_columns, self._step)
        self._held = held[n_columns * self._step :]
        if n_columns:
            self._add(self._levels(frames[:, : 2 * N_ROWS]))

    def _levels(self, frames: FloatArray) -> NDArray[np.uint8]:
        power = np.abs(np.fft.rfft(frames * self._window)[:, :N_ROWS]) ** 2
        level_db = 10 * np.log10(power + 1e-12)
        return np.clip((level_db - FLOOR_DB) / DB_PER_LEVEL, 0, 255).astype(np.uint8)

    def _add(self, levels: NDArray[np.uint8]) -> None:
        levels = np.concatenate([self._unmerged, levels])
        whole = len(levels) // self._merged * self._merged
        self._unmerged = levels[whole:]
        self._columns.append(_merge(levels[:whole], self._merged))
        self._n_columns += len(self._columns[-1])
        while self._n_columns > MAX_COLUMNS:
            every = np.concatenate(self._columns)
            self._n_columns = len(every) // 2
            self._columns = [_merge(every[: 2 * self._n_columns], 2)]
            # an odd column waits for its neighbour, in the place of the hops it came from
            odd = np.repeat(every[2 * self._n_columns :], self._merged, axis=0)
            self._unmerged = np.concatenate([odd, self._unmerged])
            self._merged *= 2

    def finish(self, scores: FloatArray, frame_s: float) -> Picture:
        """The picture with the scores under it; no column where there was hardly any sound."""
        levels = np.concatenate([*self._columns, np.zeros((0, N_ROWS), dtype=np.uint8)])
        return Picture(
            levels_db=levels,
            column_s=self._step * self._merged / self._rate_hz,
            bin_hz=self._rate_hz / (2 * N_ROWS),
            scores=scores,
            frame_s=frame_s,
        )


def _merge(levels: NDArray[np.uint8], n_merged: int) -> NDArray[np.uint8]:
    return levels.reshape(-1, n_merged, N_ROWS).max(axis=1) if len(levels) else levels
