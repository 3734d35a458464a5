"""Charts of a report as shares of their panel, 0 to 100; the template draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counter.output.layout import round_step
from counter.output.style import label_ink, palette

_Y_TICKS = 4
_FEWEST_BINS, _MOST_BINS = 8, 40
_LEAST_SCORE = 0.00005
_SCORES = (0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999)
_APART = 11.0


@dataclass(frozen=True)
class Tick:
    """A value on an axis, from the left or from below."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A bar from the panel's bottom or from the bar under it; ``ink`` is its colour."""

    left: float
    width: float
    top: float
    height: float
    ink: str
    told: str


@dataclass(frozen=True)
class Chart:
    """Bars and axes.

    Attributes
    ----------
    title, told : str
        What it shows, and the same in words for who does not see it.
    y_name, x_name : str
        Names of the axes, with units.
    bars : tuple of Bar
        Left to right, each column from below.
    y_ticks, x_ticks : tuple of Tick
        Values on the axes.
    lines : tuple of Tick
        Upright lines with a name, such as a threshold.
    is_low : bool
        Whether it is drawn low, as a companion of the one above it.
    """

    title: str
    told: str
    y_name: str
    x_name: str
    bars: tuple[Bar, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    lines: tuple[Tick, ...] = ()
    is_low: bool = False


@dataclass(frozen=True)
class Columns:
    """What stands in the columns of a chart.

    Attributes
    ----------
    names : sequence of str
        Of each column, for who points at it.
    values : mapping of str to sequence of float
        Stacked: of each part its value in each column, >= 0 (NaN counts as 0).
    inks : mapping of str to str
        Colour of each part.
    unit : str
        What is counted, to follow a value.
    """

    names: Sequence[str]
    values: Mapping[str, Sequence[float]]
    inks: Mapping[str, str]
    unit: str


def label_inks(labels: Sequence[str]) -> dict[str, str]:
    """Colour of each label, the one that the plots of recordings have for it."""
    return {label: ink_text(label_ink(number)) for number, label in enumerate(labels)}


def ink_text(index: int) -> str:
    """A colour of the palette as HTML writes it."""
    return "#" + "".join(f"{value:02x}" for value in palette()[index])


def bars_of(columns: Columns) -> tuple[tuple[Bar, ...], float]:
    """The bars, and the value at the top of the panel (1 where all are 0)."""
    values = np.nan_to_num(np.array(list(columns.values.values()), dtype=np.float64))
    values = values.reshape(len(columns.values), len(columns.names))
    highest = float(values.sum(axis=0).max(initial=0.0)) or 1.0
    width = 100 / max(1, len(columns.names))
    bars = []
    for number, name in enumerate(columns.names):
        reached = 0.0
        for part, value in zip(columns.values, values[:, number], strict=True):
            height = float(value) / highest * 100
            reached += height
            what = f" {part}" if len(columns.values) > 1 else ""
            told = f"{name}: {short(float(value))} {columns.unit}{what}"
            if height:
                place = (number * width, width, 100 - reached, height)
                bars.append(Bar(*place, columns.inks[part], told))
    return tuple(bars), highest


def short(value: float) -> str:
    """A figure with three digits or all that stand before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def y_ticks(highest: float, *, is_whole: bool = False) -> tuple[Tick, ...]:
    """Round values from 0 up to ``highest``, > 0."""
    step = round_step(highest, _Y_TICKS)
    step = max(1.0, step) if is_whole else step
    count = int(highest / step + 1e-9) + 1
    return tuple(Tick(n * step / highest * 100, f"{n * step:,.10g}") for n in range(count))


def x_ticks(names: Sequence[str], most: int) -> tuple[Tick, ...]:
    """Names under the middles of at most ``most`` columns, evenly apart."""
    step = max(1, math.ceil(len(names) / most))
    width = 100 / max(1, len(names))
    return tuple(Tick((n + 0.5) * width, names[n]) for n in range(0, len(names), step))


def score_chart(label: str, scores: NDArray[np.float64], *, threshold: float, ink: str) -> Chart:
    """How many events have which score, and the threshold; at least one event.

    The axis is that of log odds, since most scores of a good model crowd below 1.
    """
    low, high = float(_log_odds(min(threshold, float(scores.min())))), float(_log_odds(1.0))
    low -= 0.06 * (high - low)
    n_bins = int(np.clip(len(scores) ** 0.5 * 2, _FEWEST_BINS, _MOST_BINS))
    counts, edges = np.histogram(_log_odds(scores), np.linspace(low, high, n_bins + 1))
    ends = [f"{score:.4g}" for score in 1 / (1 + np.exp(-edges))]
    names = [f"score {a} to {b}" for a, b in zip(ends[:-1], [*ends[1:-1], "1"], strict=True)]
    bars, highest = bars_of(Columns(names, {label: counts.tolist()}, {label: ink}, "events"))

    def at(score: float) -> float:
        return float(_log_odds(score) - low) / (high - low) * 100

    near = int((scores < threshold + 0.1 * (1 - threshold)).sum())
    told = (
        f"{len(scores):,} events with scores from {scores.min():.4f} to {scores.max():.4f}, half "
        f"of them above {np.median(scores):.4f}; {near:,} in the lowest tenth between the "
        f"threshold of {threshold:g} and 1."
    )
    return Chart(
        title=f"Scores of {label}",
        told=told,
        y_name="events",
        x_name="score (axis of log odds; no probability)",
        bars=bars,
        y_ticks=y_ticks(highest, is_whole=True),
        x_ticks=_apart([Tick(at(score), f"{score:g}") for score in _SCORES]),
        lines=(Tick(at(threshold), f"threshold {threshold:g}"),),
    )


def _log_odds(score: ArrayLike) -> NDArray[np.float64]:
    """Log odds of scores, which tables round to four digits."""
    inside = np.clip(score, _LEAST_SCORE, 1 - _LEAST_SCORE)
    return np.log(inside / (1 - inside))


def _apart(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """Those inside the panel that leave each other room, from the right."""
    kept: list[Tick] = []
    for tick in reversed(ticks):
        if 0 <= tick.at <= 100 and (not kept or kept[-1].at - tick.at >= _APART):
            kept.append(tick)
    return tuple(reversed(kept))
