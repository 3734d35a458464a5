"""Spectrogram: gathered while a recording streams, and its shades in decibels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.plots.canvas import GRID, N_SHADES, Box, Canvas, Font, text_width
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


_QUIET_SHARE, _LOUD_SHARE = 0.35, 0.998
_LEAST_RANGE_DB = 20.0
_ENOUGH_LEVELS = 40_000
_TEXT = Font(18)
_BAR_WIDTH, _BAR_HEIGHT = 150, 18


@dataclass(frozen=True)
class Contrast:
    """Levels of the darkest and of the brightest shade; what lies beyond has the same shade."""

    quiet_db: float
    loud_db: float

    @property
    def ends(self) -> tuple[str, str]:
        """Both levels as they are written, whole decibels."""
        return f"{self.quiet_db:.0f}", f"{self.loud_db:.0f}"

    def shades(self, levels_db: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Shade of each level, 0 to ``N_SHADES - 1``, in the shape of the levels."""
        scaled = (levels_db - self.quiet_db) / (self.loud_db - self.quiet_db) * (N_SHADES - 1)
        return np.clip(np.rint(scaled), 0, N_SHADES - 1).astype(np.uint8)


def fitted_contrast(
    levels: NDArray[Any], in_db: Callable[[NDArray[Any]], NDArray[np.float64]] = np.asarray
) -> Contrast:
    """The contrast in which a spectrogram's own quiet and loud parts span the shades.

    Parameters
    ----------
    levels : array, any shape
        Levels; at least one. Of very many, evenly spaced ones stand for all.
    in_db : callable
        Gives the decibels of levels; by default they are decibels.
    """
    flat = levels.reshape(-1)
    some = in_db(flat[:: max(1, flat.size // _ENOUGH_LEVELS)])
    quiet_db, loud_db = np.quantile(some, (_QUIET_SHARE, _LOUD_SHARE))
    return Contrast(float(quiet_db), max(float(loud_db), float(quiet_db) + _LEAST_RANGE_DB))


def draw_scale(
    canvas: Canvas, place: tuple[int, int], ends: tuple[str, str], *, unit: str = ""
) -> int:
    """Draw what the shades stand for, from ``(x, y)`` leftwards; the left edge, pixels.

    Parameters
    ----------
    canvas : Canvas
        Drawn into.
    place : (int, int)
        The right end of the text behind the bar, and the upper edge of the letters.
    ends : (str, str)
        What the darkest and the brightest shade stand for.
    unit : str
        Stands behind the brighter one.
    """
    right, top = place
    canvas.text((right, top), loud := f"{ends[1]} {unit}".rstrip(), _TEXT, anchor=1.0)
    stop = right - text_width(loud, _TEXT) - 8
    bar = Box(stop - _BAR_WIDTH, top + 3, stop, top + 3 + _BAR_HEIGHT)
    canvas.view(bar)[:] = np.linspace(0, N_SHADES - 1, bar.width).round().astype(np.uint8)
    canvas.frame(bar, GRID)
    canvas.text((bar.left - 8, top), ends[0], _TEXT, anchor=1.0)
    return bar.left - 8 - text_width(ends[0], _TEXT)
