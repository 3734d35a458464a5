"""Plots of a season: calls and hours listened by day, by hour of day, and by both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counter.plots.chart import (
    EFFORT,
    INK,
    LEFT_IN,
    SMALL_PT,
    Chart,
    LegendKey,
    Sheet,
    draw_bars,
    in_room,
    label_keys,
    measured_in,
    set_value_axis,
    short,
)
from counter.plots.recording_plot import counted
from counter.plots.style import SPECTROGRAM, label_colour
from counter.tables.season import Cell, Season, Tally

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More sites make a picture no clearer; those with most calls are shown.
MAX_SITES = 12
BY_DAY, BY_HOUR = "calls_by_day.png", "calls_by_hour.png"
ALL_SITES, NO_SITE = "all sites", "no site"
_MOST_COLUMNS, _YEAR_DAYS = 400, 366
# A single call in a minute of effort must not set the scale for all the others.
_ENOUGH_S = 600.0
_NAME_IN, _GAP_IN, _DATES_IN, _AXIS_IN = 0.28, 0.16, 0.46, 0.27
_CALLS_IN, _EFFORT_IN, _HEAT_IN = (1.5, 0.8), (0.45, 0.3), (1.7, 1.05)  # of one panel, of several
_NAME_PT = 11
_DATE_IN = 0.8
_NO_EFFORT = "#e9e9e9"


@dataclass(frozen=True)
class Calendar:
    """The days across a chart, in columns of ``step``; ``first`` is an ordinal."""

    first: int
    n_days: int
    step: int

    @classmethod
    def of(cls, cells: Mapping[Cell, Tally]) -> Calendar:
        """All days from the first to the last, of which there is at least one."""
        days = [cell[1].toordinal() for cell in cells if cell[1] is not None]
        n_days = max(days) - min(days) + 1
        return cls(min(days), n_days, -(-n_days // _MOST_COLUMNS))

    @property
    def n_columns(self) -> int:
        """Columns across."""
        return -(-self.n_days // self.step)

    def column(self, day: date) -> int:
        """The column that a day is in."""
        return (day.toordinal() - self.first) // self.step

    def day(self, column: int) -> date:
        """The first day of a column."""
        return date.fromordinal(self.first + column * self.step)

    @property
    def each(self) -> str:
        """What a column is."""
        return "a day" if self.step == 1 else f"{self.step} days"

    @property
    def axis(self) -> str:
        """What stands under the dates."""
        years = sorted({self.day(0).year, self.day(self.n_columns - 1).year})
        each = "day" if self.step == 1 else f"{self.step} days a column"
        return f"{each} ({' to '.join(map(str, years))})"

    def dates(self, most: int) -> tuple[list[float], list[str]]:
        """Middles of at most so many columns, evenly apart, and their dates."""
        columns = range(0, self.n_columns, max(1, -(-self.n_columns // most)))
        days = [self.day(column) for column in columns]
        is_long = self.n_days > _YEAR_DAYS
        names = [f"{day:%b} {day.year}" if is_long else f"{day.day} {day:%b}" for day in days]
        return [column + 0.5 for column in columns], names


@dataclass(frozen=True)
class SiteSums:
    """Sums of a site: ``calls`` of shape (labels, 24, columns), ``effort_s`` of (24, columns)."""

    name: str
    calls: NDArray[np.int64]
    effort_s: NDArray[np.float64]

    @property
    def rates(self) -> NDArray[np.float64]:
        """Calls of all labels per hour listened, NaN where nothing was listened to."""
        return _per_hour(self.calls.sum(axis=0), self.effort_s)

    @property
    def summary(self) -> str:
        """``137 calls in 36 min``."""
        return _calls_in(int(self.calls.sum()), float(self.effort_s.sum()))


def _per_hour(calls: NDArray[np.int64], effort_s: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(calls / np.where(effort_s > 0, effort_s / 3600, np.nan))


def _calls_in(n_calls: int, seconds: float) -> str:
    return f"{counted(n_calls, 'call')} in {_span(seconds)}"


def _span(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


@dataclass(frozen=True)
class DatedSeason:
    """All hours of which day and time are known, added up for charts; at least one."""

    labels: tuple[str, ...]
    calendar: Calendar
    sites: tuple[SiteSums, ...]

    @classmethod
    def of(cls, cells: Mapping[Cell, Tally], labels: Sequence[str]) -> DatedSeason | None:
        """The sums of a season; None where no start is known."""
        known = {cell: tally for cell, tally in cells.items() if cell[1] is not None}
        if not known:
            return None
        calendar = Calendar.of(known)
        shape = (24, calendar.n_columns)
        sites = {
            name: SiteSums(name or NO_SITE, np.zeros((len(labels), *shape), int), np.zeros(shape))
            for name in sorted({cell[0] for cell in known})
        }
        for (name, day, hour), tally in known.items():
            if day is not None and hour is not None:
                column = calendar.column(day)
                sites[name].calls[:, hour, column] += tally.calls
                sites[name].effort_s[hour, column] += tally.effort_s
        return cls(tuple(labels), calendar, tuple(sites.values()))

    @property
    def whole(self) -> SiteSums:
        """All sites together."""
        calls = np.sum([one.calls for one in self.sites], axis=0)
        return SiteSums(ALL_SITES, calls, np.sum([one.effort_s for one in self.sites], axis=0))

    @property
    def busiest(self) -> list[SiteSums]:
        """The sites with most calls, in order of name."""
        most = sorted(self.sites, key=lambda one: -int(one.calls.sum()))[:MAX_SITES]
        return sorted(most, key=lambda one: one.name)

    @property
    def which(self) -> str:
        """What a title says where not all sites are shown."""
        few = len(self.sites) > MAX_SITES
        return f"; the {MAX_SITES} sites with most calls" if few else ""


def draw_season(folder: Path, season: Season) -> tuple[str, ...]:
    """Draw ``calls_by_day.png`` and ``calls_by_hour.png``; nothing where no start time is known.

    Parameters
    ----------
    folder : Path
        Where they go; it is there.
    season : Season
        All results, added up.

    Returns
    -------
    tuple of str
        The file names, none where nothing was drawn.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    dated = DatedSeason.of(season.cells(), season.labels)
    if dated is None:
        return ()
    calls_by_day(dated, dated.busiest, is_named=True).save(folder / BY_DAY)
    heat_maps(dated, dated.busiest, is_named=True).save(folder / BY_HOUR)
    return BY_DAY, BY_HOUR


