"""What the tables beside a scan say of when and where, read back for its report."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from counter.cells import plain
from counter.errors import CallcountError
from counter.moments import parse_moment
from counter.output.reading import Results
from counter.records import FileResult, Origin, Recording
from counter.summary import Cell, Season, Tally

SITE, DAY, HOUR = "site", "day", "hour"
_SCAN_AGAIN = "Scan again with callcount scan."


@dataclass(frozen=True)
class Place:
    """When and where a recording was made, and how much of it was listened to.

    Attributes
    ----------
    origin : Origin
        Site with its coordinates, device and start; empty where nothing told them.
    effort_s : float
        Seconds really listened to.
    """

    origin: Origin
    effort_s: float


@dataclass(frozen=True)
class SumRow:
    """A row of a summary: calls of one label at a site, perhaps of one day or hour.

    Attributes
    ----------
    site, when, label : str
        ``when`` is the day or hour; empty where no start is known, and in sums by site.
    effort_s : float
        Seconds really listened to.
    calls, minutes, minutes_with, most : int
        Calls; one-minute stretches, those with a call, and the most calls in one.
    recordings : int or None
        Recordings scanned; by site alone.
    """

    site: str
    when: str
    label: str
    effort_s: float
    calls: int
    minutes: int
    minutes_with: int
    most: int
    recordings: int | None

    @property
    def calls_per_hour(self) -> float | None:
        """Calls per hour listened; None without effort."""
        return self.calls * 3600 / self.effort_s if self.effort_s else None

    @property
    def share_of_minutes(self) -> float | None:
        """Per cent of the minutes with a call; None without minutes."""
        return 100 * self.minutes_with / self.minutes if self.minutes else None


def read_places(results: Results) -> dict[str, Place]:
    """Where and when each recording was made; empty where an earlier callcount left no table.

    Raises
    ------
    CallcountError
        ``recordings.csv`` cannot be read.
    """
    path = results.files.recordings
    return {plain(row["recording"]): _place(row, path) for row in _read(path)}


def _place(row: Mapping[str, str], path: Path) -> Place:
    try:
        origin = Origin(
            start=parse_moment(row["start_time"]),
            site=plain(row["site"]),
            device=plain(row["device"]),
            latitude=_degrees(row["latitude"]),
            longitude=_degrees(row["longitude"]),
        )
        return Place(origin, float(row["effort_s"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _degrees(text: str) -> float | None:
    return float(text) if text else None


def read_sums(results: Results, of: str) -> tuple[SumRow, ...]:
    """The summary by ``site``, ``day`` or ``hour``; empty where there is no such table.

    Raises
    ------
    CallcountError
        It cannot be read.
    """
    path = results.files.summary(of)
    return tuple(_sum_row(row, of, path) for row in _read(path))


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
        raise _damaged(path, error) from error


def read_bands(results: Results) -> dict[str, tuple[float, float]]:
    """Band that each label with an event was listened for in, (low_hz, high_hz).

    Raises
    ------
    CallcountError
        ``events.csv`` cannot be read.
    """
    wanted = {results.labels[place] for place in set(results.events.label.tolist())}
    path = results.files.events
    bands: dict[str, tuple[float, float]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                bands.setdefault(plain(row["label"]), (float(row["low_hz"]), float(row["high_hz"])))
                if len(bands) == len(wanted):
                    break
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise _damaged(path, error) from error
    return bands


def hours_of_days(results: Results, places: Mapping[str, Place]) -> dict[Cell, Tally]:
    """Calls and effort of each site, day and hour.

    The tables do not say where in a recording its dead stretches are; they are taken to be its
    last seconds, so that sums agree.
    """
    season = Season(results.labels)
    for number, one in enumerate(results.recordings):
        place = places.get(one.name)
        if place is not None:
            is_dead = place.effort_s < one.scanned_s
            found = FileResult(
                recording=Recording("", one.name),
                status=one.status,
                scanned_s=one.scanned_s,
                events=results.events_of(number),
                origin=place.origin,
                dead_s=((place.effort_s, one.scanned_s),) if is_dead else (),
            )
            season.add(found)
    return season.cells()


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CallcountError(f"cannot read {path}: {error}.", _SCAN_AGAIN) from error


def _damaged(path: Path, error: Exception) -> CallcountError:
    return CallcountError(f"{path} is damaged: {error!r}.", _SCAN_AGAIN)
