"""Annotations: marked calls from CSV, Raven and Audacity, and the recordings they are of."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

from counter.errors import CallcountError
from counter.tables.csv import plain

CSV_COLUMNS = ("recording", "start_s", "end_s")
RAVEN_COLUMNS = ("Begin Time (s)", "End Time (s)")
# Written by callcount: the path relative to the folder scanned, which no move of it changes.
RAVEN_NAME = "Callcount Recording"
_RAVEN_RECORDING = (RAVEN_NAME, "Begin Path", "Begin File")
_RAVEN_LABEL = ("Annotation", "Species", "label")
_RAVEN_BAND = ("Low Freq (Hz)", "High Freq (Hz)")
# Where several files were opened as one sequence, its times run on; this one is the file's own.
_RAVEN_OFFSET = "File Offset (s)"
_TABLE_ENDING = re.compile(r"(\.Table\.\d+)?\.selections$", re.IGNORECASE)
_NEVER_S = float("inf")
_KINDS = "CSV (recording,start_s,end_s[,label]), a Raven selection table or Audacity labels"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One call that a person marked."""

    # the recording as the table names it: a path, a file name, or a stem; with ``/``
    recording: str
    label: str  # what was heard; empty where the table does not say
    # seconds from the recording's start, ``0 <= start_s <= end_s``
    start_s: float
    end_s: float
    file: str = ""  # the table, for messages
    row: int = 0  # its line there, counted from 1
    # the band that was marked, above 0; ``None`` where the table does not say
    band_hz: tuple[float, float] | None = None

    @property
    def place(self) -> str:
        """``file, row n``."""
        return f"{self.file}, row {self.row}"


@dataclass(frozen=True)
class _Layout:
    """Which column holds what; -1 where there is none, ``name`` where none names the recording."""

    start: int
    end: int
    label: int = -1
    recordings: tuple[int, ...] = ()
    offset: int = -1
    view: int = -1
    selection: int = -1
    low: int = -1
    high: int = -1
    name: str = ""


def read_annotations(path: Path) -> tuple[Annotation, ...]:
    """Read a table of calls, or a folder of Raven tables and Audacity labels.

    CSV has the columns ``recording,start_s,end_s`` and may have ``label``, ``low_hz`` and
    ``high_hz``; further ones are passed over. A Raven table (tab-separated ``.txt``) has
    ``Begin Time (s)`` and ``End Time (s)``; the recording is in ``Callcount Recording``, ``Begin
    Path`` or ``Begin File``, else in the table's own name without ``.Table.1.selections.txt``; the
    label in ``Annotation``, ``Species`` or ``label``, the band in ``Low Freq (Hz)`` and ``High Freq
    (Hz)``; with ``File Offset (s)`` the start is taken from it; a selection listed once for each
    view counts once. Audacity labels are lines of start, end and label,
    tab-separated; the recording is the file's stem. In a folder every ``*.txt`` below it is read,
    in name order; names of recordings that come from a table's own name are relative to the
    folder. The calls are in the order of the rows; none where none is marked.

    Raises
    ------
    CallcountError
        Nothing there, no such table, a column missing, a time that is no number or negative, or
        an end before its start; with file, row and value.
    """
    base = path if path.is_dir() else path.parent
    named = ((one, _own_name(one.relative_to(base).as_posix())) for one in tables_at(path))
    return tuple(call for one, name in named for call in _read(one, name))


def tables_at(path: Path) -> list[Path]:
    """The files that ``read_annotations`` reads, in order: the table itself, or those of a folder.

    Raises
    ------
    CallcountError
        Nothing is there, or no table in the folder.
    """
    if not path.exists():
        raise CallcountError(f"no annotations at {path}: no such file or folder.")
    if not path.is_dir():
        return [path]
    tables = sorted(one for one in path.rglob("*.txt") if one.is_file())
    if not tables:
        raise CallcountError(
            f"no tables in {path}: looked for *.txt, below it too.",
            "Name the file itself if it is a CSV table.",
        )
    return tables


def _own_name(file_name: str) -> str:
    """The recording that a table is about, by the table's own name."""
    stem = file_name[: -len(Path(file_name).suffix) or None]
    return _TABLE_ENDING.sub("", stem)


def _read(path: Path, name: str) -> Iterator[Annotation]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            kind = _kind(path, first)
            rows = csv.reader(file, delimiter="," if kind == "csv" else "\t")
            header = next(rows, []) if kind != "audacity" else []
            yield from _calls(rows, _layout(kind, header, path, name), path)
    except UnicodeDecodeError as error:
        raise CallcountError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise CallcountError(f"cannot read {path}: {error}.") from error


