"""Tables that a person filled in, perhaps in a spreadsheet, and the plan that stands beside one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counter.cells import plain
from counter.errors import CallcountError
from counter.output.own import MADE_BY


@dataclass(frozen=True)
class FilledRow:
    """A row of a table.

    Attributes
    ----------
    place : str
        ``file, row n``, for messages.
    cells : dict of str to str
        Text of each column, without white space around it; empty where the row has none.
    """

    place: str
    cells: dict[str, str]


def read_filled(
    table: Path, needed: Sequence[str], again: str, *, optional: Sequence[str] = ()
) -> Iterator[FilledRow]:
    """Rows of a CSV table in UTF-8; commas or, as some spreadsheets write, semicolons part columns.

    Parameters
    ----------
    table : Path
        The file.
    needed : sequence of str
        Columns that it must have.
    again : str
        What the user can do about a table that lacks one.
    optional : sequence of str
        Columns that it may have; their cells are empty where it has not.

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

    Parameters
    ----------
    path : Path
        The plan.
    table : str
        Name of the table, for the message.
    again : str
        What the user can do where there is no plan.

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
