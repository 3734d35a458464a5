"""Results and events as CSV tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from counter.estimation.calibration import Calibration
from counter.moments import iso_text, later
from counter.output.columns import event_columns, result_columns
from counter.output.writing import write_csv
from counter.records import FAILED, FileResult

Bands = Mapping[str, tuple[float, float]]


def write_results(path: Path, results: Sequence[FileResult], labels: Sequence[str]) -> None:
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
    results: Sequence[FileResult],
    band_hz: Bands,
    calibrations: Mapping[str, Calibration] | None = None,
) -> None:
    """Write one row per event as CSV; the header alone where there is none.

    Parameters
    ----------
    path : Path
        File to write, replaced where it exists.
    results : sequence of FileResult
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
    header = event_columns(has_probability=bool(calibrations))
    write_csv(path, header, _event_rows(results, band_hz, calibrations or {}))


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


def _event_rows(
    results: Sequence[FileResult], band_hz: Bands, calibrations: Mapping[str, Calibration]
) -> Iterable[list[str]]:
    for result in results:
        start, site = result.origin.start, result.origin.site
        probabilities = _probabilities(result, calibrations)
        for number, event in enumerate(result.events, start=1):
            times = [f"{time:.3f}" for time in (event.start_s, event.end_s, event.peak_s)]
            band = [f"{edge:.1f}" for edge in band_hz[event.label]]
            who = [result.recording.name, str(number), event.label]
            probability = [probabilities[number - 1]] if calibrations else []
            when = iso_text(start and later(start, event.start_s))
            yield [*who, *times, f"{event.score:.4f}", *probability, *band, when, site]


def _probabilities(result: FileResult, calibrations: Mapping[str, Calibration]) -> list[str]:
    """Probability of each event as text, empty where its label has no calibration."""
    texts = [""] * len(result.events)
    for label, calibration in calibrations.items():
        places = [place for place, event in enumerate(result.events) if event.label == label]
        scores = np.array([result.events[place].score for place in places])
        for place, value in zip(places, calibration.probability(scores), strict=True):
            texts[place] = f"{value:.4f}"
    return texts
