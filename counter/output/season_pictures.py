"""Pictures of a season: calls and effort by day, and calls per hour listened by hour and day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counter.output.canvas import Box, Canvas, Font, fitted, text_width
from counter.output.layout import PANEL_LEFT, PANEL_WIDTH, WIDTH, round_step
from counter.output.shades import draw_scale
from counter.output.sheet import counted, draw_legend
from counter.output.style import BLACK, EMPTY, GRID, INK, N_SHADES, SCORE_FILL, label_ink
from counter.summary import Cell, Season, Tally

# More sites make the picture no clearer; those with most calls are shown.
MAX_SITES = 12
BY_DAY, BY_HOUR = "calls_by_day.png", "calls_by_hour.png"
_TITLE, _SITE, _TEXT = Font(26, bold=True), Font(20, bold=True), Font(18)
_TOP, _BOTTOM, _SITE_ROW, _GAP = 92, 40, 30, 26
_CALLS_HEIGHT, _EFFORT_HEIGHT, _HOUR_HEIGHT = 120, 44, 8
_WIDEST_DAY, _DATE_WIDTH = 150, 140
# A single call in a minute of effort must not set the scale for all the others.
_ENOUGH_S = 600.0
_LEGEND = 51  # upper edge of the second line


@dataclass(frozen=True)
class _Calendar:
    """The days across a picture, in columns of one or, over years, of several.

    Attributes
    ----------
    first : int
        First day, ordinal.
    n_days, step : int
        Days shown, and how many there are in a column.
    """

    first: int
    n_days: int
    step: int

    @property
    def n_columns(self) -> int:
        return -(-self.n_days // self.step)

    def column(self, day: date) -> int:
        return (day.toordinal() - self.first) // self.step

    def x(self, column: int) -> int:
        """Left edge of a column."""
        width = min(PANEL_WIDTH, _WIDEST_DAY * self.n_columns)
        return PANEL_LEFT + column * width // self.n_columns

    def dates(self) -> list[tuple[int, str]]:
        """Columns to write a date under, and the dates."""
        wanted = -(-_DATE_WIDTH // max(1, self.x(1) - PANEL_LEFT))
        each = next((n for n in (1, 2, 5, 7, 14) if n >= wanted), -(-wanted // 7) * 7)
        last = PANEL_LEFT + PANEL_WIDTH - _DATE_WIDTH
        columns = [n for n in range(0, self.n_columns, each) if self.x(n) <= last or n == 0]
        return [(n, date.fromordinal(self.first + n * self.step).isoformat()) for n in columns]


@dataclass(frozen=True)
class _Site:
    """Sums of a site: ``calls`` of shape (labels, 24, columns), ``effort_s`` of (24, columns)."""

    name: str
    calls: NDArray[np.int64]
    effort_s: NDArray[np.float64]


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
    cells = {cell: tally for cell, tally in season.cells().items() if cell[1] is not None}
    if not cells:
        return ()
    days = [cell[1].toordinal() for cell in cells if cell[1] is not None]
    n_days = max(days) - min(days) + 1
    calendar = _Calendar(min(days), n_days, -(-n_days // (PANEL_WIDTH // 2)))
    every = _sites(cells, calendar, len(season.labels))
    shown = sorted(sorted(every, key=lambda one: -one.calls.sum())[:MAX_SITES], key=_name)
    which = f"; the {len(shown)} sites with most calls" if len(shown) < len(every) else ""
    _draw_days(folder / BY_DAY, season.labels, calendar, shown, which)
    _draw_hours(folder / BY_HOUR, calendar, shown, which)
    return BY_DAY, BY_HOUR


def _name(site: _Site) -> str:
    return site.name


def _sites(cells: Mapping[Cell, Tally], calendar: _Calendar, n_labels: int) -> list[_Site]:
    shape = (24, calendar.n_columns)
    names = sorted({cell[0] for cell in cells})
    sites = {
        name: _Site(name, np.zeros((n_labels, *shape), np.int64), np.zeros(shape)) for name in names
    }
    for (name, day, hour), tally in cells.items():
        if day is None or hour is None:
            continue
        column = calendar.column(day)
        sites[name].calls[:, hour, column] += tally.calls
        sites[name].effort_s[hour, column] += tally.effort_s
    return list(sites.values())


def _draw_days(
    path: Path, labels: tuple[str, ...], calendar: _Calendar, sites: list[_Site], which: str
) -> None:
    """Calls of each label as bars, and under them the hours listened."""
    block = _SITE_ROW + _CALLS_HEIGHT + _EFFORT_HEIGHT + _GAP
    canvas = Canvas.blank(_TOP + len(sites) * block + _BOTTOM, WIDTH)
    calls = [one.calls.sum(axis=1) for one in sites]
    hours = [one.effort_s.sum(axis=0) / 3600 for one in sites]
    total, effort_h = int(sum(one.sum() for one in calls)), float(sum(one.sum() for one in hours))
    days = "a day" if calendar.step == 1 else f"{calendar.step} days"
    title = f"{counted(total, 'call')} in {_span(effort_h)} listened to, {days} a bar{which}"
    canvas.text((PANEL_LEFT, 8), fitted(title, _TITLE, PANEL_WIDTH), _TITLE)
    most = (max(int(one.sum(axis=0).max()) for one in calls), max(one.max() for one in hours))
    listened = f"listened to: up to {_span(float(most[1]))} a bar"
    _swatch(canvas, SCORE_FILL, listened)
    counts = {label: int(sum(one[n].sum() for one in calls)) for n, label in enumerate(labels)}
    draw_legend(canvas, (PANEL_LEFT + text_width(listened, _TEXT) + 70, _LEGEND), counts)
    for number, site in enumerate(sites):
        top = _TOP + number * block
        _site_name(canvas, site, top)
        top += _SITE_ROW
        upper = Box(PANEL_LEFT, top, calendar.x(calendar.n_columns), top + _CALLS_HEIGHT)
        lower = Box(upper.left, upper.bottom, upper.right, upper.bottom + _EFFORT_HEIGHT)
        _axis(canvas, upper, max(1, most[0]), "calls")
        _bars(canvas, upper, calendar, calls[number] / max(1, most[0]))
        canvas.view(lower)[:] = EMPTY
        _bars(canvas, lower, calendar, hours[number][None] / (most[1] or 1), ink=SCORE_FILL)
        canvas.frame(lower, GRID)
    _write_dates(canvas, calendar)
    canvas.save(path)


def _bars(
    canvas: Canvas,
    panel: Box,
    calendar: _Calendar,
    shares: NDArray[np.float64],
    *,
    ink: int | None = None,
) -> None:
    """Stacked bars; ``shares`` of the panel's height, of shape (n_parts, n_columns)."""
    tops = panel.bottom - np.rint(np.cumsum(shares, axis=0) * (panel.height - 1)).astype(int)
    for column in range(calendar.n_columns):
        left, right = calendar.x(column), calendar.x(column + 1)
        right = max(left + 1, right - (right - left > 4))
        bottom = panel.bottom
        for part, top in enumerate(tops[:, column]):
            if top < bottom:
                canvas.fill(
                    Box(left, int(top), right, bottom), label_ink(part) if ink is None else ink
                )
                bottom = int(top)


