"""Events in a file, a line each, as they end: JSON lines or CSV with the columns of events.csv."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from counter.bundle import BundleSpec
from counter.errors import OutputError
from counter.estimation.calibration import Calibration
from counter.output.eventrows import EventRow, ScanEvents
from counter.output.writers import json_line
from counter.output.writing import line_maker
from counter.records import OK, Event, FileResult, Origin, Recording

JSON, CSV = ".jsonl", ".csv"


class EventRows:
    """Events as rows of a table, numbered as they come.

    Parameters
    ----------
    name : str
        What is heard, for the column ``recording``.
    spec : BundleSpec
        The model.
    calibrations : mapping of str to Calibration
        Calibration of each label that has one.
    """

    def __init__(
        self, name: str, spec: BundleSpec, calibrations: Mapping[str, Calibration]
    ) -> None:
        result = FileResult(Recording(name, name), OK)
        bands = {label: (spec.low_hz, spec.high_hz) for label in spec.labels}
        self._result = result
        self._events = ScanEvents([], bands, calibrations)
        self._n_events = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table."""
        return self._events.columns

    def row(self, event: Event, begun: datetime | None) -> EventRow:
        """The next row; ``begun`` is when the sound began, where that is known."""
        self._n_events += 1
        heard = replace(self._result, events=(event,), origin=Origin(start=begun))
        (row,) = replace(self._events, results=[heard])
        return replace(row, event=self._n_events, number=self._n_events)


class EventFile:
    """A file to which each event is added at once; a context manager.

    Parameters
    ----------
    path : Path
        Ends in ``.jsonl`` or ``.csv``; must not be there.
    columns : tuple of str
        Columns of ``EventRow`` to write.

    Raises
    ------
    OutputError
        Another ending, a file that is there, or one that cannot be written.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._path = path
        self._columns = columns
        self._csv_line = line_maker() if path.suffix == CSV else None
        check_event_file(path)

    def __enter__(self) -> EventFile:
        try:
            self._file: TextIO = self._path.open("x", encoding="utf-8", newline="")
        except OSError as error:
            raise OutputError.unwritable(self._path, error) from error
        if self._csv_line is not None:
            self._write(self._csv_line(self._columns))
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, row: EventRow) -> None:
        """Write an event; it stands in the file when this returns.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        if self._csv_line is None:
            self._write(json_line(row, self._columns))
        else:
            self._write(self._csv_line([row.text(column) for column in self._columns]))

    def _write(self, line: str) -> None:
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise OutputError.unwritable(self._path, error) from error


def check_event_file(path: Path) -> None:
    """Make sure before the work that events can go to a new file of this name.

    Raises
    ------
    OutputError
        As for ``EventFile``.
    """
    if path.suffix not in (JSON, CSV):
        raise OutputError(f"-o {path} ends in neither {JSON} nor {CSV}.", "Name it so.")
    if os.path.lexists(path):
        raise OutputError(
            f"{path} is there already; what was heard is never replaced.",
            "Move it away or give another name with -o.",
        )
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is no folder.", "Make it, or give another name with -o.")
