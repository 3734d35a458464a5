"""Tables as CSV and data as JSON, in UTF-8, written whole or not at all.

A name that is no valid text (bytes of another encoding) is written with escapes; in JSON they read
as the very same characters.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from counter.output.paths import atomic_write


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header and rows, parted by commas, lines ending in a line feed.

    Parameters
    ----------
    path : Path
        File to write, replaced where it exists.
    header : sequence of str
        Names of the columns.
    rows : iterable of sequences
        Cells as text, or what ``str`` makes of them; ``None`` is an empty cell. Without rows the
        header stands alone.

    Raises
    ------
    OutputError
        The file cannot be written; what stood at ``path`` is unchanged.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.write(_line(header))
        file.writelines(_line(row) for row in rows)


def _line(row: Sequence[object]) -> str:
    # The csv module quotes a lone carriage return only if the line ending holds one.
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"


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
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
