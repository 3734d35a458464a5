"""Stretches: a finished scan cut into what a person can check one by one; strata."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from counter.config import suggest
from counter.errors import CallcountError
from counter.formats.annotations import Annotation, match_recordings
from counter.records import FAILED, Event, Recording
from counter.storage.inputs import find_recordings
from counter.storage.urls import is_url
from counter.tables.csv import plain
from counter.tables.results import Results

# Long beside most calls, so that few lie across a border; short enough to count in one hearing.
STRETCH_S = 10.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Scanned = tuple[str, float, Sequence[Event]]


@dataclass(frozen=True)
class Stretches:
    """All stretches of a season, in order of recording and time; arrays of shape (n_stretches,)."""

    recording: tuple[str, ...]  # name of the recording that each is cut from
    # seconds from the recording's start
    start_s: Floats
    end_s: Floats
    model_count: Floats  # events whose middle lies in it: start included, end not
    score: Floats  # highest score of those events, 0 where there is none

    def __len__(self) -> int:
        return len(self.recording)


def cut(season: Iterable[Scanned], label: str, stretch_s: float = STRETCH_S) -> Stretches:
    """Cut every scanned recording into equal stretches of at most ``stretch_s`` seconds.

    Equal parts, so that no recording ends in a splinter. A recording of which nothing was scanned
    has none. Every event belongs to one stretch, so the model counts add up to the events.

    ``season`` has name, seconds scanned and events of any label of each recording that did not
    fail; it may be empty.
    """
    names: list[str] = []
    columns = [np.zeros((4, 0))]
    for name, scanned_s, events in season:
        if scanned_s > 0:
            own = [event for event in events if event.label == label]
            columns.append(_cut_one(scanned_s, own, stretch_s))
            names += [name] * columns[-1].shape[1]
    return Stretches(tuple(names), *np.concatenate(columns, axis=1))


def _cut_one(scanned_s: float, events: Sequence[Event], stretch_s: float) -> Floats:
    """Start, end, events and highest score of each stretch of a recording."""
    n_parts = max(1, math.ceil(scanned_s / stretch_s - 1e-9))
    edges_s = np.linspace(0.0, scanned_s, n_parts + 1)
    counts, scores = np.zeros((2, n_parts))
    for event in events:
        place = stretch_of(event, edges_s)
        counts[place] += 1
        scores[place] = max(scores[place], event.score)
    return np.stack([edges_s[:-1], edges_s[1:], counts, scores])


def stretch_of(event: Event, edges_s: Floats) -> int:
    """Index of the stretch that holds an event's middle; the first or last for one outside."""
    middle_s = (event.start_s + event.end_s) / 2
    place = int(np.searchsorted(edges_s, middle_s, side="right")) - 1
    return min(max(place, 0), len(edges_s) - 2)


def strata_codes(
    stretches: Stretches, stratum_of: Mapping[str, str]
) -> tuple[tuple[str, ...], Ints]:
    """Names of the strata, sorted, and the number of each stretch's stratum among them.

    ``stratum_of`` has the stratum of every recording that has a stretch.
    """
    each = [stratum_of[name] for name in stretches.recording]
    names = tuple(sorted(set(each)))
    number = {name: code for code, name in enumerate(names)}
    return names, np.array([number[name] for name in each], np.int64)


FOLDER, RECORDING = "folder", "recording"


def choose_label(results: Results, given: str | None) -> str:
    """The label to count: the one given, or the only one there is.

    Raises
    ------
    CallcountError
        The results hold no such label, or several and none was given.
    """
    if given is None and len(results.labels) == 1:
        return results.labels[0]
    known = ", ".join(results.labels)
    if given is None:
        raise CallcountError(f"the results hold several labels: {known}.", "Choose with --label.")
    if given not in results.labels:
        near = suggest(given, list(results.labels))
        raise CallcountError(f"the results hold no label {given!r}{near}, only: {known}.")
    return given


def read_stretches(results: Results, label: str, stretch_s: float) -> Stretches:
    """All stretches of the recordings that were scanned."""
    scanned = (
        (one.name, one.scanned_s, results.events_of(number))
        for number, one in enumerate(results.recordings)
        if one.status != FAILED
    )
    return cut(scanned, label, stretch_s)


