"""Plots of an evaluation and a tuning: counts, figures against the threshold, worst recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counter.audio.stream import MonoStream
from counter.errors import AudioError
from counter.estimation.calibration import Reliability
from counter.evaluation.comparison import Tallies
from counter.evaluation.rule_scoring import ThresholdCurve, table_costs
from counter.evaluation.rule_search import RULE_OF, Tried, flat_limit
from counter.evaluation.tuning import TunedLabel
from counter.events.matching import Criterion, Intervals, Pairing, pair
from counter.plots.spectrogram import DB_PER_LEVEL, FLOOR_DB, PictureMaker, fitted_contrast
from counter.plots.style import BLACK, CHOSEN, GREY, RIGHT, SHARED, WRONG, figure_for
from counter.records import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


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


def draw_thresholds(path: Path, curves: Mapping[str, ThresholdCurve]) -> None:
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


def _draw_shares(axes: Axes, curve: ThresholdCurve) -> None:
    lines = (("precision", curve.precision, RIGHT, "-"), ("recall", curve.recall, WRONG, "--"))
    for name, values, colour, dash in (*lines, ("F1", curve.f1, BLACK, ":")):
        axes.plot(curve.thresholds, values, dash, color=colour, lw=2, label=name)
    axes.set(ylabel="share (0 to 1)", ylim=(-0.02, 1.02))
    _mark(axes, curve)


def _draw_counts(axes: Axes, curve: ThresholdCurve) -> None:
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


def _mark(axes: Axes, curve: ThresholdCurve) -> None:
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


# The longest stretch of a recording that still shows single calls.
STRETCH_S = 180.0
_COLOURS = {"paired": RIGHT, "missed or false": WRONG, "merged or split": SHARED}


@dataclass(frozen=True)
class GallerySheet:
    """One recording of the gallery.

    Attributes
    ----------
    title : str
        Its name and what was counted.
    path : str or None
        Its sound, ``None`` where it is not to be found any more.
    duration_s : float
        Its length.
    events, calls : Intervals
        What was found, and the truth; the group is the label.
    """

    title: str
    path: str | None
    duration_s: float
    events: Intervals
    calls: Intervals


def draw_gallery(
    path: Path, sheets: Sequence[GallerySheet], criterion: Criterion, *, high_hz: float
) -> None:
    """Draw recordings below one another, each over the stretch with most errors.

    Parameters
    ----------
    path : Path
        The PNG.
    sheets : sequence of GallerySheet
        At least one.
    criterion : Criterion
        When an event and a call are paired.
    high_hz : float
        Upper end of the spectrograms.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    # what has no sound any more is bars under one line that says so
    heights = [high for sheet in sheets for high in (1.9 if sheet.path else 0.3, 0.8)]
    with figure_for(path, 1.1 + sum(heights)) as figure:
        axes = figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}).tolist()
        for sheet, sound, bars in zip(sheets, axes[::2], axes[1::2], strict=True):
            pairing = pair(sheet.events, sheet.calls, criterion)
            start_s = _stretch_start_s(sheet, pairing)
            stop_s = min(sheet.duration_s, start_s + STRETCH_S)
            image = _draw_sound(sound, sheet, (start_s, stop_s), high_hz)
            if image is not None:
                figure.colorbar(image, ax=[sound, bars], aspect=14, label="level (dB)")
            _draw_bars(bars, sheet, pairing)
            for one in (sound, bars):
                one.set_xlim(start_s, stop_s)
            sound.tick_params(labelbottom=False)
            sound.set_title(sheet.title, loc="left")
        axes[-1].set_xlabel("time in the recording (s)")
        _legend(figure)


def _stretch_start_s(sheet: GallerySheet, pairing: Pairing) -> float:
    """Start of the stretch that holds most errors, a little before the first of them."""
    wrong = [sheet.events.start_s[pairing.call_of < 0], sheet.calls.start_s[~pairing.is_paired]]
    starts_s = np.sort(np.concatenate(wrong))
    if sheet.duration_s <= STRETCH_S or not len(starts_s):
        return 0.0
    within = np.searchsorted(starts_s, starts_s + 0.9 * STRETCH_S) - np.arange(len(starts_s))
    first_s = float(starts_s[np.argmax(within)]) - 0.05 * STRETCH_S
    return max(0.0, min(first_s, sheet.duration_s - STRETCH_S))


def _draw_sound(
    axes: Axes, sheet: GallerySheet, span_s: tuple[float, float], high_hz: float
) -> AxesImage | None:
    axes.grid(False)
    picture = _picture(sheet.path, span_s[1], high_hz) if sheet.path is not None else None
    if picture is None or not len(picture.levels_db):
        text: Any = {"ha": "center", "va": "center", "color": GREY, "transform": axes.transAxes}
        axes.text(0.5, 0.5, "the recording was not found, or has changed", **text)
        axes.set_yticks([])
        return None
    first = int(span_s[0] / picture.column_s)
    levels = picture.levels_db[first:].T.astype(np.float64) * DB_PER_LEVEL + FLOOR_DB
    contrast = fitted_contrast(levels)
    start_s = first * picture.column_s
    image = axes.imshow(
        levels,
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
        vmin=contrast.quiet_db,
        vmax=contrast.loud_db,
        extent=(
            start_s,
            start_s + levels.shape[1] * picture.column_s,
            0,
            len(levels) * picture.bin_hz / 1000,
        ),
    )
    # the last of it is what resampling cuts off
    axes.set(ylabel="frequency (kHz)", ylim=(0, 0.92 * len(levels) * picture.bin_hz / 1000))
    return image


