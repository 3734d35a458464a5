"""Colours of the plots, as indices into one palette of 256.

The picture is matplotlib's magma, events and labels have the colours of the charts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from counter.output import chartstyle as chart

N_SHADES = 64  # palette 0..63: quiet to loud
_TEXT = 64  # palette 64..95: white to ink, for smooth letters
_N_TEXT = 32
WHITE, INK = _TEXT, _TEXT + _N_TEXT - 1
GRID, EMPTY, BLACK, SCORE, SCORE_FILL, WARNING = range(96, 102)
_LABELS = 102

_MAGMA = bytes.fromhex(
    "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 "
    "d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf"
)
_INK_RGB = "#222222"
_PLAIN = ("#d0d0d0", "#ececec", chart.BLACK, chart.BLUE, "#b9d9ea", chart.VERMILION)


def label_ink(number: int) -> int:
    """Palette index of a label, counted from 0; after the last colour the first comes again."""
    return _LABELS + number % len(chart.LABELS)


def text_ink(coverage: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Palette indices of letters on white, from how much they cover a pixel (0 to 255)."""
    return (WHITE + coverage.astype(np.uint16) * _N_TEXT // 256).astype(np.uint8)


@lru_cache(maxsize=1)
def palette() -> NDArray[np.uint8]:
    """Red, green, blue of every index, shape (256, 3); indices without a use are black."""
    table = np.zeros((256, 3))
    anchors = np.frombuffer(_MAGMA, np.uint8).reshape(-1, 3)
    places = np.linspace(0, len(anchors) - 1, N_SHADES)
    for channel in range(3):
        table[:N_SHADES, channel] = np.interp(places, range(len(anchors)), anchors[:, channel])
    ink = _rgb([_INK_RGB])[0]
    table[WHITE : INK + 1] = np.linspace((255.0, 255.0, 255.0), ink, _N_TEXT)
    table[GRID : GRID + len(_PLAIN)] = _rgb(_PLAIN)
    table[_LABELS : _LABELS + len(chart.LABELS)] = _rgb(chart.LABELS)
    return np.rint(table).astype(np.uint8)


def _rgb(colours: Sequence[str]) -> NDArray[np.float64]:
    codes = [bytes.fromhex(colour.removeprefix("#")) for colour in colours]
    return np.array([list(code) for code in codes], np.float64)