def strata(
    results: Results, names: Iterable[str], *, by: str, table: Path | None
) -> dict[str, str]:
    """Stratum of each recording: its folder, itself, or its value in a column of a table.

    Without a table it is the one that the scan wrote, with ``site``, ``device`` and ``day``.

    Raises
    ------
    CallcountError
        A column is wanted without a table, the table lacks it, or it lacks a recording.
    """
    every = list(dict.fromkeys(names))
    if by == FOLDER:
        return {name: str(PurePosixPath(name).parent) for name in every}
    if by == RECORDING:
        return {name: name for name in every}
    if table is not None:
        return _from_table(every, by, table, "Add their rows.")
    own = results.files.recordings
    if not own.is_file():
        raise CallcountError(
            f"--by {by} is neither {FOLDER} nor {RECORDING}, and there is no table to find it in.",
            "Name one with a column `recording` and that column: --recordings recordings.csv.",
        )
    fix = "Scan again with --sites or --name-pattern, or give a table of your own: --recordings."
    return _from_table(every, by, own, fix)


def _from_table(names: list[str], by: str, table: Path, fix: str) -> dict[str, str]:
    rows = _read_table(table, by)
    calls = (
        Annotation(row[RECORDING], row[by], 0.0, 0.0, str(table), line)
        for line, row in enumerate(rows, start=2)
    )
    found = match_recordings(calls, names, partial=True).by_recording
    for name, values in found.items():
        if len({value.label for value in values}) > 1:
            raise CallcountError(f"{values[1].place}: {name} has two values of {by}.")
    missing = [name for name in names if name not in found or not found[name][0].label]
    if missing:
        raise CallcountError(
            f"{table} holds no {by} for {len(missing)} of the scanned recordings: "
            f"{', '.join(missing[:5])}.",
            fix,
        )
    return {name: values[0].label for name, values in found.items()}


def _read_table(table: Path, by: str) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            header = list(rows.fieldnames or [])
            for column in (RECORDING, by):
                if column not in header:
                    near = suggest(column, header)
                    raise CallcountError(
                        f"{table} has no column {column!r}{near}, only: {', '.join(header)}."
                    )
            wanted = (RECORDING, by)
            return [{key: plain((row[key] or "").strip()) for key in wanted} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CallcountError(f"cannot read {table}: {error}.", "Check the path.") from error


def files_there(results: Results) -> dict[str, str | Path]:
    """The sound of every recording that is still where it was scanned, of the size it had.

    None where a path that was scanned is gone, or its server, since names are relative to what
    all have in common, or where an earlier callcount did not write down what it scanned. What a
    server never told the size of is taken to be the same.
    """
    paths, facts = results.facts.paths, results.facts.manifest
    if not paths or not all(is_url(path) or os.path.exists(path) for path in paths):
        return {}
    sizes = {one["name"]: one["size_bytes"] for one in facts.get("inputs", ())}
    try:
        found = find_recordings(paths, exclude=results.files.folder)
    except CallcountError:
        return {}
    return {
        one.name: one.path if is_url(one.path) else Path(one.path)
        for one in found
        if one.name in sizes and sizes[one.name] == _told_size(one)
    }


def files_at(results: Results, audio: Path | None) -> dict[str, str | Path]:
    """The recordings that are below ``audio``; without it, those still where they were scanned."""
    if audio is None:
        return files_there(results)
    if not audio.is_dir():
        raise CallcountError(f"--audio {audio} is no folder.", "Check the path.")
    found = ((one.name, audio / one.name) for one in results.recordings)
    return {name: path for name, path in found if path.is_file()}


def _told_size(one: Recording) -> int | None:
    """As the manifest has it; of a file of this machine the size can always be read."""
    return None if is_url(one.path) and one.size_bytes < 0 else one.size_bytes


def sound_files(
    results: Results, wanted: Iterable[str], audio: Path | None
) -> dict[str, str | Path]:
    """Where the recordings are: below ``audio``, or where they were scanned.

    Raises
    ------
    CallcountError
        One of them is not there any more, or is no longer what was scanned.
    """
    needed = list(dict.fromkeys(wanted))
    found: dict[str, str | Path] = (
        files_there(results) if audio is None else {name: audio / name for name in needed}
    )
    missing = [name for name in needed if not _is_there(found.get(name))]
    if missing:
        where = str(audio) if audio is not None else ", ".join(results.facts.paths) or "unknown"
        raise CallcountError(
            f"{len(missing)} of the recordings to check are no longer where they were scanned "
            f"({where}), or have changed: {', '.join(missing[:5])}.",
            "Bring them back, or name the folder that they are in now with --audio.",
        )
    return {name: found[name] for name in needed}


def _is_there(file: str | Path | None) -> bool:
    return file.is_file() if isinstance(file, Path) else file is not None
