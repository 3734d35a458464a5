"""Results of a scan: its tables and manifest, read back as records, arrays and DataFrames."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counter.bundle import Bundle, read_bundle
from counter.config import validate
from counter.errors import CallcountError
from counter.events.rules import EventRules
from counter.records import FAILED, OK, TRUNCATED, Event, Origin
from counter.tables.columns import (
    NAME_COLUMNS,
    NUMBER_COLUMNS,
    WHOLE_COLUMNS,
    result_labels,
)
from counter.tables.csv import plain
from counter.tables.manifest import OutputPaths, read_manifest
from counter.timestamps import parse_moment

if TYPE_CHECKING:
    import pandas as pd

_SCAN_AGAIN = "Scan again with callcount scan."
_TIMES = ("start_s", "end_s", "peak_s", "score")
_BAND = ("low_hz", "high_hz")
# Columns that are read; an earlier version may not have had the others.
_COUNT_COLUMNS = (
    *("recording", "calls", "duration_s", "scanned_s", "calls_per_hour", "status", "message"),
)
_PLACE_COLUMNS = (
    *("recording", "site", "device", "start_time", "latitude", "longitude", "effort_s"),
)
Row = Mapping[str, str]


@dataclass(frozen=True)
class ScannedRecording:
    """A recording as the tables of a scan have it."""

    name: str  # path relative to the folder that was scanned, with ``/``
    # ``ok``, ``truncated`` or ``failed``, and what went wrong
    status: str
    message: str
    duration_s: float | None  # length that the file claims, ``None`` where unknown
    # seconds really scanned, and of these really listened to
    scanned_s: float
    effort_s: float
    calls: int | None  # events of all labels, ``None`` where the recording failed
    origin: Origin = Origin()  # when, where and by what it was made; empty where nothing says so
    # whether ``recordings.csv`` has it: that of an earlier callcount may be missing
    is_placed: bool = False


@dataclass(frozen=True)
class EventTable:
    """The rows of ``events.csv`` in order of recording; arrays of one length, which may be 0."""

    # places in ``Results.recordings`` and ``Results.labels``
    recording: NDArray[np.int64]
    label: NDArray[np.int64]
    # as in ``records.Event``
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    peak_s: NDArray[np.float64]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class ScanFacts:
    """How the results came about."""

    bundle: Mapping[str, str]  # ``path``, ``name``, ``hash``, ``which``
    rules: Mapping[str, EventRules]  # rules that each label was counted with
    # files and folders that were scanned; empty for results of an earlier callcount
    paths: tuple[str, ...]
    manifest: Mapping[str, Any]  # the whole manifest

    @classmethod
    def of(cls, manifest: Mapping[str, Any], path: Path) -> ScanFacts:
        """What a manifest says; ``path`` is its file, for messages."""
        settings = manifest["settings"]
        rules = {
            label: validate(EventRules, values, f"{path}: rules of {label}")
            for label, values in settings["rules"].items()
        }
        return cls(manifest["bundle"], rules, tuple(settings.get("paths", ())), manifest)


@dataclass(frozen=True)
class Results:
    """Results of a finished scan: recordings, events, and how they came about.

    ``counts``, ``events`` and ``effort`` have its tables as DataFrames.

    Attributes
    ----------
    files : OutputPaths
        Where it is.
    recordings : tuple of ScannedRecording
        In order, the failed ones included.
    labels : tuple of str
        In the order of the columns.
    event_table : EventTable
        Events of all recordings.
    band_hz : mapping of str to (low_hz, high_hz)
        Band that each label with an event was listened for in.
    facts : ScanFacts
        How they came about.
    """

    files: OutputPaths
    recordings: tuple[ScannedRecording, ...]
    labels: tuple[str, ...]
    event_table: EventTable
    band_hz: Mapping[str, tuple[float, float]]
    facts: ScanFacts

    def events_of(self, number: int) -> tuple[Event, ...]:
        """Events of the recording at a place in ``recordings``; empty where there is none."""
        table = self.event_table
        first, stop = np.searchsorted(table.recording, [number, number + 1])
        return tuple(
            Event(
                self.labels[table.label[row]],
                *(float(getattr(table, name)[row]) for name in _TIMES),
            )
            for row in range(first, stop)
        )

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """Origin of each recording that the scan placed, by name."""
        return {one.name: one.origin for one in self.recordings if one.is_placed}

    @cached_property
    def counts(self) -> pd.DataFrame:
        """Counts: ``results.csv`` as a DataFrame, a row a recording; no number where it failed."""
        return _frame(self.files.results, {f"calls_{one}" for one in self.labels})

    @cached_property
    def events(self) -> pd.DataFrame:
        """Events: ``events.csv`` as a DataFrame, a row a call, with real times."""
        return _frame(self.files.events)

    @cached_property
    def effort(self) -> pd.DataFrame:
        """Effort: ``recordings.csv`` as a DataFrame, when, where and how long was listened."""
        return _frame(self.files.recordings)


def read_results(results: str | Path) -> Results:
    """Read a finished scan.

    Columns are found by their names, so that tables of other versions, with more of them or in
    another order, are read as well.

    Parameters
    ----------
    results : str or Path
        Its ``results.csv``; events and manifest are in the folder of the same name.

    Raises
    ------
    CallcountError
        A file is missing, unreadable, not made by callcount, or not of the same scan.

    Examples
    --------
    >>> results = read_results("results.csv")
    >>> results.counts[["recording", "calls"]]
      recording  calls
    0     a.wav      2
    1     b.wav      0
    """
    table = Path(results)
    files = OutputPaths(table)
    if table.is_dir():
        raise CallcountError(
            f"{table} is a folder.", f"Name the table: {table}.csv, or a .csv in it."
        )
    for path in (table, files.events, files.manifest):
        if not path.is_file():
            beside = f"The folder {files.folder.name} has to stay beside its table."
            fix = "Check the path." if path == table else beside
            raise CallcountError(f"no results of a scan at {table}: {path} is missing.", fix)
    facts = _facts(files.manifest)
    header, rows = read_rows(table, _COUNT_COLUMNS)
    labels = result_labels(header, facts.rules)
    if labels is None:
        raise _not_one_scan(table, files.manifest)
    recordings = placed_recordings((scanned_recording(row, table) for row in rows), files)
    events, band_hz = _read_events(files, recordings, labels)
    return Results(files, recordings, labels, events, band_hz, facts)


class ResultsCollector:
    """Results gathered while their tables are written, as ``read_results`` would read them."""

    def __init__(
        self,
        files: OutputPaths,
        labels: Sequence[str],
        band_hz: Mapping[str, tuple[float, float]],
    ) -> None:
        self._files = files
        self._labels = tuple(labels)
        self._band_hz = band_hz
        self._recordings: list[ScannedRecording] = []
        self._events: list[tuple[float, ...]] = []

    def add(self, row: Row, place: Row, events: Iterable[tuple[str, Sequence[float]]]) -> None:
        """Add a recording: its rows in both tables; label and rounded times of its events."""
        number = len(self._recordings)
        one = scanned_recording(row, self._files.results)
        self._recordings.append(placed_recording(one, place, self._files.recordings))
        self._events.extend((number, self._labels.index(label), *of) for label, of in events)

    def finish(self, facts: ScanFacts) -> Results:
        """All of them; nothing may be added afterwards."""
        table = np.array(self._events, dtype=np.float64).reshape(-1, 2 + len(_TIMES))
        recording, label = table[:, :2].T.astype(np.int64)
        events = EventTable(recording, label, *table[:, 2:].T)
        with_events = {self._labels[place] for place in set(label.tolist())}
        band_hz = {name: band for name, band in self._band_hz.items() if name in with_events}
        return Results(self._files, tuple(self._recordings), self._labels, events, band_hz, facts)


def read_rows(path: Path, needed: Sequence[str]) -> tuple[list[str], list[Row]]:
    """Header and rows of a table of callcount's; each row as text by column.

    Raises
    ------
    CallcountError
        It cannot be read, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            header = list(table.fieldnames or [])
            rows: list[Row] = list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CallcountError(f"cannot read {path}: {error}.", _SCAN_AGAIN) from error
    if missing := [name for name in needed if name not in header]:
        raise CallcountError(
            f"{path} was not made by callcount scan: it has no column {missing[0]}.", _SCAN_AGAIN
        )
    return header, rows


