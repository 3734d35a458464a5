"""Writers of events for other programs, a class a format, in a table by name; scan exports."""

from __future__ import annotations

import json
import os
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from pydantic import Field, field_validator

from counter.config import Settings
from counter.errors import CallcountError, OutputError
from counter.formats.annotations import RAVEN_NAME
from counter.formats.audacity import AudacityLabels
from counter.formats.event_clips import (
    FOLDER,
    check_clips,
    choose_clips,
    remove_clips,
    write_clips,
)
from counter.records import Recording
from counter.storage.atomic import atomic_text, atomic_write
from counter.storage.urls import absolute, is_url
from counter.tables.columns import NUMBER_COLUMNS
from counter.tables.csv import MADE_BY, has_header, write_csv
from counter.tables.event_rows import EventRow, ScanEvents

# events.csv is written whatever is asked for: later commands read it.
CSV = "csv"
FORMAT_NAMES = (CSV, "parquet", "jsonl", "raven", "audacity", "kaleidoscope", "birdnet")

Cell = Callable[[EventRow], object]
PROBABILITY = "Probability"


class OneFile(ABC):
    """A format that is one file below the folder of a scan, whatever the number of recordings."""

    def __init__(self, path: str) -> None:
        self.path = path

    def check(self, folder: Path, names: Iterable[str]) -> None:
        """Make sure before the work that events of the recordings ``names`` can be written.

        Raises
        ------
        CallcountError
            A library is missing, or what callcount did not make is in the way.
        """
        file = folder / self.path
        if os.path.lexists(file) and not self.is_own(file):
            raise OutputError.clash(file)

    def remove(self, folder: Path) -> None:
        """Remove the file of an earlier scan, and nothing else; OSError where it cannot be."""
        file = folder / self.path
        if os.path.lexists(file) and self.is_own(file):
            file.unlink()

    @abstractmethod
    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write all events into the folder, which is there.

        Raises
        ------
        OutputError
            A file cannot be written; no part of it is left.
        """

    @abstractmethod
    def is_own(self, file: Path) -> bool:
        """Whether a file of this name was written so, or is empty."""


class TableFormat(OneFile):
    """A row an event. The column ``Probability`` is there only where any label has one."""

    def __init__(self, path: str, columns: Mapping[str, Cell], delimiter: str = ",") -> None:
        super().__init__(path)
        self._columns = columns
        self._delimiter = delimiter

    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write a header and the rows; the header alone where there is no event."""
        titles = self._titles(has_probability=bool(events.calibrations))
        cells = [self._columns[title] for title in titles]
        rows = ([cell(row) for cell in cells] for row in events)
        write_csv(folder / self.path, titles, rows, delimiter=self._delimiter)

    def is_own(self, file: Path) -> bool:
        """Whether a file has one of the two headers, or is empty."""
        headers = [self._titles(has_probability=has_any) for has_any in (False, True)]
        return has_header(file, lambda row: list(row) in headers, delimiter=self._delimiter)

    def _titles(self, *, has_probability: bool) -> list[str]:
        return [title for title in self._columns if has_probability or title != PROBABILITY]


