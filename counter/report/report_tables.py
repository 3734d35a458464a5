"""Tables of a report: cells that sort by their value and are searched by their text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from counter.estimation.corrected_counts import Corrected, LeftEstimate
from counter.records import FAILED, OK
from counter.tables.results import Results, ScannedRecording
from counter.tables.season import DAY, HOUR, SITE, SumRow
from counter.timestamps import iso_text

# A longer table takes seconds to open, and nobody reads it; results.csv has them all.
MAX_ROWS = 5000
_UNKNOWN = "unknown"
_HOW_SURE = (
    "From stretches that a person checked by ear; such an interval holds the true number of calls "
    "in about 95 of 100 samples."
)
Row = TypeVar("Row")


@dataclass(frozen=True)
class Cell:
    """What stands in a table.

    Attributes
    ----------
    text : str
        As it is shown.
    key : float or None
        What it is sorted by; None for its text.
    share : float or None
        Length of a bar behind it, 0 to 100.
    """

    text: str
    key: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column: its heading, what it makes of a row, and whether numbers stand in it."""

    title: str
    cell: Callable[[Row], Cell]
    is_number: bool = True


@dataclass(frozen=True)
class Heading:
    """What stands over a column."""

    title: str
    is_number: bool


@dataclass(frozen=True)
class HtmlTable:
    """A table with a name of its own; ``note`` stands under it, perhaps empty."""

    name: str
    title: str
    columns: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def make_table(
    name: str, title: str, columns: Sequence[Column[Row]], rows: Sequence[Row]
) -> HtmlTable:
    """All rows, or the first ``MAX_ROWS`` and a note about the others."""
    cells = tuple(tuple(column.cell(row) for column in columns) for row in rows[:MAX_ROWS])
    note = f"The first {MAX_ROWS} of {len(rows)} rows." if len(rows) > MAX_ROWS else ""
    return HtmlTable(
        name, title, tuple(Heading(c.title, c.is_number) for c in columns), cells, note
    )


def number(value: float | None, digits: int = 0, share: float | None = None) -> Cell:
    """A number, or an empty cell that sorts below all."""
    return Cell("", -1.0) if value is None else Cell(f"{value:,.{digits}f}", float(value), share)


@dataclass(frozen=True)
class _Scanned:
    """A recording with its calls of each label."""

    one: ScannedRecording
    calls: tuple[int, ...]

    @property
    def effort_s(self) -> float | None:
        return None if self.one.status == FAILED else self.one.effort_s

    @property
    def rate(self) -> float | None:
        calls, effort_s = self.one.calls, self.effort_s
        return calls * 3600 / effort_s if calls is not None and effort_s else None

    @property
    def status(self) -> str:
        return f"{self.one.status}: {self.one.message}" if self.one.message else self.one.status


def recordings_table(results: Results, estimates: Sequence[LeftEstimate]) -> HtmlTable:
    """One row a recording; of very many those with most calls first."""
    rows = _scanned(results)
    if len(rows) > MAX_ROWS:
        rows.sort(key=lambda row: -(row.one.calls or 0))
    highest = max((row.one.calls or 0 for row in rows), default=0) or 1
    columns: list[Column[_Scanned]] = [Column("recording", lambda row: Cell(row.one.name), False)]
    if any(row.one.origin.site for row in rows):
        columns.append(Column("site", lambda row: Cell(row.one.origin.site), False))
    if any(row.one.origin.start for row in rows):
        columns.append(Column("start", lambda row: Cell(clock_text(row.one.origin.start)), False))
    columns.append(Column("calls", lambda row: _calls_cell(row.one.calls, highest)))
    if len(results.labels) > 1:
        columns += [_of_label(label, place) for place, label in enumerate(results.labels)]
    columns += [
        *_corrected_columns(estimates, "recording", lambda row: row.one.name),
        Column("listened (min)", lambda row: number(_share(row.effort_s, 60), 1)),
        Column("calls per hour", lambda row: number(row.rate, 1)),
        Column("status", lambda row: Cell(row.status), False),
    ]
    made = make_table("recordings", "Counts by recording", columns, rows)
    most = f"The {MAX_ROWS} of {len(rows)} with most calls; all are in results.csv."
    return replace(made, note=most) if made.note else made


def _scanned(results: Results) -> list[_Scanned]:
    calls = [[0] * len(results.labels) for _ in results.recordings]
    table = results.event_table
    for recording, label in zip(table.recording, table.label, strict=True):
        calls[recording][label] += 1
    return [
        _Scanned(one, tuple(of_it)) for one, of_it in zip(results.recordings, calls, strict=True)
    ]


def _of_label(label: str, place: int) -> Column[_Scanned]:
    def cell(row: _Scanned) -> Cell:
        return number(None if row.one.status == FAILED else row.calls[place])

    return Column(label, cell)


def _calls_cell(calls: int | None, highest: int) -> Cell:
    return number(calls, share=None if calls is None else calls / highest * 100)


def _share(value: float | None, of: float) -> float | None:
    return None if value is None else value / of


