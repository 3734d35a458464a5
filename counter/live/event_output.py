"""Output of live events: a line each, and their sound as FLAC while it goes by."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

import numpy as np

from counter.bundle import BundleSpec
from counter.errors import OutputError
from counter.formats.event_clips import clip_names, write_clip
from counter.formats.writers import json_line
from counter.records import OK, Event, FileResult, FloatArray, Origin, Recording
from counter.storage.file_names import check_names
from counter.tables.csv import line_maker
from counter.tables.event_rows import EventRow, ScanEvents
from counter.timebase import Timebase

JSON, CSV = ".jsonl", ".csv"


class EventRows:
    """Events of a model as rows of a table, numbered as they come.

    ``name`` is what is heard, for the column ``recording``.
    """

    def __init__(self, name: str, spec: BundleSpec) -> None:
        self._result = FileResult(Recording(name, name), OK)
        bands = {label: (spec.low_hz, spec.high_hz) for label in spec.labels}
        self._events = ScanEvents([], bands, spec.calibration)
        self._n_events = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table."""
        return self._events.columns

    def row(self, event: Event, begun: datetime | None) -> EventRow:
        """The next row; ``begun`` is when the sound began, where that is known."""
        self._n_events += 1
        result = replace(self._result, events=(event,), origin=Origin(start=begun))
        (row,) = self._events.of(result)
        return replace(row, event=self._n_events, number=self._n_events)


class EventFile:
    """A file to which each event is added at once; a context manager.

    It ends in ``.jsonl`` or ``.csv``, and holds these columns of ``EventRow``.

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
    check_names(path)
    if path.suffix not in (JSON, CSV):
        raise OutputError(f"-o {path} ends in neither {JSON} nor {CSV}.", "Name it so.")
    if os.path.lexists(path):
        raise OutputError(
            f"{path} is there already; what was heard is never replaced.",
            "Move it away or give another name with -o.",
        )
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is no folder.", "Make it, or give another name with -o.")


MARGIN_S = 1.0
# Beyond the longest event that the rules allow: their wait, the context, and the margin.
HOLD_MORE_S = 60.0


class ClipKeeper:
    """Holds the last sound and writes ``DIR/<label>/<source>-<event>.flac``, mono.

    The last ``hold_s`` seconds are held. ``n_missed`` counts events whose sound was gone before
    they were sure, such as calls of a chorus of minutes.

    Raises
    ------
    OutputError
        The folder holds something, or is none.
    """

    def __init__(self, folder: Path, rate_hz: int, hold_s: float) -> None:
        check_clip_folder(folder)
        self.n_missed = 0
        self._folder = folder
        self._rate_hz = rate_hz
        self._samples = Timebase(rate_hz, 1).samples
        self._n_hold = self._samples(hold_s)
        self._blocks: deque[FloatArray] = deque()
        self._first = self._end = 0
        self._waiting: deque[EventRow] = deque()

    def push(self, mono: FloatArray) -> None:
        """Take the next samples, shape (n_samples,); write the clips that are complete by them."""
        self._blocks.append(mono)
        self._end += len(mono)
        while self._end - self._first - len(self._blocks[0]) >= self._n_hold:
            self._first += len(self._blocks.popleft())
        self._write_until(self._end)

    def add(self, row: EventRow) -> None:
        """Write the clip of an event once what follows it has come as well."""
        self._waiting.append(row)
        self._write_until(self._end)

    def finish(self) -> None:
        """The sound is over: write what waits."""
        self._write_until(None)

    def _write_until(self, end: int | None) -> None:
        """Write clips that end by ``end``, or all."""
        while self._waiting:
            row = self._waiting[0]
            stop = self._samples(row.end_s + MARGIN_S)
            if end is not None and stop > end:
                return
            self._waiting.popleft()
            if self._samples(row.start_s) < self._first:
                self.n_missed += 1
            else:
                self._write(row, self._samples(max(0.0, row.start_s - MARGIN_S)), stop)

    def _write(self, row: EventRow, start: int, stop: int) -> None:
        path = self._folder / clip_names([row])[0]
        first = max(start, self._first)
        held = np.concatenate(list(self._blocks))[first - self._first : stop - self._first]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError.unwritable(path.parent, error) from error
        write_clip(path, held, self._rate_hz)


def check_clip_folder(folder: Path) -> None:
    """Make sure before the work that a folder is new or empty.

    Raises
    ------
    OutputError
        It is not.
    """
    check_names(folder)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"--clips {folder} is no folder.", "Name a new one.")
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"--clips {folder} is not empty.", "Name a new or an empty folder.")