def _kind(path: Path, first: str) -> str:
    fields = [field.strip() for field in first.split("\t")]
    if path.suffix.lower() == ".csv":
        return "csv"
    if RAVEN_COLUMNS[0] in fields or "Selection" in fields:
        return "raven"
    if set(CSV_COLUMNS) <= set(first.strip().split(",")):
        return "csv"
    if not first.strip() or (len(fields) > 1 and _number(fields[0]) is not None):
        return "audacity"
    raise CallcountError(
        f"{path}, row 1: {first.strip()[:60]!r} begins no table of calls.", f"Wanted: {_KINDS}."
    )


def _layout(kind: str, header: Sequence[str], path: Path, name: str) -> _Layout:
    if kind == "audacity":
        return _Layout(start=0, end=1, label=2, name=name)
    at = {title.strip(): place for place, title in enumerate(header)}
    wanted = CSV_COLUMNS if kind == "csv" else RAVEN_COLUMNS
    missing = [title for title in wanted if title not in at]
    if missing:
        found = ", ".join(at) or "none"
        raise CallcountError(f"{path}: no column {', '.join(missing)}; found {found}.")
    if kind == "csv":
        return _Layout(
            start=at["start_s"],
            end=at["end_s"],
            label=at.get("label", -1),
            recordings=(at["recording"],),
            low=at.get("low_hz", -1),
            high=at.get("high_hz", -1),
        )
    return _Layout(
        start=at[RAVEN_COLUMNS[0]],
        end=at[RAVEN_COLUMNS[1]],
        label=next((at[title] for title in _RAVEN_LABEL if title in at), -1),
        recordings=tuple(at[title] for title in _RAVEN_RECORDING if title in at),
        offset=at.get(_RAVEN_OFFSET, -1),
        view=at.get("View", -1),
        selection=at.get("Selection", -1),
        low=at.get(_RAVEN_BAND[0], -1),
        high=at.get(_RAVEN_BAND[1], -1),
        name=name,
    )


def _calls(rows: Iterator[list[str]], layout: _Layout, path: Path) -> Iterator[Annotation]:
    """The calls of all rows; ``rows`` is a csv reader and knows its line."""
    file = str(path)
    n_columns = max(layout.start, layout.end, *layout.recordings[:1]) + 1
    views: dict[str, str] = {}
    for row in rows:
        # Audacity puts the frequencies of a label on a line of their own, after a backslash
        if not any(row) or row[0] == "\\":
            continue
        line: int = rows.line_num  # type: ignore[attr-defined]
        if len(row) < n_columns:
            raise CallcountError(f"{file}, row {line}: {len(row)} columns, wanted {n_columns}.")
        if layout.view >= 0 and layout.selection >= 0 and _is_other_view(row, layout, views):
            continue
        start_s, end_s = _times(row, layout, file, line)
        named = (row[place].strip() for place in layout.recordings if place < len(row))
        label = plain(row[layout.label].strip()) if 0 <= layout.label < len(row) else ""
        name = plain(next(filter(None, named), "")).replace("\\", "/") or layout.name
        if not name:
            raise CallcountError(f"{file}, row {line}: no recording is named.")
        yield Annotation(name, label, start_s, end_s, file, line, _band_hz(row, layout))


def _band_hz(row: Sequence[str], layout: _Layout) -> tuple[float, float] | None:
    """The band of a call; a selection from 0 Hz on was made in a view without frequencies."""
    if min(layout.low, layout.high) < 0 or max(layout.low, layout.high) >= len(row):
        return None
    low_hz, high_hz = _number(row[layout.low]), _number(row[layout.high])
    if low_hz is None or high_hz is None or not 0 < low_hz < high_hz < _NEVER_S:
        return None
    return low_hz, high_hz


def _is_other_view(row: Sequence[str], layout: _Layout, views: dict[str, str]) -> bool:
    """Whether Raven lists a selection again, for another view of the same sound."""
    if len(row) <= max(layout.view, layout.selection):
        return False
    view = row[layout.view]
    return views.setdefault(row[layout.selection], view) != view


