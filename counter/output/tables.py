"""Results and events as CSV tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from counter.output.columns import EVENT_COLUMNS, result_columns
from counter.output.paths import atomic_write
from counter.records import FAILED, FileResult

Bands = Mapping[str, tuple[float, float]]


def write_results(path: Path, results: Sequence[FileResult], labels: Sequence[str]) -> None:
    """Write one row per recording, in the order given.

    Silence is 0 calls; a failed recording has no number of calls. ``calls_per_hour`` is per hour
    really scanned and empty where nothing was. Seconds have 3 decimals.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    rows = (_result_row(result, labels) for result in results)
    _write_csv(path, result_columns(labels), rows)


def write_events(path: Path, results: Sequence[FileResult], band_hz: Bands) -> None:
    """Write one row per event as CSV; the header alone where there is none.

    Parameters
    ----------
    path : Path
        File to write, replaced where it exists.
    results : sequence of FileResult
        In the order of the rows; events count from 1 within each recording.
    band_hz : mapping of label to (low_hz, high_hz)
        Band that each label was listened for in; holds every label that occurs.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    _write_csv(path, EVENT_COLUMNS, _event_rows(results, band_hz))


def _result_row(result: FileResult, labels: Sequence[str]) -> list[str]:
    n_columns = 1 + (len(labels) if len(labels) > 1 else 0)
    if result.status == FAILED:
        calls, per_hour = [""] * n_columns, ""
    else:
        calls = [str(result.calls())]
        calls += [str(result.calls(label)) for label in labels][: n_columns - 1]
        hours = result.scanned_s / 3600
        per_hour = f"{result.calls() / hours:.3f}" if hours else ""
    known = result.duration_s > 0 or result.status != FAILED
    duration = f"{result.duration_s:.3f}" if known else ""
    effort = [duration, f"{result.scanned_s:.3f}", per_hour]
    return [result.recording.name, *calls, *effort, result.status, result.message]


def _event_rows(results: Sequence[FileResult], band_hz: Bands) -> Iterable[list[str]]:
    for result in results:
        for number, event in enumerate(result.events, start=1):
            times = [f"{time:.3f}" for time in (event.start_s, event.end_s, event.peak_s)]
            band = [f"{edge:.1f}" for edge in band_hz[event.label]]
            who = [result.recording.name, str(number), event.label]
            yield [*who, *times, f"{event.score:.4f}", *band]


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # A name that is no valid text (bytes of another encoding) is written with escapes.
    with (
        atomic_write(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.write(_line(header))
        file.writelines(_line(row) for row in rows)


def _line(row: Sequence[str]) -> str:
    # The csv module quotes a lone carriage return only if the line ending holds one.
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n") + "\n"
