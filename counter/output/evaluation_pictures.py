"""The pictures of an evaluation, as PNG: counts, and figures against the threshold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counter.evaluation.comparison import Tallies
from counter.evaluation.thresholds import Curve
from counter.output.chartstyle import BLACK, CHOSEN, GREY, RIGHT, WRONG, figure_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More places, or more calls, leave no room for numbers; the size says it.
_MAX_NUMBERS, _MAX_NUMBERED_CALLS = 40, 30


def draw_counts(path: Path, tallies: Tallies) -> None:
    """Counted against true calls, one panel a label; the size says how many recordings coincide.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    n = len(tallies.labels)
    columns = min(n, 2)
    rows = -(-n // columns)
    with figure_for(path, 6.8 if columns == 1 else 4.4 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, label in zip(panels, tallies.labels, strict=False):
            _scatter(axes, tallies.of(label)[:, :2])
            axes.set(xlabel="true calls a recording", ylabel="counted calls a recording")
            axes.set_title(f"{label}: {len(tallies.recordings)} recordings")
        for axes in panels[n:]:
            axes.set_visible(False)


def _scatter(axes: Axes, counts: Any) -> None:
    places, times = np.unique(counts, axis=0, return_counts=True)
    top = max(1.0, float(counts.max(initial=1)))
    axes.plot([0, top], [0, top], color=GREY, lw=1, zorder=1)
    largest = times.max(initial=1)
    has_numbers = len(places) <= _MAX_NUMBERS and top <= _MAX_NUMBERED_CALLS
    least, more = (40, 300) if has_numbers else (15, 80)
    area = least + more * np.sqrt(times / largest) * (largest > 1)
    is_right = places[:, 0] == places[:, 1]
    kinds = ((is_right, RIGHT, "o", "exact"), (~is_right, WRONG, "D", "not exact"))
    for chosen, colour, marker, name in kinds:
        n = int(times[chosen].sum())
        label = f"{name}: {n} ({n / max(times.sum(), 1):.0%})"
        style: Any = {"c": colour, "marker": marker, "edgecolors": "white", "linewidths": 0.8}
        x, y = places[chosen].T
        axes.scatter(x, y, s=area[chosen], alpha=0.8, zorder=2, label=label, **style)
    for (x, y), n in zip(places, times, strict=True):
        if n > 1 and has_numbers:
            centred: Any = {"ha": "center", "va": "center", "color": "white", "weight": "bold"}
            axes.annotate(str(n), (x, y), fontsize=8, zorder=3, **centred)
    _frame(axes, top, "number" if has_numbers else "size")


def _frame(axes: Axes, top: float, shown_by: str) -> None:
    room = 0.09 * top + 0.5
    axes.set(xlim=(-room, top + room), ylim=(-room, top + room), aspect="equal")
    axes.locator_params(integer=True)
    legend = axes.legend(loc="upper left", title=f"{shown_by}: recordings at one place")
    for handle in legend.legend_handles:
        handle.set_sizes([45])  # type: ignore[union-attr]


def draw_thresholds(path: Path, curves: Mapping[str, Curve]) -> None:
    """Precision, recall, F1 and the counts against the threshold, two rows a label.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with figure_for(path, 7 * len(curves)) as figure:
        rows = figure.subplots(2 * len(curves), 1).tolist()
        for upper, lower, (label, curve) in zip(rows[::2], rows[1::2], curves.items(), strict=True):
            _draw_shares(upper, curve)
            _draw_counts(lower, curve)
            upper.set_title(f"{label}: events")
            lower.set_title(f"{label}: counts")


def _draw_shares(axes: Axes, curve: Curve) -> None:
    lines = (("precision", curve.precision, RIGHT, "-"), ("recall", curve.recall, WRONG, "--"))
    for name, values, colour, dash in (*lines, ("F1", curve.f1, BLACK, ":")):
        axes.plot(curve.thresholds, values, dash, color=colour, lw=2, label=name)
    axes.set(ylabel="share (0 to 1)", ylim=(-0.02, 1.02))
    _mark(axes, curve)


def _draw_counts(axes: Axes, curve: Curve) -> None:
    axes.axhline(0, color=GREY, lw=1)
    axes.plot(curve.thresholds, curve.count_error, color=RIGHT, lw=2, label="mean absolute error")
    bias: Any = {"color": WRONG, "lw": 2, "label": "bias (counted - true)"}
    axes.plot(curve.thresholds, curve.count_bias, "--", **bias)
    axes.set_ylabel("calls a recording")
    # low thresholds can count so much that nothing else would be seen
    near = 4 * float(np.median(curve.count_error)) + 1
    shown = np.clip([curve.count_bias.min(), curve.count_error.max()], -near, near).tolist()
    room = 0.05 * (shown[1] - min(shown[0], 0)) + 0.05
    axes.set_ylim(min(shown[0], 0) - room, shown[1] + room)
    _mark(axes, curve)


def _mark(axes: Axes, curve: Curve) -> None:
    own, best = curve.thresholds[curve.own], curve.thresholds[curve.best]
    axes.axvline(own, color=GREY, lw=1.5, ls=(0, (1, 1)), label=f"as scanned: {own:.3g}")
    error = curve.count_error[curve.best]
    name = f"least count error: {best:.3g} ({error:.3g})"
    axes.axvline(best, color=CHOSEN, lw=1.5, ls="-.", label=name)
    axes.set_xscale("logit")
    ticks = [0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="threshold (score, 0 to 1)", xlim=(curve.thresholds[0], curve.thresholds[-1]))
    axes.legend(fontsize=10, loc="best")