def bundle_of(results: Results) -> Bundle:
    """The bundle that a scan was made with, as it was.

    Raises
    ------
    CallcountError
        It is gone, or changed since.
    """
    path, wanted = Path(results.facts.bundle["path"]), results.facts.bundle["hash"]
    hint = "Bring back the bundle of the scan, or scan again."
    try:
        bundle = read_bundle(path)
    except CallcountError as error:
        raise CallcountError(
            f"the bundle of {results.files.results} cannot be read: {error.what}", hint
        ) from error
    if bundle.sha256 != wanted:
        raise CallcountError(
            f"{results.files.results} are results of another bundle ({wanted[:8]}) than the one "
            f"at {path} now ({bundle.sha256[:8]}).",
            hint,
        )
    return bundle


def scanned_recording(row: Row, path: Path) -> ScannedRecording:
    """A row of ``results.csv``; ``path`` is named where it is damaged."""
    name, status = plain(row["recording"]), row["status"]
    try:
        scanned_s = float(row["scanned_s"])
        found = ScannedRecording(
            name=name,
            status=status,
            message=plain(row["message"]),
            duration_s=float(row["duration_s"]) if row["duration_s"] else None,
            scanned_s=scanned_s,
            effort_s=scanned_s,
            calls=None if status == FAILED else int(row["calls"]),
        )
    except (TypeError, ValueError) as error:
        raise CallcountError(f"{path}: the row of {name} is damaged: {error}.") from error
    if status not in (OK, TRUNCATED, FAILED):
        raise CallcountError(f"{path}: {name} has the unknown status {status!r}.")
    return found