def calls_by_day(
    season: DatedSeason, sites: Sequence[SiteSums], *, is_named: bool = False
) -> Chart:
    """Calls of each label as bars, and under them the hours listened; a block for each site.

    Parameters
    ----------
    season : DatedSeason
        Its labels and days.
    sites : sequence of SiteSums
        What is shown; at least one.
    is_named : bool
        Whether each block has its name and sums over it.
    """
    calendar = season.calendar
    blocks = [(one, one.calls.sum(axis=1), one.effort_s.sum(axis=0) / 3600) for one in sites]
    is_many = len(sites) > 1
    block_in = _NAME_IN + _CALLS_IN[is_many] + _AXIS_IN + _EFFORT_IN[is_many] + _GAP_IN
    most = max(1, *(int(calls.sum(axis=0).max()) for _, calls, _ in blocks))
    most_h = max(float(effort_h.max()) for _, _, effort_h in blocks)

    def draw(sheet: Sheet) -> None:
        for n, (site, calls, effort_h) in enumerate(blocks):
            top_in = n * block_in
            _name(sheet, top_in, site, "calls", is_named=is_named)
            upper = _calls(sheet, top_in, calls, most, is_many=is_many)
            set_value_axis(upper, most, is_whole=True)
            _effort(sheet, top_in, effort_h, most_h, is_many=is_many)
        _name_days(sheet, calendar)

    calls = np.sum([calls for _, calls, _ in blocks], axis=0)
    effort_h = np.sum([effort_h for _, _, effort_h in blocks], axis=0)
    best = int(calls.sum(axis=0).argmax())
    busiest = _calls_in(int(calls[:, best].sum()), float(effort_h[best]) * 3600)
    sums = _calls_in(int(calls.sum()), float(effort_h.sum()) * 3600)
    long = f"{sums} listened to, {calendar.each} a bar{season.which}"
    return Chart(
        title=long if is_named else f"Calls by {calendar.each.removeprefix('a ')}",
        summary=f"Most on {calendar.day(best)}: {busiest}. {_effort_summary(effort_h)}",
        height_in=len(sites) * block_in - _GAP_IN + _DATES_IN,
        draw=draw,
        keys=label_keys(dict(zip(season.labels, calls.sum(axis=1).tolist(), strict=True))),
    )