class JsonLines(OneFile):
    """A JSON object a line with the columns of ``events.csv``; null where a cell is empty."""

    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write the lines; none where there is no event."""
        with atomic_text(folder / self.path) as file:
            file.writelines(json_line(row, events.columns) for row in events)

    def is_own(self, file: Path) -> bool:
        """Whether the first line of a file is an event, or it is empty."""
        if not file.is_file():
            return False
        with file.open("rb") as lines:
            first = lines.readline()
        try:
            return not first or {"recording", "event", "peak_s"} <= set(json.loads(first))
        except (ValueError, TypeError):
            return False


def json_line(row: EventRow, columns: Sequence[str]) -> str:
    """An event as one line of JSON."""
    values = {name: row.value(name) for name in columns}
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"


# Rows held in memory at a time; what is read again is read in such groups, too.
_GROUP_ROWS = 1 << 15
_MAGIC = b"PAR1"
_LENGTH_BYTES = 4
_MARK = b"callcount events"


class Parquet(OneFile):
    """The columns of ``events.csv`` with types: text, whole numbers, double precision; or null."""

    def check(self, folder: Path, names: Iterable[str]) -> None:
        """Make sure that pyarrow is there, and no file of somebody else in the way."""
        _pyarrow()
        super().check(folder, names)

    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write the events group by group; the columns alone where there is none."""
        pa = _pyarrow()
        schema = _schema(pa, events.columns)
        rows = iter(events)
        with (
            atomic_write(folder / self.path) as temporary,
            pa.parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            while group := list(islice(rows, _GROUP_ROWS)):
                columns = [[_plain(row.value(name)) for row in group] for name in schema.names]
                writer.write_table(pa.table(columns, schema=schema))

    def is_own(self, file: Path) -> bool:
        """Whether a file is empty or its footer says that callcount wrote it."""
        if not file.is_file():
            return False
        with file.open("rb") as content:
            size = content.seek(0, os.SEEK_END)
            if size == 0:
                return True
            content.seek(max(0, size - _LENGTH_BYTES - len(_MAGIC)))
            tail = content.read()
            footer_bytes = int.from_bytes(tail[:_LENGTH_BYTES], "little") + len(tail)
            if not tail.endswith(_MAGIC) or footer_bytes > size:
                return False
            content.seek(size - footer_bytes)
            return _MARK in content.read()


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise CallcountError(
            f"events as Parquet need pyarrow: {error}.",
            "Install it with pip install 'callcount[parquet]', or leave out --format parquet.",
        ) from error
    return pa


def _schema(pa: Any, columns: Iterable[str]) -> Any:
    kinds = {"event": pa.int32(), **dict.fromkeys(NUMBER_COLUMNS, pa.float64())}
    fields = [(name, kinds.get(name, pa.string())) for name in columns]
    return pa.schema(fields, metadata={MADE_BY: _MARK})


def _plain(value: object) -> object:
    """A name that is no valid text gets escapes, as in the other formats."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _path(row: EventRow) -> str:
    return absolute(row.source.path)


def _file(row: EventRow) -> str:
    return os.path.basename(row.source.path)


def _root_and_folder(row: EventRow) -> tuple[str, str]:
    path = _path(row)
    return root_and_folder(path, row.recording, posixpath if is_url(path) else os.path)


def root_and_folder(path: str, name: str, system: ModuleType = os.path) -> tuple[str, str]:
    """The folder that was scanned and the one below it; all in the first where names differ.

    ``path`` is that of a recording of this ``name``, as ``system`` (``os.path``) writes paths.
    """
    folder = system.dirname(path)
    below = posixpath.dirname(name).replace("/", system.sep)
    if not below or not folder.endswith(system.sep + below):
        return folder, ""
    root = folder.removesuffix(system.sep + below)
    is_top = not system.splitdrive(root)[1]  # which keeps its stroke
    return root + system.sep * is_top, below


def _through_all(row: EventRow, time_s: float) -> str:
    """A time counted through all recordings; in whole milliseconds, so that lengths stay."""
    return f"{(round(row.before_s * 1000) + round(time_s * 1000)) / 1000:.3f}"


def _text(column: str) -> Cell:
    return lambda row: row.text(column)


_RAVEN: dict[str, Cell] = {
    "Selection": lambda row: row.number,
    "View": lambda row: "Spectrogram 1",
    "Channel": lambda row: 1,
    "Begin Time (s)": lambda row: _through_all(row, row.start_s),
    "End Time (s)": lambda row: _through_all(row, row.end_s),
    "Low Freq (Hz)": _text("low_hz"),
    "High Freq (Hz)": _text("high_hz"),
    "Begin File": _file,
    "Begin Path": _path,
    "File Offset (s)": _text("start_s"),
    "Annotation": _text("label"),
    "Score": _text("score"),
    PROBABILITY: _text("probability"),
    RAVEN_NAME: _text("recording"),
}
_KALEIDOSCOPE: dict[str, Cell] = {
    "INDIR": lambda row: _root_and_folder(row)[0],
    "FOLDER": lambda row: _root_and_folder(row)[1],
    "IN FILE": _file,
    "OFFSET": _text("start_s"),
    "DURATION": lambda row: f"{row.end_s - row.start_s:.3f}",
    "TOP1MATCH": _text("label"),
    "Score": _text("score"),
    PROBABILITY: _text("probability"),
    "MANUAL ID": lambda row: "",
}
_BIRDNET: dict[str, Cell] = {
    "Start (s)": _text("start_s"),
    "End (s)": _text("end_s"),
    "Scientific name": _text("label"),
    "Common name": _text("label"),
    "Confidence": _text("score"),
    "File": _path,
}


def raven_table(path: str) -> TableFormat:
    """A Raven selection table of this name."""
    return TableFormat(path, _RAVEN, delimiter="\t")


FORMATS: Mapping[str, OneFile | AudacityLabels] = {
    "parquet": Parquet("events.parquet"),
    "jsonl": JsonLines("events.jsonl"),
    "raven": raven_table("events.raven.txt"),
    "audacity": AudacityLabels("audacity"),
    "kaleidoscope": TableFormat("events.kaleidoscope.csv", _KALEIDOSCOPE),
    "birdnet": TableFormat("events.birdnet.csv", _BIRDNET),
}


class ExportSettings(Settings):
    """Settings of what is written besides the tables."""

    formats: tuple[str, ...] = Field((CSV,), description=f"any of {', '.join(FORMAT_NAMES)}")
    clips: int = Field(0, ge=0, description="events of each label to cut out")
    clips_by: Literal["score", "random"] = Field("score", description="highest, or by chance")
    clips_seed: int = Field(0, ge=0, description="seed of clips drawn by chance")
    clips_margin_s: float = Field(1.0, ge=0, le=60, description="seconds around each event")
    spreadsheet_safe: bool = Field(True, description="no cell of a table is a formula")

    @field_validator("formats", mode="before")
    @classmethod
    def _formats(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("formats")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in FORMAT_NAMES]:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(FORMAT_NAMES)}")
        return tuple(name for name in FORMAT_NAMES if name in value or name == CSV)


@dataclass(frozen=True)
class ExtraOutputs:
    """What is written besides the tables, and where; made by ``plan_exports``."""

    folder: Path
    settings: ExportSettings

    def remove_old(self) -> None:
        """Remove what earlier scans of this name exported, wanted or not, and nothing else.

        Raises
        ------
        OutputError
            A file cannot be removed.
        """
        try:
            for one in FORMATS.values():
                one.remove(self.folder)
            remove_clips(self.folder)
        except OSError as error:
            raise OutputError.unwritable(Path(error.filename or self.folder), error) from error

    def facts(self) -> dict[str, Any]:
        """The settings for the manifest."""
        return self.settings.model_dump(mode="json", include=set(ExportSettings.model_fields))

    def files(self) -> list[Path]:
        """Where that goes: files and folders."""
        named = [FORMATS[name].path for name in self.settings.formats if name != CSV]
        return [self.folder / one for one in (*named, *([FOLDER] if self.settings.clips else []))]

    def write(self, events: ScanEvents, labels: Sequence[str]) -> tuple[list[str], list[str]]:
        """Write all that is wanted; what was written, below the folder, and what could not be cut.

        Raises
        ------
        OutputError
            A file cannot be written.
        """
        wanted = [FORMATS[name] for name in self.settings.formats if name != CSV]
        for one in wanted:
            one.write(self.folder, events)
        names, problems = [one.path for one in wanted], []
        settings = self.settings
        if settings.clips:
            by, seed = settings.clips_by, settings.clips_seed
            rows = choose_clips(events, labels, settings.clips, by=by, seed=seed)
            problems = write_clips(self.folder, rows, settings.clips_margin_s)
            names.append(FOLDER)
        return names, problems


def plan_exports(
    settings: ExportSettings, folder: Path, recordings: Sequence[Recording]
) -> ExtraOutputs:
    """Find everything in the way of what is wanted; nothing is made or changed.

    ``folder`` is the scan's, which need not be there yet.

    Raises
    ------
    CallcountError
        A library is missing, or what callcount did not make is in the way.
    """
    names = [recording.name for recording in recordings]
    try:
        for name in settings.formats:
            if name != CSV:
                FORMATS[name].check(folder, names)
        if settings.clips:
            check_clips(folder)
    except OSError as error:
        raise OutputError.unwritable(Path(error.filename or folder), error) from error
    return ExtraOutputs(folder, settings)
