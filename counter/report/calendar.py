"""A season over its days and hours: bars by day and by hour, and maps of both."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from counter.output.style import N_SHADES, SCORE_FILL, palette
from counter.report.charts import Chart, Columns, Tick, bars_of, ink_text, short, x_ticks, y_ticks
from counter.summary import Cell, Tally

MAX_SITES = 12
_MOST_COLUMNS = 366
_X_TICKS = 6
# A single call in a minute of effort must not set the scale for all the others.
_ENOUGH_S = 600.0
_HOURS = [f"{hour}:00" for hour in range(24)]


@dataclass(frozen=True)
class HeatMap:
    """Calls per hour listened: hours of the day down, days across.

    Attributes
    ----------
    title, told : str
        What it shows, in words too.
    image : str
        PNG as a data URI, one pixel a column and hour; see-through where nothing was listened to.
    x_ticks : tuple of Tick
        Dates.
    """

    title: str
    told: str
    image: str
    x_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class SeasonCharts:
    """All charts over time; ``scale`` is what the brightest shade of the maps stands for."""

    by_day: tuple[Chart, ...]
    by_hour: tuple[Chart, ...]
    maps: tuple[HeatMap, ...]
    scale: str
    n_sites: int


@dataclass(frozen=True)
class _Days:
    """The days across a chart, in columns of ``step``; ``first`` is an ordinal."""

    first: int
    n_days: int
    step: int

    @classmethod
    def of(cls, cells: Mapping[Cell, Tally]) -> _Days:
        days = [cell[1].toordinal() for cell in cells if cell[1] is not None]
        n_days = max(days) - min(days) + 1
        return cls(min(days), n_days, -(-n_days // _MOST_COLUMNS))

    @property
    def names(self) -> list[str]:
        starts = range(self.first, self.first + self.n_days, self.step)
        return [date.fromordinal(start).isoformat() for start in starts]

    @property
    def ticks(self) -> tuple[Tick, ...]:
        days = [date.fromisoformat(name) for name in self.names]
        return x_ticks([f"{day.day} {day:%b}" for day in days], _X_TICKS)

    @property
    def axis(self) -> str:
        years = sorted({name[:4] for name in self.names})
        span = years[0] if len(years) == 1 else f"{years[0]} to {years[-1]}"
        each = "day" if self.step == 1 else f"{self.step} days a column"
        return f"{each} ({span})"


@dataclass(frozen=True)
class _Sums:
    """``calls`` of shape (labels, 24, columns), ``effort_s`` of (24, columns)."""

    calls: NDArray[np.int64]
    effort_s: NDArray[np.float64]

    @property
    def rates(self) -> NDArray[np.float64]:
        """Calls of all labels per hour listened, NaN where nothing was listened to."""
        return self.calls.sum(axis=0) / np.where(self.effort_s > 0, self.effort_s / 3600, np.nan)


def season_charts(
    cells: Mapping[Cell, Tally], labels: Sequence[str], inks: Mapping[str, str]
) -> SeasonCharts | None:
    """Charts of all hours of which day and time are known; None where none are."""
    known = {cell: tally for cell, tally in cells.items() if cell[1] is not None}
    if not known:
        return None
    days = _Days.of(known)
    sites = {name: _sums(known, days, name, len(labels)) for name in sorted({c[0] for c in known})}
    every = _sums(known, days, None, len(labels))
    shown = sorted(sites, key=lambda name: -int(sites[name].calls.sum()))[:MAX_SITES]
    maps = {"all sites": every} if len(sites) > 1 else {}
    maps |= {name or "no site": sites[name] for name in sorted(shown)}
    most, is_cut = _scale(list(maps.values()))
    return SeasonCharts(
        by_day=_day_charts(every, days, labels, inks),
        by_hour=_hour_charts(every, labels, inks),
        maps=tuple(_heat_map(name, sums, days, most) for name, sums in maps.items()),
        scale=f"{short(most)}{' or more' if is_cut else ''}",
        n_sites=len(sites),
    )


def _sums(cells: Mapping[Cell, Tally], days: _Days, site: str | None, n_labels: int) -> _Sums:
    shape = (24, len(days.names))
    found = _Sums(np.zeros((n_labels, *shape), np.int64), np.zeros(shape))
    for (name, day, hour), tally in cells.items():
        if day is not None and hour is not None and site in (None, name):
            column = (day.toordinal() - days.first) // days.step
            found.calls[:, hour, column] += tally.calls
            found.effort_s[hour, column] += tally.effort_s
    return found


def _day_charts(
    sums: _Sums, days: _Days, labels: Sequence[str], inks: Mapping[str, str]
) -> tuple[Chart, ...]:
    calls = sums.calls.sum(axis=1)
    effort_h = sums.effort_s.sum(axis=0) / 3600
    each = "day" if days.step == 1 else f"{days.step} days"
    parts = dict(zip(labels, calls.tolist(), strict=True))
    bars, highest = bars_of(Columns(days.names, parts, inks, "calls"))
    best = int(calls.sum(axis=0).argmax())
    told = f"Most on {days.names[best]}: {calls[:, best].sum()} calls in {effort_h[best]:.1f} h."
    upper = Chart(
        f"Calls by {each}", told, "calls", "", bars, y_ticks(highest, is_whole=True), days.ticks
    )
    return upper, _effort_chart(effort_h, days.names, days.ticks, days.axis)


def _hour_charts(sums: _Sums, labels: Sequence[str], inks: Mapping[str, str]) -> tuple[Chart, ...]:
    effort_h = sums.effort_s.sum(axis=1) / 3600
    rates = sums.calls.sum(axis=2) / np.where(effort_h > 0, effort_h, np.nan)
    parts = {
        label: np.nan_to_num(rate).round(3).tolist()
        for label, rate in zip(labels, rates, strict=True)
    }
    bars, highest = bars_of(Columns(_HOURS, parts, inks, "calls an hour"))
    rate = np.nan_to_num(rates.sum(axis=0))
    best = int(rate.argmax())
    told = (
        f"Most from {best}:00 to {best + 1}:00: {short(float(rate[best]))} calls per hour listened."
    )
    ticks = tuple(Tick((hour + 0.5) / 24 * 100, _HOURS[hour]) for hour in range(0, 24, 6))
    name = "calls per hour listened"
    title = "Calls per hour listened, by hour of day"
    upper = Chart(title, told, name, "", bars, y_ticks(highest), ticks)
    return upper, _effort_chart(effort_h, _HOURS, ticks, "hour of day (clock of the recordings)")


def _effort_chart(
    effort_h: NDArray[np.float64], names: Sequence[str], ticks: tuple[Tick, ...], axis: str
) -> Chart:
    what = "listened"
    parts, inks = {what: effort_h.round(3).tolist()}, {what: ink_text(SCORE_FILL)}
    bars, highest = bars_of(Columns(names, parts, inks, "h listened"))
    few = y_ticks(highest)
    ends = few[:: max(1, len(few) - 1)]
    told = f"Hours listened: {effort_h.sum():.1f} in all, up to {effort_h.max():.1f} a column."
    return Chart("Effort", told, "hours", axis, bars, ends, ticks, is_low=True)


def _scale(every: Sequence[_Sums]) -> tuple[float, bool]:
    """The rate that has the brightest shade, and whether any is above it."""
    rates = [one.rates for one in every]
    solid = [rate[one.effort_s >= _ENOUGH_S] for rate, one in zip(rates, every, strict=True)]
    highest = max(float(np.nanmax(one)) for one in rates)
    most = max((float(one.max()) for one in solid if one.size), default=0.0) or highest
    return most or 1.0, highest > most > 0


def _heat_map(name: str, sums: _Sums, days: _Days, most: float) -> HeatMap:
    rates = sums.rates
    shade = np.rint(np.clip(np.nan_to_num(rates) / most, 0, 1) * (N_SHADES - 1)).astype(np.uint8)
    alpha = np.where(np.isnan(rates), 0, 255).astype(np.uint8)
    pixels = np.dstack([palette()[shade], alpha])
    data = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(data, "PNG")
    hour, column = np.unravel_index(int(np.nan_to_num(rates, nan=-1.0).argmax()), rates.shape)
    told = (
        f"{sums.calls.sum():,} calls in {sums.effort_s.sum() / 3600:.1f} h listened. "
        f"Highest: {short(float(rates[hour, column]))} calls an hour on {days.names[column]} "
        f"from {hour}:00."
    )
    return HeatMap(name, told, data_uri("image/png", data.getvalue()), days.ticks)


def data_uri(kind: str, data: bytes) -> str:
    """Bytes as an address that holds them itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
