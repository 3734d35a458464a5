"""Rows of events: what all tables of events are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from counter.bundle import Calibration
from counter.records import FAILED, FileResult, Recording
from counter.tables.columns import event_columns
from counter.timestamps import later, time_texts

Bands = Mapping[str, tuple[float, float]]
Value = str | int | float | None

# Digits after the point; the same in every format, so that their values are equal.
_TIME_DIGITS, _SCORE_DIGITS, _HZ_DIGITS = 3, 4, 1
# A millisecond is much of an event that is shorter than this.
_SHORT_S, _SHORT_DIGITS = 0.1, 6
_TIMES = ("start_s", "end_s", "peak_s")
_DIGITS = {
    **dict.fromkeys(("score", "probability"), _SCORE_DIGITS),
    **dict.fromkeys(("low_hz", "high_hz"), _HZ_DIGITS),
}


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event as tables tell it; numbers are rounded."""

    source: Recording  # what it was heard in
    before_s: float  # seconds scanned of the recordings before this one
    number: int  # number within the scan, from 1
    recording: str
    event: int  # number within the recording, from 1
    label: str
    # seconds from the recording's start
    start_s: float
    end_s: float
    peak_s: float
    score: float
    probability: float | None  # where its label has a calibration
    # band that was listened in
    low_hz: float
    high_hz: float
    # as ``columns`` has them, where the recording's start is known
    start_time: str | None
    start_utc: str | None
    start_local: str | None
    site: str | None  # where the recording was made, if that is known

    def value(self, column: str) -> Value:
        """Value in a column of ``events.csv``."""
        found: Value = getattr(self, column)
        return found

    def text(self, column: str) -> str:
        """The same as CSV says it: all digits, and empty where there is none."""
        value = getattr(self, column)
        if value is None:
            return ""
        digits = _DIGITS.get(column)
        if column in _TIMES:
            digits = _time_digits(self.start_s, self.end_s)
        return str(value) if digits is None else f"{value:.{digits}f}"


def _time_digits(start_s: float, end_s: float) -> int:
    return _TIME_DIGITS if end_s - start_s >= _SHORT_S else _SHORT_DIGITS


@dataclass(frozen=True)
class ScanEvents:
    """All events of a scan, made anew from the results each time they are asked for."""

    results: Iterable[FileResult]  # in the order of the tables; can be gone through more than once
    band_hz: Bands  # band that each label was listened for in; holds every label that occurs
    # calibration of each label that has one; may be empty
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of ``events.csv``; ``probability`` is there where any label has a calibration."""
        return event_columns(has_probability=bool(self.calibrations))

    def __iter__(self) -> Iterator[EventRow]:
        """Every event, recording by recording, in order of start."""
        return (row for _, rows in self.by_recording() for row in rows)

    def by_recording(self) -> Iterator[tuple[Recording, list[EventRow]]]:
        """Each recording that did not fail with its events; no event is an empty list."""
        before_s, n_before = 0.0, 0
        for result in self.results:
            if result.status != FAILED:
                yield result.recording, self.of(result, before_s, n_before)
            before_s += result.scanned_s
            n_before += len(result.events)

    def of(self, result: FileResult, before_s: float = 0.0, n_before: int = 0) -> list[EventRow]:
        """Events of one result, after so many seconds and events of those before it."""
        probabilities = self._probabilities(result)
        return [
            self._row(result, place, probabilities[place], (before_s, n_before))
            for place in range(len(result.events))
        ]

    def _row(
        self, result: FileResult, place: int, probability: float | None, before: tuple[float, int]
    ) -> EventRow:
        event, origin = result.events[place], result.origin
        low_hz, high_hz = self.band_hz[event.label]
        moment = later(origin.start, event.start_s) if origin.start is not None else None
        times = time_texts(moment)
        digits = _time_digits(event.start_s, event.end_s)
        return EventRow(
            source=result.recording,
            before_s=before[0],
            number=before[1] + place + 1,
            recording=result.recording.name,
            event=place + 1,
            label=event.label,
            start_s=round(event.start_s, digits),
            end_s=round(event.end_s, digits),
            peak_s=round(event.peak_s, digits),
            score=round(event.score, _SCORE_DIGITS),
            probability=probability,
            low_hz=round(low_hz, _HZ_DIGITS),
            high_hz=round(high_hz, _HZ_DIGITS),
            start_time=times[0] or None,
            start_utc=times[1] or None,
            start_local=times[2] or None,
            site=origin.site or None,
        )

    def _probabilities(self, result: FileResult) -> list[float | None]:
        """Probability of each event, ``None`` where its label has no calibration."""
        found: list[float | None] = [None] * len(result.events)
        for label, calibration in self.calibrations.items():
            places = [place for place, event in enumerate(result.events) if event.label == label]
            scores = np.array([result.events[place].score for place in places])
            for place, value in zip(places, calibration.probability(scores), strict=True):
                found[place] = round(float(value), _SCORE_DIGITS)
        return found