def placed_recordings(
    recordings: Iterable[ScannedRecording], files: OutputPaths
) -> tuple[ScannedRecording, ...]:
    """Recordings with their origin and effort from ``recordings.csv``, where it is there."""
    if not files.recordings.is_file():
        return tuple(recordings)
    _, rows = read_rows(files.recordings, _PLACE_COLUMNS)
    places = {plain(row["recording"]): row for row in rows}
    return tuple(
        placed_recording(one, places[one.name], files.recordings) if one.name in places else one
        for one in recordings
    )


def placed_recording(one: ScannedRecording, row: Row, path: Path) -> ScannedRecording:
    """A recording with what its row of ``recordings.csv`` says."""
    try:
        origin = Origin(
            start=parse_moment(row["start_time"]),
            site=plain(row["site"]),
            device=plain(row["device"]),
            latitude=float(row["latitude"]) if row["latitude"] else None,
            longitude=float(row["longitude"]) if row["longitude"] else None,
        )
        return replace(one, origin=origin, effort_s=float(row["effort_s"]), is_placed=True)
    except (TypeError, ValueError) as error:
        raise CallcountError(f"{path} is damaged: {error!r}.", _SCAN_AGAIN) from error


def _facts(path: Path) -> ScanFacts:
    try:
        return ScanFacts.of(read_manifest(path), path)
    except (KeyError, TypeError, AttributeError) as error:
        raise CallcountError(f"cannot read {path}: {error!r}.", _SCAN_AGAIN) from error


def _read_events(
    files: OutputPaths, recordings: tuple[ScannedRecording, ...], labels: tuple[str, ...]
) -> tuple[EventTable, dict[str, tuple[float, float]]]:
    import pandas as pd

    text: Any = "category"
    kinds = dict.fromkeys(("recording", "label"), text)
    kinds |= dict.fromkeys((*_TIMES, *_BAND), np.float64)
    try:
        table = pd.read_csv(
            files.events,
            usecols=list(kinds),
            dtype=kinds,
            keep_default_na=False,
            float_precision="round_trip",  # as it was written, to the last digit
        )
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise CallcountError(f"cannot read {files.events}: {why}.", _SCAN_AGAIN) from error
    by_name = {one.name: number for number, one in enumerate(recordings)}
    recording = _places(table["recording"], by_name, files.events)
    label = _places(table["label"], {name: n for n, name in enumerate(labels)}, files.events)
    counted = np.bincount(recording, minlength=len(recordings))
    if counted.tolist() != [one.calls or 0 for one in recordings]:
        raise _not_one_scan(files.results, files.events)
    order = np.argsort(recording, kind="stable")
    columns = (table[name].to_numpy(dtype=np.float64)[order] for name in _TIMES)
    bands = table[["label", *_BAND]].drop_duplicates("label").itertuples(index=False)
    band_hz = {plain(str(name)): (float(low), float(high)) for name, low, high in bands}
    return EventTable(recording[order], label[order], *columns), band_hz


def _places(column: pd.Series, places: Mapping[str, int], path: Path) -> NDArray[np.int64]:
    """The place of each value of a column of categories."""
    known = [places.get(plain(str(name)), -1) for name in column.cat.categories]
    if -1 in known:
        strange = column.cat.categories[known.index(-1)]
        raise CallcountError(f"{path}: {strange!r} is no {column.name} of this scan.", _SCAN_AGAIN)
    codes = column.cat.codes.to_numpy()
    return np.array(known, dtype=np.int64)[codes]


def _not_one_scan(one: Path, other: Path) -> CallcountError:
    return CallcountError(f"{one} and {other} are not of one scan.", _SCAN_AGAIN)


def _frame(path: Path, whole: Collection[str] = ()) -> pd.DataFrame:
    """A table as a DataFrame: names plain, numbers as numbers, ``start_*`` as times."""
    import pandas as pd

    _, rows = read_rows(path, ("recording",))
    frame = pd.DataFrame(rows)
    for name in frame.columns:
        if name in NAME_COLUMNS:
            frame[name] = frame[name].map(plain)
        elif name in NUMBER_COLUMNS:
            frame[name] = pd.to_numeric(frame[name])
        elif name in WHOLE_COLUMNS or name in whole:
            frame[name] = pd.to_numeric(frame[name]).astype("Int64")
    if "start_time" in frame:
        text = frame["start_time"]
        has_zone = text.str.contains(r"(?:Z|[+-]\d\d:\d\d)$")
        frame["start_local"] = pd.to_datetime(text.str[:23], format="ISO8601")
        frame["start_utc"] = pd.to_datetime(text.where(has_zone), format="ISO8601", utc=True)
    return frame