def rates_by_hour(season: DatedSeason, site: SiteSums) -> Chart:
    """Calls of each label per hour listened over the hours of the day, and the hours listened."""
    effort_h = site.effort_s.sum(axis=1) / 3600
    rates = _per_hour(site.calls.sum(axis=2), site.effort_s.sum(axis=1))
    rate = np.nan_to_num(rates.sum(axis=0))
    best = int(rate.argmax())

    def draw(sheet: Sheet) -> None:
        _name(sheet, 0.0, site, "calls per hour listened", is_named=False)
        most = float(rate.max()) or 1.0
        set_value_axis(_calls(sheet, 0.0, rates, most, is_many=False), most)
        lowest = _effort(sheet, 0.0, effort_h, float(effort_h.max()), is_many=False)
        lowest.set_xticks(np.arange(0, 24, 3) + 0.5, [f"{hour}:00" for hour in range(0, 24, 3)])
        lowest.set_xlabel("hour of day (clock of the recordings)")

    busiest = f"{short(float(rate[best]))} calls per hour listened"
    return Chart(
        title="Calls per hour listened, by hour of day",
        summary=f"Most from {best}:00 to {best + 1}:00: {busiest}. {_effort_summary(effort_h)}",
        height_in=_NAME_IN + _CALLS_IN[False] + _AXIS_IN + _EFFORT_IN[False] + _DATES_IN,
        draw=draw,
    )


def heat_maps(
    season: DatedSeason,
    sites: Sequence[SiteSums],
    *,
    is_named: bool = False,
    scale: tuple[float, bool] | None = None,
) -> Chart:
    """Calls per hour listened as shades, hours of the day down and days across.

    Parameters
    ----------
    season : DatedSeason
        Its days.
    sites : sequence of SiteSums
        A map each, one below the other; at least one.
    is_named : bool
        Whether each has its name and sums over it.
    scale : (float, bool), optional
        What ``rate_scale`` gave, of these sites by default.
    """
    most, is_cut = scale or rate_scale(sites)
    name_in, map_in = _NAME_IN if is_named else 0.1, _HEAT_IN[len(sites) > 1]
    block_in = name_in + map_in + _GAP_IN

    def draw(sheet: Sheet) -> None:
        for n, site in enumerate(sites):
            if is_named:
                _name(sheet, n * block_in, site, "", is_named=True)
            _heat_map(sheet.panel(n * block_in + name_in, map_in), site, most)
        _name_days(sheet, season.calendar)

    title = "Calls per hour listened, by hour of day and day" + season.which
    return Chart(
        title=title if is_named else sites[0].name,
        summary=_heat_summary(sites[0], season.calendar),
        height_in=len(sites) * block_in - _GAP_IN + _DATES_IN,
        draw=draw,
        keys=(LegendKey("not listened to", _NO_EFFORT),),
        scale=f"{short(most)}{' or more' if is_cut else ''}",
    )


def _heat_map(axes: Axes, site: SiteSums, most: float) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba

    rates = site.rates
    shades = colormaps[SPECTROGRAM](rates / most, bytes=True)  # see-through where there is no rate
    extent = (0.0, float(rates.shape[1]), 24.0, 0.0)
    axes.imshow(shades, extent=extent, aspect="auto", interpolation="none")
    axes.set_facecolor(to_rgba(INK, 0.1))
    axes.grid(False)
    axes.spines[["top", "right"]].set_visible(True)
    hours = (0, 6, 12, 18)
    axes.set_yticks([hour + 0.5 for hour in hours], [f"{hour}:00" for hour in hours])
    axes.set_xticks([])


def rate_scale(sites: Sequence[SiteSums]) -> tuple[float, bool]:
    """The rate that has the brightest shade, and whether any is above it."""
    rates = [one.rates for one in sites]
    solid = [rate[one.effort_s >= _ENOUGH_S] for rate, one in zip(rates, sites, strict=True)]
    highest = max(float(np.nanmax(one, initial=0.0)) for one in rates)
    most = max((float(one.max()) for one in solid if one.size), default=0.0) or highest
    return most or 1.0, highest > most > 0


