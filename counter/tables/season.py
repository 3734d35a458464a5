"""Season: calls and effort by site, day and hour, added up, written and read back."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path

import numpy as np

from counter.errors import CallcountError
from counter.records import FAILED, FileResult, Recording
from counter.tables.columns import DAY_COLUMNS, HOUR_COLUMNS, SITE_COLUMNS
from counter.tables.csv import plain, shown_cell, write_csv
from counter.tables.manifest import OutputPaths
from counter.tables.results import Results, read_rows
from counter.timestamps import moment_of

# A minute of which less was listened to is no stretch of which to say whether it held a call.
LEAST_MINUTE_S = 30.0
_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

# Site, day and hour; day and hour are None where no start is known.
Cell = tuple[str, date | None, int | None]


@dataclass(slots=True)
class Tally:
    """Sums over some minutes."""

    effort_us: int  # microseconds really listened to: whole, so that the sums of any parts agree
    n_minutes: int  # one-minute stretches, of which ``LEAST_MINUTE_S`` or more were listened to
    # of each label: calls that begin there, one-minute stretches with a call, and the most calls in
    # one minute
    calls: list[int]
    minutes_with: list[int]
    most: list[int]

    @classmethod
    def empty(cls, n_labels: int) -> Tally:
        """Nothing so far."""
        return cls(0, 0, [0] * n_labels, [0] * n_labels, [0] * n_labels)

    @property
    def effort_s(self) -> float:
        """Seconds really listened to."""
        return self.effort_us / _SECOND_US

    def add_minute(self, effort_us: int, calls: Sequence[int]) -> None:
        """Count a minute as a stretch, if enough of it was listened to."""
        is_stretch = effort_us >= LEAST_MINUTE_S * _SECOND_US
        self.n_minutes += is_stretch
        for label, n_calls in enumerate(calls):
            self.minutes_with[label] += is_stretch and n_calls > 0
            self.most[label] = max(self.most[label], n_calls)

    def add(self, other: Tally) -> None:
        """Add other minutes."""
        self.effort_us += other.effort_us
        self.n_minutes += other.n_minutes
        for label, n_calls in enumerate(other.calls):
            self.calls[label] += n_calls
            self.minutes_with[label] += other.minutes_with[label]
            self.most[label] = max(self.most[label], other.most[label])


@dataclass
class _PartMinutes:
    """Minutes that other recordings may hold the rest of; some numbers each, since they are many.

    ``source`` is the place of site and device, ``minute`` counts from 1970.
    """

    source: array[int] = field(default_factory=lambda: array("q"))
    minute: array[int] = field(default_factory=lambda: array("q"))
    cell: array[int] = field(default_factory=lambda: array("q"))
    effort_us: array[int] = field(default_factory=lambda: array("q"))
    calls: array[int] = field(default_factory=lambda: array("q"))

    def add(self, source: int, minute: int, cell: int, amounts: Sequence[int]) -> None:
        """Add a part of a cell's minute: effort in microseconds, then the calls of each label."""
        self.source.append(source)
        self.minute.append(minute)
        self.cell.append(cell)
        self.effort_us.append(amounts[0])
        self.calls.extend(amounts[1:])

    def joined(self) -> Iterator[tuple[int, int, list[int]]]:
        """Cell, effort and calls of each minute, its parts added up."""
        if not self.minute:
            return
        keys = np.array([self.source, self.minute], np.int64)
        _, first, place = np.unique(keys, axis=1, return_index=True, return_inverse=True)
        effort_us = np.bincount(place.ravel(), weights=np.array(self.effort_us, np.float64))
        calls = np.zeros((len(first), len(self.calls) // len(self.minute)), np.int64)
        np.add.at(calls, place.ravel(), np.array(self.calls, np.int64).reshape(-1, calls.shape[1]))
        for place_of, effort, counts in zip(first, effort_us, calls, strict=True):
            yield self.cell[place_of], int(effort), counts.tolist()


class Season:
    """Adds results up; memory grows with hours and sites, and by 40 bytes a cut minute."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._place_of = {label: place for place, label in enumerate(labels)}
        self._n_recordings: Counter[str] = Counter()
        self._places: dict[Cell, int] = {}
        self._tallies: list[Tally] = []
        self._sources: dict[tuple[str, str], int] = {}
        self._parts = _PartMinutes()

    @classmethod
    def of(cls, results: Iterable[FileResult], labels: Sequence[str]) -> Season:
        """All results added up."""
        season = cls(labels)
        for result in results:
            season.add(result)
        return season

    def add(self, result: FileResult) -> None:
        """Add a recording; of one that failed the site alone is noted."""
        site, start = result.origin.site, result.origin.start
        self._n_recordings[site] += result.status != FAILED
        if result.status == FAILED:
            return
        begin_us = _since_epoch_us(start) if start is not None else 0
        zone = (start.tzinfo if start is not None else None) or timezone.utc
        source = self._sources.setdefault((site, result.origin.device), len(self._sources))
        for minute, (effort_us, calls) in self._minutes(result, begin_us).items():
            cell: Cell = (site, *(_hour_of(minute, zone) if start is not None else (None, None)))
            place = self._places.setdefault(cell, len(self._tallies))
            if place == len(self._tallies):
                self._tallies.append(Tally.empty(len(self.labels)))
            tally = self._tallies[place]
            tally.effort_us += effort_us
            tally.calls = [a + b for a, b in zip(tally.calls, calls, strict=True)]
            if start is None or effort_us >= _MINUTE_US:
                tally.add_minute(effort_us, calls)
            else:
                self._parts.add(source, minute, place, (effort_us, *calls))

    def _minutes(self, result: FileResult, begin_us: int) -> dict[int, tuple[int, list[int]]]:
        """Effort in microseconds and calls of each label, of the minutes of one recording."""
        effort_us: Counter[int] = Counter()
        for start_us, end_us in _listened_us(result):
            at, end = begin_us + start_us, begin_us + end_us
            while at < end:
                until = min(end, at - at % _MINUTE_US + _MINUTE_US)
                effort_us[at // _MINUTE_US] += until - at
                at = until
        calls: dict[int, list[int]] = {}
        for event in result.events:
            minute = (begin_us + _microseconds(event.start_s)) // _MINUTE_US
            calls.setdefault(minute, [0] * len(self.labels))[self._place_of[event.label]] += 1
        nothing = [0] * len(self.labels)
        every = sorted({*effort_us, *calls})
        return {minute: (effort_us[minute], calls.get(minute, nothing)) for minute in every}

    def n_recordings(self) -> dict[str, int]:
        """Recordings scanned at each site, 0 where all failed."""
        return dict(self._n_recordings)

    def cells(self) -> dict[Cell, Tally]:
        """The tally of each hour that was listened to, once the last result was added."""
        for place, effort_us, calls in self._parts.joined():
            self._tallies[place].add_minute(effort_us, calls)
        self._parts = _PartMinutes()
        return {cell: self._tallies[place] for cell, place in self._places.items()}


# The recorders of a season begin by the same clock.
@lru_cache(maxsize=1 << 14)
def _hour_of(minute: int, zone: tzinfo) -> tuple[date, int]:
    """Day and hour of the clock at a minute, counted from 1970."""
    local = moment_of(minute * 60, zone)
    return local.date(), local.hour


def _since_epoch_us(moment: datetime) -> int:
    """A moment as microseconds; one without zone is counted as if in UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // _MICROSECOND


def _microseconds(seconds: float) -> int:
    return timedelta(seconds=seconds) // _MICROSECOND


def _listened_us(result: FileResult) -> Iterator[tuple[int, int]]:
    """What is left of a recording when its dead stretches are taken off, in microseconds."""
    at = 0
    for start_s, end_s in result.dead_s:
        if _microseconds(start_s) > at:
            yield at, _microseconds(start_s)
        at = _microseconds(end_s)
    end = _microseconds(result.scanned_s)
    if end > at:
        yield at, end


SITE, DAY, HOUR = "site", "day", "hour"
_COLUMNS = {SITE: SITE_COLUMNS, DAY: DAY_COLUMNS, HOUR: HOUR_COLUMNS}
Row = list[str]


def write_sums(paths: OutputPaths, season: Season) -> None:
    """Write the summaries by site, day and hour.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    for of, rows in _sum_rows(season).items():
        write_csv(paths.summary(of), list(_COLUMNS[of]), rows)


def sums_of(season: Season) -> dict[str, tuple[SumRow, ...]]:
    """The summaries by site, day and hour, as ``read_sums`` would read them."""
    return {
        of: tuple(
            _sum_row(dict(zip(_COLUMNS[of], map(shown_cell, row), strict=True)), of, Path(of))
            for row in rows
        )
        for of, rows in _sum_rows(season).items()
    }


def _sum_rows(season: Season) -> dict[str, list[Row]]:
    cells, labels = season.cells(), season.labels
    by_day = added_up(cells, lambda cell: (cell[0], cell[1]))
    by_hour = added_up(cells, lambda cell: (cell[0], cell[2]))
    return {
        SITE: list(_site_rows(season, cells)),
        DAY: list(_rows(by_day, labels)),
        HOUR: list(_rows(by_hour, labels)),
    }


def added_up(
    cells: Mapping[Cell, Tally], key: Callable[[Cell], tuple[str, date | int | None]]
) -> dict[tuple[str, date | int | None], Tally]:
    """Add the tallies of all cells of one key, in the order of the keys; unknown times last."""
    sums: dict[tuple[str, date | int | None], Tally] = {}
    for cell, tally in cells.items():
        sums.setdefault(key(cell), Tally.empty(len(tally.calls))).add(tally)
    order = sorted(sums, key=lambda one: (one[0], one[1] is None, one[1] or 0))
    return {one: sums[one] for one in order}


def _site_rows(season: Season, cells: Mapping[Cell, Tally]) -> Iterator[Row]:
    tallies = added_up(cells, lambda cell: (cell[0], None))
    for site, n_recordings in sorted(season.n_recordings().items()):
        tally = tallies.get((site, None), Tally.empty(len(season.labels)))
        for place, label in enumerate(season.labels):
            yield [site, label, str(n_recordings), *_sums(tally, place)]


def _rows(
    tallies: Mapping[tuple[str, date | int | None], Tally], labels: Sequence[str]
) -> Iterator[Row]:
    for (site, when), tally in tallies.items():
        for place, label in enumerate(labels):
            yield [site, "" if when is None else str(when), label, *_sums(tally, place)]


def _sums(tally: Tally, place: int) -> Row:
    hours, calls = tally.effort_s / 3600, tally.calls[place]
    n_minutes, n_with = tally.n_minutes, tally.minutes_with[place]
    return [
        f"{tally.effort_s:.3f}",
        str(calls),
        f"{calls / hours:.3f}" if hours else "",
        str(n_minutes),
        str(n_with),
        f"{n_with / n_minutes:.4f}" if n_minutes else "",
        str(tally.most[place]),
    ]


_SCAN_AGAIN = "Scan again with callcount scan."


@dataclass(frozen=True)
class SumRow:
    """A row of a summary: calls of one label at a site, perhaps of one day or hour."""

    site: str
    when: str  # the day or hour; empty where no start is known, and in sums by site
    label: str
    effort_s: float  # seconds really listened to
    # calls; one-minute stretches, those with a call, and the most calls in one
    calls: int
    minutes: int
    minutes_with: int
    most: int
    recordings: int | None  # recordings scanned; by site alone

    @property
    def calls_per_hour(self) -> float | None:
        """Calls per hour listened; None without effort."""
        return self.calls * 3600 / self.effort_s if self.effort_s else None

    @property
    def share_of_minutes(self) -> float | None:
        """Per cent of the minutes with a call; None without minutes."""
        return 100 * self.minutes_with / self.minutes if self.minutes else None


def read_sums(results: Results, of: str) -> tuple[SumRow, ...]:
    """The summary by ``site``, ``day`` or ``hour``; empty where there is no such table.

    Raises
    ------
    CallcountError
        It cannot be read.
    """
    path = results.files.summary(of)
    if not path.is_file():
        return ()
    return tuple(_sum_row(row, of, path) for row in read_rows(path, list(_COLUMNS[of]))[1])


def _sum_row(row: Mapping[str, str], of: str, path: Path) -> SumRow:
    try:
        return SumRow(
            site=plain(row["site"]),
            when="" if of == SITE else row[of],
            label=plain(row["label"]),
            effort_s=float(row["effort_s"]),
            calls=int(row["calls"]),
            minutes=int(row["minutes"]),
            minutes_with=int(row["minutes_with_calls"]),
            most=int(row["most_calls_per_minute"]),
            recordings=int(row["recordings"]) if of == SITE else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CallcountError(f"{path} is damaged: {error!r}.", _SCAN_AGAIN) from error


def hours_of_days(results: Results) -> dict[Cell, Tally]:
    """Calls and effort of each site, day and hour.

    The tables do not say where in a recording its dead stretches are; they are taken to be its
    last seconds, so that sums agree.
    """
    season = Season(results.labels)
    for number, one in enumerate(results.recordings):
        if not one.is_placed:
            continue
        is_dead = one.effort_s < one.scanned_s
        found = FileResult(
            recording=Recording("", one.name),
            status=one.status,
            scanned_s=one.scanned_s,
            events=results.events_of(number),
            origin=one.origin,
            dead_s=((one.effort_s, one.scanned_s),) if is_dead else (),
        )
        season.add(found)
    return season.cells()
