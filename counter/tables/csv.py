"""CSV and JSON: written whole or not at all, safe in spreadsheets, and read back."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counter.errors import CallcountError
from counter.storage.atomic import atomic_text

# What a formula begins with, and where the text after any apostrophes begins like one.
_SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
_FORMULA = re.compile(f"('*)[{re.escape(_SIGNS)}]")
# Looked at first: a season has millions of cells, and hardly one that begins so.
_BEGINS = frozenset("'" + _SIGNS)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def cell(text: str, *, is_safe: bool) -> str:
    """Text as it stands in a table, where ``is_safe`` such that no spreadsheet runs it.

    A plain number stays as it is.
    """
    found = _FORMULA.match(text)
    if found and (found[1] or (is_safe and not _NUMBER.fullmatch(text))):
        return "'" + text
    return text


def shown_cell(text: str) -> str:
    """Text as it stands in a table in UTF-8, where what is no valid text is escaped."""
    return cell(text, is_safe=True).encode("utf-8", "backslashreplace").decode()


def plain(text: str) -> str:
    """What a cell says, whether it was made safe or not."""
    found = _FORMULA.match(text)
    return text[1:] if found and found[1] else text


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

    Cells are text, or what ``str`` makes of them; ``None`` is an empty one. Text that a spreadsheet
    would take for a formula gets an apostrophe. Without rows the header stands alone.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    with csv_writer(path, header, delimiter=delimiter) as add:
        for row in rows:
            add(row)


@contextmanager
def csv_writer(
    path: Path, header: Sequence[str], *, delimiter: str = ","
) -> Iterator[Callable[[Sequence[object]], None]]:
    """Give a function that adds a row to a table as of ``write_csv``, there when all went well.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    line = line_maker(delimiter)
    with atomic_text(path) as file:
        file.write(line(header))

        def add(row: Sequence[object]) -> None:
            file.write(line(row))

        yield add


def line_maker(delimiter: str = ",") -> Callable[[Sequence[object]], str]:
    """What makes lines of ``write_csv`` from rows, for a table that grows."""
    is_safe = _IS_SAFE.get()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=_LINE_END)

    def line(row: Sequence[object]) -> str:
        text.seek(0)
        text.truncate()
        writer.writerow(
            [
                cell(one, is_safe=is_safe) if isinstance(one, str) and one[:1] in _BEGINS else one
                for one in row
            ]
        )
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
    """Write data, plain JSON values of finite numbers, as indented JSON in the order of its keys.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_text(path) as file:
        file.writelines(encoder.iterencode(data))
        file.write("\n")


@dataclass(frozen=True)
class FilledRow:
    """A row of a table."""

    place: str  # ``file, row n``, for messages
    # text of each column, without white space around it; empty where the row has none
    cells: dict[str, str]


def read_filled(
    table: Path, needed: Sequence[str], again: str, *, optional: Sequence[str] = ()
) -> Iterator[FilledRow]:
    """Rows of a CSV table in UTF-8; commas or, as some spreadsheets write, semicolons part columns.

    Cells of ``optional`` columns are empty where the table has none of them. ``again`` is what the
    user can do about a table that lacks one that is ``needed``.

    Raises
    ------
    CallcountError
        The table cannot be read, is no UTF-8, or lacks a column.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CallcountError(f"cannot read {table}: {error}.", "Save it as CSV, UTF-8.") from error
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in head else ",")
    if missing := [name for name in needed if name not in (rows.fieldnames or ())]:
        raise CallcountError(f"{table} has no column {missing[0]}.", again)
    for row in rows:
        wanted = (*needed, *optional)
        cells = {name: plain((row.get(name) or "").strip()).strip() for name in wanted}
        yield FilledRow(f"{table}, row {rows.line_num}", cells)


def read_beside(path: Path, table: str, again: str) -> dict[str, Any]:
    """The plan that callcount wrote as JSON beside a table.

    ``table`` is the name of that, for the message, and ``again`` what the user can do without a
    plan.

    Raises
    ------
    CallcountError
        It is not there, or was not made by callcount.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("made_by", None) == MADE_BY:
            return data
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise unreadable(path, table, error) from error
    raise CallcountError(f"{path} was not made by callcount.", again)


def unreadable(path: Path, table: str, error: Exception) -> CallcountError:
    """What to say of a plan that cannot be read or lacks something."""
    why = "it is missing" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
    return CallcountError(
        f"cannot read {path}: {why}.", f"It is written beside {table} and has to stay there."
    )


MADE_BY = "callcount"


_HEADER_BYTES = 1 << 16


def has_header(
    path: Path, is_header: Callable[[Sequence[str]], bool], *, delimiter: str = ","
) -> bool:
    """Whether a file is empty or its first line is the header that is looked for."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        line = file.readline(_HEADER_BYTES)
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    row = next(csv.reader([text], delimiter=delimiter), [])
    return not line or is_header(row)
