"""Tables of a scan, written in one pass: results, events, recordings, and sums of a season."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType

from counter.bundle import Calibration
from counter.records import FAILED, FileResult
from counter.tables.columns import RECORDING_COLUMNS, result_columns
from counter.tables.csv import csv_writer, shown_cell
from counter.tables.event_rows import Bands, EventRow, ScanEvents
from counter.tables.manifest import OutputPaths
from counter.tables.results import ResultsCollector
from counter.tables.season import Season, write_sums
from counter.timestamps import time_texts

Row = list[str]


class ResultTables:
    """All tables of a scan, each result given to all of them at once; a context manager.

    The tables take their names when the block ends well; else what stood there is unchanged. Their
    folder is there. Where any label has a calibration, ``events.csv`` has a column ``probability``;
    a ``collector`` is given all rows as well. ``season`` has the results added up.

    Raises
    ------
    OutputError
        A file cannot be written.
    """

    def __init__(
        self,
        paths: OutputPaths,
        labels: Sequence[str],
        band_hz: Bands,
        calibrations: Mapping[str, Calibration],
        *,
        collector: ResultsCollector | None = None,
    ) -> None:
        self.season = Season(labels)
        self._paths = paths
        self._labels = labels
        self._rows = ScanEvents((), band_hz, calibrations)
        self._event_columns = self._rows.columns
        self._collector = collector
        self._stack = ExitStack()

    def __enter__(self) -> ResultTables:
        enter, paths = self._stack.enter_context, self._paths
        # renamed in the other order: the table of counts last
        self._add_result = enter(csv_writer(paths.results, result_columns(self._labels)))
        self._add_event = enter(csv_writer(paths.events, self._event_columns))
        self._add_recording = enter(csv_writer(paths.recordings, list(RECORDING_COLUMNS)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            write_sums(self._paths, self.season)
        self._stack.__exit__(kind, error, trace)

    def add(self, result: FileResult) -> None:
        """Add the rows of a result."""
        counts = result_row(result, self._labels)
        place = recording_row(result)
        events = self._rows.of(result)
        self._add_result(counts)
        self._add_recording(place)
        for event in events:
            self._add_event([event.text(name) for name in self._event_columns])
        self.season.add(result)
        if self._collector is not None:
            self._collect(counts, place, events)

    def _collect(self, counts: Row, place: Row, events: Sequence[EventRow]) -> None:
        assert self._collector is not None
        header = result_columns(self._labels)
        self._collector.add(
            {name: shown_cell(text) for name, text in zip(header, counts, strict=True)},
            {name: shown_cell(text) for name, text in zip(RECORDING_COLUMNS, place, strict=True)},
            [(one.label, (one.start_s, one.end_s, one.peak_s, one.score)) for one in events],
        )


def result_row(result: FileResult, labels: Sequence[str]) -> Row:
    """A row of ``results.csv``.

    Silence is 0 calls; a failed recording has no number of calls. ``calls_per_hour`` is per hour
    really listened to and empty where nothing was. Seconds have 3 decimals.
    """
    split = labels if len(labels) > 1 else ()
    if result.status == FAILED:
        calls, per_hour = [""] * (1 + len(split)), ""
    else:
        calls = [str(result.calls()), *(str(result.calls(label)) for label in split)]
        hours = result.effort_s / 3600
        per_hour = f"{result.calls() / hours:.3f}" if hours else ""
    known = result.duration_s > 0 or result.status != FAILED
    duration = f"{result.duration_s:.3f}" if known else ""
    effort = [duration, f"{result.scanned_s:.3f}", per_hour]
    return [result.recording.name, *calls, *effort, result.status, result.remarks]


def recording_row(result: FileResult) -> Row:
    """A row of ``recordings.csv``; what nothing tells is empty."""
    origin = result.origin
    place = ["" if one is None else f"{one:.6f}" for one in (origin.latitude, origin.longitude)]
    times = time_texts(origin.start)
    day = times[2][: len("2024-05-01")]
    form = [str(one or "") for one in (result.sample_rate_hz, result.channels)]
    effort = [f"{one:.3f}" for one in (result.scanned_s, result.effort_s)]
    who = [result.recording.name, origin.site, origin.device]
    return [*who, *times, day, *place, *form, *effort, result.status]
