"""The events of a scan, one record each: what all tables of events are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from counter.estimation.calibration import Calibration
from counter.moments import iso_text, later
from counter.output.columns import event_columns
from counter.records import FAILED, FileResult, Recording

Bands = Mapping[str, tuple[float, float]]
Value = str | int | float | None

# Digits after the point; the same in every format, so that their values are equal.
_DIGITS = {
    "start_s": 3,
    "end_s": 3,
    "peak_s": 3,
    "score": 4,
    "probability": 4,
    "low_hz": 1,
    "high_hz": 1,
}


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event as tables tell it; numbers are rounded.

    Attributes
    ----------
    source : Recording
        What it was heard in.
    before_s : float
        Seconds scanned of the recordings before this one.
    number : int
        Number within the scan, from 1.
    recording : str
        Name of the recording.
    event : int
        Number within the recording, from 1.
    label : str
        What was heard.
    start_s, end_s, peak_s : float
        Seconds from the recording's start.
    score : float
        Highest smoothed score.
    probability : float or None
        Where its label has a calibration.
    low_hz, high_hz : float
        Band that was listened in.
    start_time : str or None
        ISO 8601, where the recording's start is known.
    site : str or None
        Where the recording was made, if that is known.
    """

    source: Recording
    before_s: float
    number: int
    recording: str
    event: int
    label: str
    start_s: float
    end_s: float
    peak_s: float
    score: float
    probability: float | None
    low_hz: float
    high_hz: float
    start_time: str | None
    site: str | None

    def value(self, column: str) -> Value:
        """Value in a column of ``events.csv``."""
        found: Value = getattr(self, column)
        return found

    def text(self, column: str) -> str:
        """The same as CSV says it: all digits, and empty where there is none."""
        value = self.value(column)
        if value is None:
            return ""
        return f"{value:.{_DIGITS[column]}f}" if column in _DIGITS else str(value)


@dataclass(frozen=True)
class ScanEvents:
    """All events of a scan, made anew from the results each time they are asked for.

    Attributes
    ----------
    results : iterable of FileResult
        In the order of the tables; can be gone through more than once.
    band_hz : mapping of label to (low_hz, high_hz)
        Band that each label was listened for in; holds every label that occurs.
    calibrations : mapping of str to Calibration
        Calibration of each label that has one; may be empty.
    """

    results: Iterable[FileResult]
    band_hz: Bands
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
                yield result.recording, self._rows(result, before_s, n_before)
            before_s += result.scanned_s
            n_before += len(result.events)

    def _rows(self, result: FileResult, before_s: float, n_before: int) -> list[EventRow]:
        probabilities = self._probabilities(result)
        start, site = result.origin.start, result.origin.site
        rows = []
        for place, event in enumerate(result.events):
            low_hz, high_hz = self.band_hz[event.label]
            numbers = {
                "start_s": event.start_s,
                "end_s": event.end_s,
                "peak_s": event.peak_s,
                "score": event.score,
                "low_hz": low_hz,
                "high_hz": high_hz,
            }
            rows.append(
                EventRow(
                    source=result.recording,
                    before_s=before_s,
                    number=n_before + place + 1,
                    recording=result.recording.name,
                    event=place + 1,
                    label=event.label,
                    probability=probabilities[place],
                    start_time=iso_text(start and later(start, event.start_s)) or None,
                    site=site or None,
                    **{name: round(value, _DIGITS[name]) for name, value in numbers.items()},
                )
            )
        return rows

    def _probabilities(self, result: FileResult) -> list[float | None]:
        """Probability of each event, ``None`` where its label has no calibration."""
        found: list[float | None] = [None] * len(result.events)
        for label, calibration in self.calibrations.items():
            places = [place for place, event in enumerate(result.events) if event.label == label]
            scores = np.array([result.events[place].score for place in places])
            for place, value in zip(places, calibration.probability(scores), strict=True):
                found[place] = round(float(value), _DIGITS["probability"])
        return found
