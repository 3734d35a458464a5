"""A season added up: calls and effort by site, day and hour, while results come in.

Times are of the clock that a recording's start is given in. The unit is the minute of that clock:
hours and days begin with one, whatever summer time does, and a minute that one recording begins
and the next one ends is one minute.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

import numpy as np

from counter.records import FAILED, FileResult

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
    """Sums over some minutes.

    Attributes
    ----------
    effort_us : int
        Microseconds really listened to: whole, so that the sums of any parts agree.
    n_minutes : int
        One-minute stretches, of which ``LEAST_MINUTE_S`` or more were listened to.
    calls, minutes_with, most : list of int
        Of each label: calls that begin there, one-minute stretches with a call, and the most calls
        in one minute.
    """

    effort_us: int
    n_minutes: int
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

    def add(self, source: int, minute: int, cell: int, heard: Sequence[int]) -> None:
        """Add a part of a cell's minute: effort in microseconds, then the calls of each label."""
        self.source.append(source)
        self.minute.append(minute)
        self.cell.append(cell)
        self.effort_us.append(heard[0])
        self.calls.extend(heard[1:])

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
    """Adds results up; memory grows with hours and sites, and by 40 bytes a cut minute.

    Parameters
    ----------
    labels : sequence of str
        What is counted, in the order of the tallies.
    """

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
            cell: Cell = (site, None, None)
            if start is not None:
                local = datetime.fromtimestamp(minute * 60, tz=zone)
                cell = (site, local.date(), local.hour)
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