def _picture(path: str, stop_s: float, high_hz: float) -> Picture | None:
    """The spectrogram up to a time; ``None`` where the sound cannot be read."""
    rate_hz = int(2 * high_hz)
    maker = PictureMaker(rate_hz)
    n_samples = 0
    try:
        with MonoStream(path, rate_hz) as stream:
            for block in stream:
                maker.push(block)
                n_samples += len(block)
                if n_samples >= stop_s * rate_hz:
                    break
    except (AudioError, OSError):
        return None
    return maker.finish(np.zeros((0, 1), dtype=np.float32), 1.0)


def _draw_bars(axes: Axes, sheet: GallerySheet, pairing: Pairing) -> None:
    rows = (
        (1, sheet.calls, pairing.is_paired, pairing.is_merged),
        (0, sheet.events, pairing.call_of >= 0, pairing.is_split),
    )
    for height, intervals, is_paired, is_shared in rows:
        kinds = (is_paired, ~is_paired & ~is_shared, is_shared)
        for chosen, colour in zip(kinds, _COLOURS.values(), strict=True):
            lengths_s = intervals.end_s[chosen] - intervals.start_s[chosen]
            bars = list(zip(intervals.start_s[chosen], lengths_s, strict=True))
            axes.broken_barh(bars, (height - 0.36, 0.72), facecolors=colour, edgecolors="white")
    axes.set_yticks([0, 1], ["events", "truth"])
    axes.set_ylim(-0.5, 1.5)


def _legend(figure: Figure) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=name) for name, colour in _COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)


_COLUMNS = 2
_UNITS = {"threshold": "score", "release": "score", "part_depth": "share"}  # others: seconds


def draw_tuning(path: Path, labels: Sequence[TunedLabel]) -> None:
    """Draw the cost against every rule, a panel a rule, the other rules as chosen.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    rules = list(RULE_OF.values())
    n_rows = -(-len(rules) // _COLUMNS)
    with figure_for(path, 1 + 2.4 * n_rows * len(labels)) as figure:
        panels = figure.subplots(n_rows * len(labels), _COLUMNS, squeeze=False).ravel()
        for number, axes in enumerate(panels):
            label, rule = labels[number // len(rules)], rules[number % len(rules)]
            _draw(axes, label, rule)
            if number % _COLUMNS == 0:
                axes.set_ylabel("cost (calls a recording)")
            if number % len(rules) == 0:
                axes.set_title(f"{label.label}: chosen on all recordings", loc="left")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=3)


def _draw(axes: Axes, label: TunedLabel, rule: str) -> None:
    tried = [one for one in label.tuned.tried if one.rule == rule]
    limit = flat_limit(min(one.cost for one in tried))
    axes.axhspan(0, limit, color=CHOSEN, alpha=0.12, lw=0, label="little above the least")
    axes.plot([one.value for one in tried], [one.cost for one in tried], color=RIGHT, lw=1)
    for is_near, face, name in ((True, RIGHT, "near the least"), (False, "white", "worse")):
        _dots(axes, [one for one in tried if one.is_near == is_near], face, name)
    _lines(axes, label, rule)
    if rule == "threshold":
        axes.set_xscale("logit")
        ticks = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    # values far off cost so much that nothing else would be seen
    before = float(table_costs(label.tuned.before).mean())
    top = max(3 * limit, 1.2 * before)
    axes.set(xlabel=f"{rule} ({_UNITS.get(rule, 's')})", ylim=(-0.06 * top, top))


def _dots(axes: Axes, tried: Sequence[Tried], face: str, name: str) -> None:
    style: Any = {"mfc": face, "mec": RIGHT, "ms": 6, "label": name}
    axes.plot([one.value for one in tried], [one.cost for one in tried], "o", **style)


def _lines(axes: Axes, label: TunedLabel, rule: str) -> None:
    before, chosen = getattr(label.before, rule), getattr(label.tuned.rules, rule)
    axes.axvline(before, color=GREY, lw=1.5, ls=(0, (1, 1)), label="as scanned")
    axes.axvline(chosen, color=CHOSEN, lw=1.5, ls="-.", label="tuned")
    folds = [getattr(rules, rule) for rules in label.tuned.fold_rules]
    style: Any = {"color": SHARED, "ms": 7, "clip_on": False, "label": "tuned without a fold"}
    low = axes.get_xaxis_transform()
    axes.plot(folds, [0.02] * len(folds), "^", transform=low, zorder=3, **style)


def draw_reliability(path: Path, found: Reliability) -> None:
    """Draw share of calls against mean probability, a dot a bin, as PNG.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    probability, share = found.mean_probability, found.share_of_calls
    with figure_for(path, 7.2) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, label="perfect")
        sizes = [20 + 400 * weight for weight in found.weight]
        axes.scatter(probability, share, sizes, color=RIGHT, alpha=0.8)
        axes.plot(probability, share, color=RIGHT, label="events left out")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set_xlabel("mean probability in the bin")
        axes.set_ylabel("share of events that are calls")
        axes.set_title(f"Brier {found.brier:.3f}, calibration error {found.error:.3f}")
        axes.legend()
