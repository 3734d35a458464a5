"""What formats of events have in common, and those that are lines of text in one file."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from counter.errors import OutputError
from counter.output.eventrows import EventRow, ScanEvents
from counter.output.own import has_header
from counter.output.paths import atomic_write
from counter.output.writing import write_csv

Cell = Callable[[EventRow], object]
PROBABILITY = "Probability"


class EventFormat(Protocol):
    """A way of writing events below the folder of a scan.

    Attributes
    ----------
    path : str
        The file, or the folder of several, below that folder.
    """

    path: str

    def check(self, folder: Path, names: Iterable[str]) -> None:
        """Make sure before the work that events of the recordings ``names`` can be written.

        Raises
        ------
        CallcountError
            A library is missing, or what callcount did not make is in the way.
        """

    def remove(self, folder: Path) -> None:
        """Remove what an earlier scan wrote, and nothing else.

        Raises
        ------
        OSError
            A file cannot be removed.
        """

    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write all events into the folder, which is there.

        Raises
        ------
        OutputError
            A file cannot be written; no part of it is left.
        """


class OneFile(ABC):
    """A format that is one file, whatever the number of recordings."""

    def __init__(self, path: str) -> None:
        self.path = path

    def check(self, folder: Path, names: Iterable[str]) -> None:
        """Make sure that no file of somebody else has this name."""
        file = folder / self.path
        if os.path.lexists(file) and not self.is_own(file):
            raise OutputError.clash(file)

    def remove(self, folder: Path) -> None:
        """Remove the file of an earlier scan."""
        file = folder / self.path
        if os.path.lexists(file) and self.is_own(file):
            file.unlink()

    @abstractmethod
    def write(self, folder: Path, events: ScanEvents) -> None:
        """Write all events."""

    @abstractmethod
    def is_own(self, file: Path) -> bool:
        """Whether a file of this name was written so, or is empty."""


class Table(OneFile):
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
        with (
            atomic_write(folder / self.path) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
        ):
            file.writelines(_json_lines(events))

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


def _json_lines(events: ScanEvents) -> Iterator[str]:
    columns = events.columns
    return (json_line(row, columns) for row in events)


def json_line(row: EventRow, columns: Sequence[str]) -> str:
    """An event as one line of JSON."""
    values = {name: row.value(name) for name in columns}
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"
