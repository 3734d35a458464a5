"""Which files on disk callcount made; nothing else is ever replaced or removed."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from counter.output.columns import (
    DAY_COLUMNS,
    HOUR_COLUMNS,
    RECORDING_COLUMNS,
    SITE_COLUMNS,
    is_event_header,
    is_result_header,
)
from counter.output.png import is_own_png

MADE_BY = "callcount"
SCORES_MARK = b"callcount scores 1"
_HEADER_BYTES = 1 << 16


def own_plots(folder: Path) -> list[Path]:
    """Plots of earlier scans in a folder, in name order; none where the folder is missing.

    Raises
    ------
    OSError
        A picture there cannot be read.
    """
    pictures = sorted(path for path in folder.glob("*.png") if path.is_file())
    return [path for path in pictures if is_own_png(path)]


def is_own_results(path: Path) -> bool:
    """Whether a file is empty or has the header of ``results.csv``."""
    return has_header(path, is_result_header)


def is_own_events(path: Path) -> bool:
    """Whether a file is empty or has the header of ``events.csv``."""
    return has_header(path, is_event_header)


def is_own_season(path: Path) -> bool:
    """Whether a file is empty or has the header of ``recordings.csv`` or of a summary."""
    headers = (RECORDING_COLUMNS, SITE_COLUMNS, DAY_COLUMNS, HOUR_COLUMNS)
    return has_header(path, lambda row: tuple(row) in headers)


def is_own_manifest(path: Path) -> bool:
    """Whether a file is JSON that says it was made by callcount."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(data, Mapping) and data.get("made_by") == MADE_BY


def is_own_scores(path: Path) -> bool:
    """Whether a file is empty or a zip file of scores that ``output.scores`` wrote."""
    if not path.is_file():
        return False
    if path.stat().st_size == 0:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment == SCORES_MARK
    except zipfile.BadZipFile:
        return False


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
