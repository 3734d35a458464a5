"""Tables as CSV and data as JSON, in UTF-8, written whole or not at all.

A name that is no valid text (bytes of another encoding) is written with escapes; in JSON they read
as the very same characters. In tables no text looks like a formula, unless ``spreadsheet_safe``
says otherwise.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from counter.cells import cell
from counter.output.paths import atomic_write

_IS_SAFE = ContextVar("spreadsheet_safe", default=True)
# The csv module quotes what holds a character of the line ending: lone carriage returns, and what
# else a spreadsheet may take for the end of a cell.
_LINE_END = ";\t\r\n"


@contextmanager
def spreadsheet_safe(is_wanted: bool) -> Iterator[None]:
    """Say whether tables written in this block are made safe for spreadsheets; else they are."""
    before = _IS_SAFE.set(is_wanted)
    try:
        yield
    finally:
        _IS_SAFE.reset(before)


def write_csv(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    delimiter: str = ",",
) -> None:
    """Write a header and rows, lines ending in a line feed, one row after the other.

    Text that a spreadsheet would take for a formula gets an apostrophe (``counter.cells``).

    Parameters
    ----------
    path : Path
        File to write, replaced where it exists.
    header : sequence of str
        Names of the columns.
    rows : iterable of sequences
        Cells as text, or what ``str`` makes of them; ``None`` is an empty cell. Without rows the
        header stands alone.
    delimiter : str
        What parts the cells.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    line = line_maker(delimiter)
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.write(line(header))
        file.writelines(map(line, rows))


def line_maker(delimiter: str = ",") -> Callable[[Sequence[object]], str]:
    """What makes lines of ``write_csv`` from rows, for a table that grows."""
    is_safe = _IS_SAFE.get()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=_LINE_END)

    def line(row: Sequence[object]) -> str:
        text.seek(0)
        text.truncate()
        writer.writerow(cell(one, is_safe=is_safe) if isinstance(one, str) else one for one in row)
        return text.getvalue().removesuffix(_LINE_END) + "\n"

    return line


class LazyList(list[Any]):
    """What ``write_json`` writes as a list of ``n_items``, one by one, without holding all."""

    def __init__(self, items: Iterable[Any], n_items: int) -> None:
        super().__init__()
        self._items = items
        self._n_items = n_items

    def __bool__(self) -> bool:
        return self._n_items > 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write data as indented JSON, its keys in the order given.

    Parameters
    ----------
    path : Path
        File to write, replaced where it exists.
    data : mapping
        Plain JSON values; every number finite.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.writelines(encoder.iterencode(data))
        file.write("\n")
