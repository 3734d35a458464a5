"""What the overview shows of a scan, added up once when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from counter.report.estimates import LeftEstimate, find_estimates, read_estimates
from counter.report.keyfigures import key_facts, key_remarks
from counter.report.page import Fact
from counter.report.season import DAY, HOUR, SITE, Place, hours_of_days, read_sums
from counter.report.tables import (
    Table,
    estimates_table,
    problems_table,
    recordings_table,
    sums_table,
)
from counter.review.material import Material
from counter.summary import Cell, Tally

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Look:
    """A scan as the overview shows it; tables of pandas may be empty.

    Attributes
    ----------
    facts, remarks : tuple
        The figures that come first, and what to know before using them.
    tables : tuple of Table
        Recordings, sites, days, hours, corrected counts and problems, as far as there are any.
    estimates : tuple of LeftEstimate
        Corrected counts with their intervals.
    hours : DataFrame
        A row for each site, day, hour (0 to 23) and label: ``effort_h`` hours listened, ``calls``.
    sites : DataFrame
        A row for each site of known place: ``site``, ``latitude``, ``longitude`` (degrees),
        ``calls``, ``effort_h``, ``calls_per_hour``.
    """

    facts: tuple[Fact, ...]
    remarks: tuple[str, ...]
    tables: tuple[Table, ...]
    estimates: tuple[LeftEstimate, ...]
    hours: pd.DataFrame
    sites: pd.DataFrame


def look_at(material: Material) -> Look:
    """Add a scan up.

    Raises
    ------
    CallcountError
        A table of the scan, or of an estimate of it, is damaged.
    """
    results, places = material.results, material.places
    estimates = read_estimates(results, find_estimates(results))
    sums = {of: read_sums(results, of) for of in (SITE, DAY, HOUR)}
    n_labels = len(results.labels)
    tables = (
        recordings_table(results, places, estimates),
        *(sums_table(rows, of, estimates, n_labels=n_labels) for of, rows in sums.items()),
        estimates_table(estimates),
        problems_table(results),
    )
    cells = hours_of_days(results, places)
    return Look(
        facts=key_facts(results, places, estimates),
        remarks=key_remarks(results, places, estimates),
        tables=tuple(table for table in tables if table is not None),
        estimates=estimates,
        hours=_hours(cells, results.labels),
        sites=_sites(cells, places),
    )


def frame_of(table: Table) -> pd.DataFrame:
    """A table of the report for a page that sorts by itself: numbers as numbers, else text."""
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    for place, column in enumerate(table.columns):
        texts = pd.Series([row[place].text for row in table.rows], dtype="string")
        # 5:00 is an hour of the day; an interval stays text
        numbers = texts.str.replace(",", "").str.removesuffix(":00")
        numbers = numbers.mask(numbers == "")
        is_number = column.is_number and numbers.dropna().str.fullmatch(r"-?\d+(\.\d+)?").all()
        columns[column.title] = pd.to_numeric(numbers) if is_number else texts
    return pd.DataFrame(columns)


def _hours(cells: Mapping[Cell, Tally], labels: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (site, day.isoformat(), hour, label, tally.effort_s / 3600, calls)
        for (site, day, hour), tally in cells.items()
        if day is not None
        for label, calls in zip(labels, tally.calls, strict=True)
    ]
    names = ["site", "day", "hour", "label", "effort_h", "calls"]
    return pd.DataFrame(rows, columns=names)


def _sites(cells: Mapping[Cell, Tally], places: Mapping[str, Place]) -> pd.DataFrame:
    """Sums of the sites whose place is known, those of hours without a clock included."""
    import pandas as pd

    where = {
        place.origin.site: (place.origin.latitude, place.origin.longitude)
        for place in places.values()
        if place.origin.latitude is not None and place.origin.longitude is not None
    }
    rows = []
    for site, (latitude, longitude) in sorted(where.items()):
        tallies = [tally for cell, tally in cells.items() if cell[0] == site]
        calls = sum(sum(tally.calls) for tally in tallies)
        effort_h = sum(tally.effort_us for tally in tallies) / 3.6e9
        rate = calls / effort_h if effort_h else None
        rows.append((site, latitude, longitude, calls, effort_h, rate))
    names = ["site", "latitude", "longitude", "calls", "effort_h", "calls_per_hour"]
    return pd.DataFrame(rows, columns=names)