def _heat_summary(site: SiteSums, calendar: Calendar) -> str:
    hour, column = divmod(int(np.nan_to_num(site.rates, nan=-1.0).argmax()), calendar.n_columns)
    rate = short(float(site.rates[hour, column]))
    when = f"{calendar.day(column)} from {hour}:00"
    return f"{site.summary} listened to. Highest: {rate} calls an hour on {when}."


def _effort_summary(effort_h: NDArray[np.float64]) -> str:
    all_s, most_s = float(effort_h.sum()) * 3600, float(effort_h.max()) * 3600
    return f"Listened to: {_span(all_s)} in all, up to {_span(most_s)} a column."


def _name(sheet: Sheet, top_in: float, site: SiteSums, axis: str, *, is_named: bool) -> None:
    """What stands over a block: the name of the upright axis, and that of the site."""
    sheet.write((0.08, top_in + 0.08), axis, fontsize=SMALL_PT)
    if not is_named:
        return
    name = in_room(site.name, _NAME_PT, sheet.width_in * 0.6, bold=True)
    sheet.write((LEFT_IN, top_in + 0.05), name, fontsize=_NAME_PT, fontweight="bold")
    left_in = LEFT_IN + measured_in(name, _NAME_PT, bold=True) + 0.12
    sheet.write((left_in, top_in + 0.06), site.summary)


def _calls(
    sheet: Sheet, top_in: float, values: NDArray[Any], most: float, *, is_many: bool
) -> Axes:
    """The upper panel of a block: a colour a label."""
    axes = sheet.panel(top_in + _NAME_IN, _CALLS_IN[is_many])
    draw_bars(axes, values, [label_colour(place) for place in range(len(values))])
    axes.set(xlim=(0, values.shape[1]), xticks=[])
    return axes


def _effort(
    sheet: Sheet, top_in: float, hours: NDArray[np.float64], most: float, *, is_many: bool
) -> Axes:
    """The lower panel of a block: hours listened as low bars."""
    top_in += _NAME_IN + _CALLS_IN[is_many] + _AXIS_IN
    sheet.write((0.08, top_in - 0.19), "hours listened", fontsize=SMALL_PT)
    axes = sheet.panel(top_in, _EFFORT_IN[is_many])
    draw_bars(axes, hours[None], [EFFORT])
    axes.set(xlim=(0, len(hours)), xticks=[])
    set_value_axis(axes, most or 1.0, n_steps=2)
    return axes


def _name_days(sheet: Sheet, calendar: Calendar) -> None:
    """Dates under the lowest panel."""
    axes = sheet.figure.axes[-1]
    axes.set_xticks(*calendar.dates(int((sheet.width_in - LEFT_IN) / _DATE_IN)))
    axes.set_xlabel(calendar.axis)


@dataclass(frozen=True)
class SeasonCharts:
    """Charts of a season over time.

    Attributes
    ----------
    by_day, by_hour : Chart
        Over days, and over the hours of the day.
    maps : tuple of Chart
        Over both: of all sites together where there are several, and of those with most calls.
    scale : str
        What the brightest shade of the maps stands for, calls per hour.
    n_sites : int
        Sites that there are.
    """

    by_day: Chart
    by_hour: Chart
    maps: tuple[Chart, ...]
    scale: str
    n_sites: int


def season_charts(
    cells: Mapping[Cell, Tally], labels: Sequence[str], *, site: str | None = None
) -> SeasonCharts | None:
    """Charts of all hours of which day and time are known; None where none are.

    Parameters
    ----------
    cells : mapping
        What ``Season.cells`` or ``hours_of_days`` gave.
    labels : sequence of str
        In the order of the tallies.
    site : str, optional
        The only one to show, empty for recordings without one; all by default.
    """
    of_site = {cell: tally for cell, tally in cells.items() if site in (None, cell[0])}
    season = DatedSeason.of(of_site, labels)
    if season is None:
        return None
    every = [season.whole] if len(season.sites) > 1 else []
    shown = [*every, *season.busiest]
    scale = rate_scale(shown)
    maps = tuple(heat_maps(season, [one], scale=scale) for one in shown)
    return SeasonCharts(
        by_day=calls_by_day(season, shown[:1]),
        by_hour=rates_by_hour(season, shown[0]),
        maps=maps,
        scale=maps[0].scale,
        n_sites=len(season.sites),
    )
