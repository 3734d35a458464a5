"""Results and events as CSV tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from counter.estimation.calibration import Calibration
from counter.output.columns import result_columns
from counter.output.eventrows import Bands, ScanEvents
from counter.output.writing import write_csv
from counter.records import FAILED, FileResult


def write_results(path: Path, results: Iterable[FileResult], labels: Sequence[str]) -> None:
    """Write one row per recording, in the order given.

    Silence is 0 calls; a failed recording has no number of calls. ``calls_per_hour`` is per hour
    really listened to and empty where nothing was. Seconds have 3 decimals.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    rows = (_result_row(result, labels) for result in results)
    write_csv(path, result_columns(labels), rows)


def write_events(
    path: Path,
    results: Iterable[FileResult],
    band_hz: Bands,
    calibrations: Mapping[str, Calibration] | None = None,
) -> None:
    """Write one row per event as CSV; the header alone where there is none.

    Parameters
    ----------
    path : Path
        File to write, replaced where it exists.
    results : iterable of FileResult
        In the order of the rows; events count from 1 within each recording.
    band_hz : mapping of label to (low_hz, high_hz)
        Band that each label was listened for in; holds every label that occurs.
    calibrations : mapping of str to Calibration, optional
        Calibration of each label that has one. Where any has, there is a column ``probability``,
        empty for the labels without; where none has, there is no such column.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    events = ScanEvents(results, band_hz, calibrations or {})
    columns = events.columns
    write_csv(path, columns, ([row.text(name) for name in columns] for row in events))


def _result_row(result: FileResult, labels: Sequence[str]) -> list[str]:
    n_columns = 1 + (len(labels) if len(labels) > 1 else 0)
    if result.status == FAILED:
        calls, per_hour = [""] * n_columns, ""
    else:
        calls = [str(result.calls())]
        calls += [str(result.calls(label)) for label in labels][: n_columns - 1]
        hours = result.effort_s / 3600
        per_hour = f"{result.calls() / hours:.3f}" if hours else ""
    known = result.duration_s > 0 or result.status != FAILED
    duration = f"{result.duration_s:.3f}" if known else ""
    effort = [duration, f"{result.scanned_s:.3f}", per_hour]
    return [result.recording.name, *calls, *effort, result.status, result.message]
