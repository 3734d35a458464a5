"""A finished scan, read back from its tables and manifest."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counter.bundle import Bundle, read_bundle
from counter.cells import plain
from counter.config import EventRules, validate
from counter.errors import CallcountError
from counter.output.columns import is_event_header, is_result_header, result_labels
from counter.output.own import is_own_manifest
from counter.output.paths import OutputPaths
from counter.records import FAILED, OK, TRUNCATED, Event

if TYPE_CHECKING:
    import pandas as pd

_SCAN_AGAIN = "Scan again with callcount scan."
_TIMES = ("start_s", "end_s", "peak_s", "score")


@dataclass(frozen=True)
class ScannedRecording:
    """One row of ``results.csv``.

    Attributes
    ----------
    name : str
        Path relative to the folder that was scanned, with ``/``.
    status, message : str
        ``ok``, ``truncated`` or ``failed``, and what went wrong.
    duration_s : float or None
        Length that the file claims, ``None`` where unknown.
    scanned_s : float
        Seconds really scanned.
    calls : int or None
        Events of all labels, ``None`` where the recording failed.
    """

    name: str
    status: str
    message: str
    duration_s: float | None
    scanned_s: float
    calls: int | None


@dataclass(frozen=True)
class EventTable:
    """The rows of ``events.csv`` in order of recording; arrays of one length, which may be 0.

    Attributes
    ----------
    recording, label : array of int64
        Places in ``Results.recordings`` and ``Results.labels``.
    start_s, end_s, peak_s, score : array of float64
        As in ``records.Event``.
    """

    recording: NDArray[np.int64]
    label: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    peak_s: NDArray[np.float64]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class ScanFacts:
    """How the results came about.

    Attributes
    ----------
    bundle : mapping of str to str
        ``path``, ``name``, ``hash``, ``which``.
    rules : mapping of str to EventRules
        Rules that each label was counted with.
    paths : tuple of str
        Files and folders that were scanned; empty for results of an earlier callcount.
    manifest : mapping
        The whole manifest.
    """

    bundle: Mapping[str, str]
    rules: Mapping[str, EventRules]
    paths: tuple[str, ...]
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """A finished scan.

    Attributes
    ----------
    files : OutputPaths
        Where it is.
    recordings : tuple of ScannedRecording
        In order, the failed ones included.
    labels : tuple of str
        In the order of the columns.
    events : EventTable
        Events of all recordings.
    facts : ScanFacts
        How they came about.
    """

    files: OutputPaths
    recordings: tuple[ScannedRecording, ...]
    labels: tuple[str, ...]
    events: EventTable
    facts: ScanFacts

    def events_of(self, number: int) -> tuple[Event, ...]:
        """Events of the recording at a place in ``recordings``; empty where none was heard."""
        table = self.events
        first, stop = np.searchsorted(table.recording, [number, number + 1])
        return tuple(
            Event(
                self.labels[table.label[row]],
                *(float(getattr(table, name)[row]) for name in _TIMES),
            )
            for row in range(first, stop)
        )


def read_results(results: Path) -> Results:
    """Read a finished scan.

    Parameters
    ----------
    results : Path
        Its ``results.csv``; events and manifest are in the folder of the same name.

    Raises
    ------
    CallcountError
        A file is missing, unreadable, not made by callcount, or not of the same scan.
    """
    files = OutputPaths(results)
    if results.is_dir():
        raise CallcountError(
            f"{results} is a folder.", f"Name the table: {results}.csv, or a .csv in it."
        )
    for path in (results, files.events, files.manifest):
        if not path.is_file():
            beside = f"The folder {files.folder.name} has to stay beside its table."
            fix = "Check the path." if path == results else beside
            raise CallcountError(f"no results of a scan at {results}: {path} is missing.", fix)
    header, rows = _read_rows(results)
    recordings = tuple(_recording(row, results) for row in rows)
    facts = _read_facts(files.manifest)
    # results.csv has a column for each label only where there are several
    named = result_labels(header) or tuple(facts.rules)
    if sorted(named) != sorted(facts.rules):
        raise _not_one_scan(results, files.manifest)
    events = _read_events(files, recordings, named)
    return Results(files, recordings, named, events, facts)


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


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            header = list(rows.fieldnames or [])
            if not is_result_header(header):
                raise CallcountError(f"{path} was not made by callcount scan.", _SCAN_AGAIN)
            return header, list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CallcountError(f"cannot read {path}: {error}.", _SCAN_AGAIN) from error


def _recording(row: Mapping[str, str], path: Path) -> ScannedRecording:
    name, status = plain(row["recording"]), row["status"]
    try:
        found = ScannedRecording(
            name=name,
            status=status,
            message=plain(row["message"]),
            duration_s=float(row["duration_s"]) if row["duration_s"] else None,
            scanned_s=float(row["scanned_s"]),
            calls=None if status == FAILED else int(row["calls"]),
        )
    except (TypeError, ValueError) as error:
        raise CallcountError(f"{path}: the row of {name} is damaged: {error}.") from error
    if status not in (OK, TRUNCATED, FAILED):
        raise CallcountError(f"{path}: {name} has the unknown status {status!r}.")
    return found


def _read_facts(path: Path) -> ScanFacts:
    try:
        if not is_own_manifest(path):
            raise CallcountError(f"{path} was not made by callcount.", _SCAN_AGAIN)
        data = json.loads(path.read_text(encoding="utf-8"))
        given = data["settings"]["rules"]
        rules = {
            label: validate(EventRules, values, f"{path}: rules of {label}")
            for label, values in given.items()
        }
        return ScanFacts(data["bundle"], rules, tuple(data["settings"].get("paths", ())), data)
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise CallcountError(f"cannot read {path}: {error!r}.", _SCAN_AGAIN) from error


def _read_events(
    files: OutputPaths, recordings: tuple[ScannedRecording, ...], labels: tuple[str, ...]
) -> EventTable:
    table = _event_rows(files.events)
    by_name = {one.name: number for number, one in enumerate(recordings)}
    recording = _places(table["recording"], by_name, files.events)
    label = _places(table["label"], {name: n for n, name in enumerate(labels)}, files.events)
    counted = np.bincount(recording, minlength=len(recordings))
    if counted.tolist() != [one.calls or 0 for one in recordings]:
        raise _not_one_scan(files.results, files.events)
    order = np.argsort(recording, kind="stable")
    columns = (table[name].to_numpy(dtype=np.float64)[order] for name in _TIMES)
    return EventTable(recording[order], label[order], *columns)


def _event_rows(path: Path) -> pd.DataFrame:
    import pandas as pd

    text: Any = "category"
    kinds = {"recording": text, "label": text, **{name: np.float64 for name in _TIMES}}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            is_own = is_event_header(next(csv.reader(file), []))
        if not is_own:
            raise CallcountError(f"{path} was not made by callcount scan.", _SCAN_AGAIN)
        return pd.read_csv(path, usecols=list(kinds), dtype=kinds, keep_default_na=False)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())
        raise CallcountError(f"cannot read {path}: {why}.", _SCAN_AGAIN) from error


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