def _times(row: Sequence[str], layout: _Layout, file: str, line: int) -> tuple[float, float]:
    texts = [row[layout.start], row[layout.end]]
    if 0 <= layout.offset < len(row) and row[layout.offset].strip():
        texts.append(row[layout.offset])
    try:
        start_s, end_s, *offset = map(float, texts)
        # NaN fails this too
        if 0 <= start_s <= end_s < _NEVER_S and (not offset or 0 <= offset[0] < _NEVER_S):
            return (offset[0], offset[0] + end_s - start_s) if offset else (start_s, end_s)
    except ValueError:
        pass
    for text in texts:
        value = _number(text)
        if value is None or not 0 <= value < _NEVER_S:
            raise CallcountError(f"{file}, row {line}: {text!r} is no time in seconds, 0 or more.")
    raise CallcountError(
        f"{file}, row {line}: the call ends at {texts[1]} s, before it starts ({texts[0]} s).",
        "Swap them if they were mixed up.",
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


# Decoders and annotation programs differ by this much about where a recording ends.
BEYOND_S = 0.5
_SUFFIX = re.compile(r"\.[A-Za-z]\w{1,4}$")


@dataclass(frozen=True)
class Matched:
    """Annotations by the recordings they belong to."""

    # for each recording that has any, in the order of the rows
    by_recording: Mapping[str, tuple[Annotation, ...]]
    # names in the table that are no recording; empty unless that was allowed
    unknown: tuple[str, ...]


def match_recordings(
    annotations: Iterable[Annotation],
    names: Sequence[str],
    *,
    durations_s: Mapping[str, float] | None = None,
    partial: bool = False,
    hint: str = "",
) -> Matched:
    """Find the recording that each annotation is about: by its relative path, then by its stem.

    Of several recordings with that stem the one whose folders agree furthest, counted from the
    file upwards, is meant.

    Parameters
    ----------
    annotations : iterable of Annotation
        Calls of any recordings.
    names : sequence of str
        The recordings, as paths relative to their folder, with ``/``.
    durations_s : mapping of str to float, optional
        Their lengths where known; a call may end ``BEYOND_S`` later and no more.
    partial : bool
        Leave out what is about no recording, instead of raising.
    hint : str
        What the user can do about names that are no recording.

    Raises
    ------
    CallcountError
        A name that is no recording (all are counted, the first few listed), one that may be
        several, two that would be the same, or a call beyond its recording's end.
    """
    by_name: dict[str, list[Annotation]] = {}
    for call in annotations:
        by_name.setdefault(call.recording, []).append(call)
    known = _Names(names)
    found = {name: known.find(calls[0]) for name, calls in by_name.items()}
    unknown = [calls[0] for name, calls in by_name.items() if found[name] is None]
    if unknown and not partial:
        raise _unknown(unknown, hint)
    by_recording: dict[str, list[Annotation]] = {}
    for name, calls in by_name.items():
        recording = found[name]
        if recording is None:
            continue
        others = by_recording.setdefault(recording, [])
        _check(calls, others, recording, (durations_s or {}).get(recording))
        others.extend(calls)
    return Matched(
        {name: tuple(calls) for name, calls in by_recording.items()},
        tuple(call.recording for call in unknown),
    )


class _Names:
    """Recordings to be found by their path or stem."""

    def __init__(self, names: Sequence[str]) -> None:
        # A backslash in a table may part folders or be the name's own.
        self._names = {name.replace("\\", "/"): name for name in names}
        self._names |= {name: name for name in names}
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            self._by_stem.setdefault(_without_suffix(name).rpartition("/")[2], []).append(name)

    def find(self, call: Annotation) -> str | None:
        """The recording that an annotation names; ``None`` where it is none of them."""
        # Tables that callcount names after recordings have %3A for a colon, and the like.
        slashed = call.recording.replace("\\", "/")
        forms = list(dict.fromkeys((call.recording, slashed, unquote(slashed))))
        for path in forms:
            if path in self._names:
                return self._names[path]
        for path in (*forms, *map(_without_suffix, forms)):
            alike = self._by_stem.get(path.rpartition("/")[2], [])
            nearest = [name for name in alike if _without_suffix(name) == path]
            if alike and not nearest:
                agreement = [_agreement(path, name) for name in alike]
                nearest = [
                    name for name, n in zip(alike, agreement, strict=True) if n == max(agreement)
                ]
            if len(nearest) > 1:
                raise CallcountError(
                    f"{call.place}: {call.recording!r} may be {' or '.join(nearest[:3])}.",
                    "Give the path relative to the folder of recordings.",
                )
            if nearest:
                return nearest[0]
        return None


def _without_suffix(path: str) -> str:
    return _SUFFIX.sub("", path)


def _agreement(path: str, name: str) -> int:
    """Folders that two paths share, counted from the file upwards."""
    pairs = zip(path.split("/")[-2::-1], name.split("/")[-2::-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _unknown(calls: Sequence[Annotation], hint: str) -> CallcountError:
    first = ", ".join(f"{call.recording} (row {call.row})" for call in calls[:5])
    more = f" and {len(calls) - 5} more" if len(calls) > 5 else ""
    names = "recording" if len(calls) == 1 else "recordings"
    return CallcountError(
        f"{calls[0].file} names {len(calls)} {names} that are not here: {first}{more}.", hint
    )


def _check(
    calls: Sequence[Annotation],
    others: Sequence[Annotation],
    recording: str,
    duration_s: float | None,
) -> None:
    folder = calls[0].recording.rpartition("/")[0]
    for other in others:
        if folder and other.recording.rpartition("/")[0] not in ("", folder):
            raise CallcountError(
                f"{calls[0].place}: {calls[0].recording} and {other.recording} "
                f"(row {other.row}) would both be {recording}.",
                "Give the paths relative to the folder of recordings.",
            )
    if duration_s is None:
        return
    for call in calls:
        if call.end_s > duration_s + BEYOND_S:
            raise CallcountError(
                f"{call.place}: the call ends at {call.end_s} s, but {recording} is only "
                f"{duration_s:.3f} s long."
            )