def clock_text(moment: datetime | None) -> str:
    """A moment as people write it, to the second; empty for None."""
    return iso_text(moment and moment.replace(microsecond=0)).replace("T", " ").replace(".000", "")


def _corrected_columns(
    estimates: Sequence[LeftEstimate], by: str, name: Callable[[Row], str]
) -> list[Column[Row]]:
    """A column for each label of which there are corrected counts of such parts."""

    def column(one: LeftEstimate) -> Column[Row]:
        return Column(f"{one.label}, corrected (95 %)", lambda row: _corrected(one, name(row)))

    return [column(one) for one in estimates if one.by == by]


def _corrected(one: LeftEstimate, name: str) -> Cell:
    found = one.parts.get(name)
    return number(None) if found is None else Cell(found.text, found.calls)


def problems_table(results: Results) -> HtmlTable | None:
    """Recordings that failed or were scanned in part, with the reason; None where all went well."""
    wrong = [one for one in results.recordings if one.status != OK]
    wrong.sort(key=lambda one: one.status != FAILED)
    columns: list[Column[ScannedRecording]] = [
        Column("recording", lambda one: Cell(one.name), False),
        Column("status", lambda one: Cell(one.status), False),
        Column("scanned (s)", lambda one: number(one.scanned_s, 1)),
        Column("why", lambda one: Cell(one.message), False),
    ]
    return make_table("problems", "Not scanned, or in part", columns, wrong) if wrong else None


def sums_table(
    rows: Sequence[SumRow], of: str, estimates: Sequence[LeftEstimate], *, n_labels: int
) -> HtmlTable | None:
    """A summary by site, day or hour; None where nothing tells the one from the other."""
    if not any(row.site if of == SITE else row.when for row in rows):
        return None
    sites = {row.site for row in rows}
    columns: list[Column[SumRow]] = []
    if of == SITE or len(sites) > 1:
        columns.append(Column("site", lambda row: Cell(row.site or _UNKNOWN), False))
    if of != SITE:
        columns.append(Column(of, lambda row: _when(row.when, of), of == HOUR))
    if n_labels > 1:
        columns.append(Column("label", lambda row: Cell(row.label), False))
    if of == SITE:
        columns.append(Column("recordings", lambda row: number(row.recordings)))
    columns += _figures(max((row.calls for row in rows), default=0) or 1)
    if of == SITE or (of == DAY and len(sites) == 1):  # a day's interval is of all sites together
        columns += _sum_corrected(estimates, of)
    known_first = sorted(rows, key=lambda row: not row.site)
    return make_table(f"by-{of}", f"Counts by {of}", columns, known_first)


def _figures(highest: int) -> list[Column[SumRow]]:
    return [
        Column("listened (h)", lambda row: number(row.effort_s / 3600, 2)),
        Column("calls", lambda row: _calls_cell(row.calls, highest)),
        Column("calls per hour", lambda row: number(row.calls_per_hour, 2)),
        Column("minutes with calls (%)", lambda row: number(row.share_of_minutes, 1)),
        Column("most in a minute", lambda row: number(row.most)),
    ]


def _sum_corrected(estimates: Sequence[LeftEstimate], of: str) -> list[Column[SumRow]]:
    parts = {one.label: one for one in estimates if one.by == of}

    def cell(row: SumRow) -> Cell:
        name = row.site if of == SITE else row.when
        return _corrected(parts[row.label], name) if row.label in parts else number(None)

    return [Column("corrected calls (95 %)", cell)] if parts else []


def _when(text: str, of: str) -> Cell:
    if of == HOUR and text:
        return Cell(f"{text}:00", float(text))
    return Cell(text or _UNKNOWN, 24.0 if of == HOUR else None)


def estimates_table(estimates: Sequence[LeftEstimate]) -> HtmlTable | None:
    """Corrected counts of every stratum; None where there are none."""
    rows = [
        (one, name, part)
        for one in estimates
        for name, part in {"all": one.overall, **one.parts}.items()
    ]
    columns: list[Column[tuple[LeftEstimate, str, Corrected | None]]] = [
        Column("label", lambda row: Cell(row[0].label), False),
        Column("part", lambda row: Cell(_part(row[0], row[1])), False),
        Column("counted", lambda row: number(row[2].counted if row[2] else None)),
        Column("corrected (95 %)", lambda row: _interval(row[2])),
        Column("stretches checked", lambda row: number(row[2].n_checked if row[2] else None)),
        Column("remark", lambda row: Cell(_remark(*row)), False),
    ]
    made = make_table("corrected", "Corrected counts", columns, rows)
    return replace(made, note=_HOW_SURE) if rows else None


def _part(one: LeftEstimate, name: str) -> str:
    return name if name == "all" else f"{one.by} {name}"


def _interval(part: Corrected | None) -> Cell:
    return number(None) if part is None else Cell(part.text, part.calls)


def _remark(one: LeftEstimate, name: str, part: Corrected | None) -> str:
    if part is None:
        return "too few checks for an estimate"
    if name == "all" and one.left_out:
        return f"without {', '.join(one.left_out)}: nothing was checked there"
    return "too wide to compare seasons or sites" if part.is_too_wide else ""