def _axis(canvas: Canvas, panel: Box, most: int, what: str) -> None:
    step = max(1, round(round_step(most, 4)))
    for value in range(0, most + 1, step):
        y = panel.bottom - round(value / most * (panel.height - 1))
        canvas.fill(Box(panel.left - 6, y - 1, panel.right, y), GRID)
        canvas.text((panel.left - 8, y - 12), str(value), _TEXT, anchor=1.0)
    canvas.text_upwards((20, (panel.top + panel.bottom) // 2), what, _TEXT)


def _draw_hours(path: Path, calendar: _Calendar, sites: list[_Site], which: str) -> None:
    """Calls per hour listened as shades, hours down and days across."""
    panel_height = 24 * _HOUR_HEIGHT
    block = _SITE_ROW + panel_height + _GAP
    canvas = Canvas.blank(_TOP + len(sites) * block + _BOTTOM, WIDTH)
    rates = [_rates(one) for one in sites]
    solid = [rate[one.effort_s >= _ENOUGH_S] for rate, one in zip(rates, sites, strict=True)]
    most = max((float(one.max()) for one in solid if one.size), default=0.0)
    most = most or max(float(np.nanmax(one)) for one in rates) or 1.0
    title = f"Calls per hour listened, by hour of day and day{which}"
    canvas.text((PANEL_LEFT, 8), fitted(title, _TITLE, PANEL_WIDTH), _TITLE)
    is_cut = any(float(np.nanmax(one)) > most for one in rates)
    highest = f"{most:,.0f}" if most >= 100 else f"{most:.3g}"
    ends = ("0", f"{highest}{' or more' if is_cut else ''}")
    draw_scale(canvas, (PANEL_LEFT + PANEL_WIDTH, _LEGEND), ends, unit="calls per hour")
    _swatch(canvas, EMPTY, "not listened to")
    for number, (site, rate) in enumerate(zip(sites, rates, strict=True)):
        top = _TOP + number * block
        _site_name(canvas, site, top)
        top += _SITE_ROW
        panel = Box(PANEL_LEFT, top, calendar.x(calendar.n_columns), top + panel_height)
        shades = np.where(np.isnan(rate), EMPTY, _shades(rate, most)).astype(np.uint8)
        _map(canvas, panel, calendar, shades)
    _write_dates(canvas, calendar)
    canvas.save(path)


def _map(canvas: Canvas, panel: Box, calendar: _Calendar, shades: NDArray[np.uint8]) -> None:
    """Shades of shape (24, n_columns), and the hours beside them."""
    columns = np.zeros(panel.width, np.int64)
    for column in range(calendar.n_columns):
        columns[calendar.x(column) - panel.left : calendar.x(column + 1) - panel.left] = column
    canvas.view(panel)[:] = np.repeat(shades[:, columns], _HOUR_HEIGHT, axis=0)
    canvas.frame(panel, BLACK)
    for hour in (0, 6, 12, 18):
        y = panel.top + hour * _HOUR_HEIGHT
        canvas.fill(Box(panel.left - 6, y, panel.left, y + 2), INK)
        canvas.text((panel.left - 10, y - 10), f"{hour}:00", _TEXT, anchor=1.0)


def _rates(site: _Site) -> NDArray[np.float64]:
    """Calls of all labels per hour listened, NaN where nothing was listened to."""
    hours = np.where(site.effort_s > 0, site.effort_s, np.nan) / 3600
    return site.calls.sum(axis=0) / hours


def _shades(rates: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    return np.rint(np.clip(np.nan_to_num(rates) / most, 0, 1) * (N_SHADES - 1))


def _swatch(canvas: Canvas, ink: int, text: str) -> None:
    """A sample of a colour on the second line of a picture, and what it means."""
    box = Box(PANEL_LEFT, _LEGEND + 1, PANEL_LEFT + 22, _LEGEND + 23)
    canvas.fill(box, ink)
    canvas.frame(box, GRID)
    canvas.text((box.right + 10, _LEGEND), text, _TEXT)


def _span(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _site_name(canvas: Canvas, site: _Site, top: int) -> None:
    calls, hours = int(site.calls.sum()), site.effort_s.sum() / 3600
    facts = f"{counted(calls, 'call')} in {_span(float(hours))}"
    canvas.text((PANEL_LEFT, top + 2), name := fitted(site.name or "no site", _SITE, 900), _SITE)
    canvas.text((PANEL_LEFT + text_width(name, _SITE) + 20, top + 4), facts, _TEXT)


def _write_dates(canvas: Canvas, calendar: _Calendar) -> None:
    top = canvas.pixels.shape[0] - _BOTTOM - _GAP
    for column, text in calendar.dates():
        x = calendar.x(column)
        canvas.fill(Box(x, top, x + 2, top + 6), INK)
        canvas.text((x, top + 10), text, _TEXT)
