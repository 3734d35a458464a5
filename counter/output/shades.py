"""Spectrograms in shades: which level is dark and which is bright, and the scale that says so.

All spectrograms of recordings and clips have this one contrast and the one colour map of
``counter.output.style``. Levels are decibels, 0 being a sine of full scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.output.canvas import Box, Canvas, Font, text_width
from counter.output.style import GRID, N_SHADES

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
