"""The worst recordings of an evaluation: truth and events one above the other, on their sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counter.audio import MonoStream
from counter.errors import AudioError
from counter.evaluation.pairing import Pairing, pair
from counter.evaluation.records import Criterion, Intervals
from counter.output.chartstyle import GREY, RIGHT, SHARED, WRONG, figure_for
from counter.output.shades import fitted_contrast
from counter.picture import DB_PER_LEVEL, FLOOR_DB, PictureMaker
from counter.records import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# The longest stretch of a recording that still shows single calls.
STRETCH_S = 180.0
_COLOURS = {"paired": RIGHT, "missed or false": WRONG, "merged or split": SHARED}


@dataclass(frozen=True)
class Sheet:
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
    path: Path, sheets: Sequence[Sheet], criterion: Criterion, *, high_hz: float
) -> None:
    """Draw recordings below one another, each over the stretch with most errors.

    Parameters
    ----------
    path : Path
        The PNG.
    sheets : sequence of Sheet
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


def _stretch_start_s(sheet: Sheet, pairing: Pairing) -> float:
    """Start of the stretch that holds most errors, a little before the first of them."""
    wrong = [sheet.events.start_s[pairing.call_of < 0], sheet.calls.start_s[~pairing.is_paired]]
    starts_s = np.sort(np.concatenate(wrong))
    if sheet.duration_s <= STRETCH_S or not len(starts_s):
        return 0.0
    within = np.searchsorted(starts_s, starts_s + 0.9 * STRETCH_S) - np.arange(len(starts_s))
    first_s = float(starts_s[np.argmax(within)]) - 0.05 * STRETCH_S
    return max(0.0, min(first_s, sheet.duration_s - STRETCH_S))


def _draw_sound(
    axes: Axes, sheet: Sheet, span_s: tuple[float, float], high_hz: float
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


def _draw_bars(axes: Axes, sheet: Sheet, pairing: Pairing) -> None:
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
