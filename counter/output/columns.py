"""The columns of the tables that a scan leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

EVENT_COLUMNS = (
    "recording",
    "event",
    "label",
    "start_s",
    "end_s",
    "peak_s",
    "score",
    "low_hz",
    "high_hz",
)
_BEFORE_LABELS = ("recording", "calls")
_AFTER_LABELS = ("duration_s", "scanned_s", "calls_per_hour", "status", "message")


def result_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """Columns of ``results.csv``; with several labels one ``calls_<label>`` each."""
    by_label = tuple(f"calls_{label}" for label in labels) if len(labels) > 1 else ()
    return _BEFORE_LABELS + by_label + _AFTER_LABELS


def is_result_header(row: Sequence[str]) -> bool:
    """Whether a header row is one that ``result_columns`` gives for some labels."""
    labels = tuple(row[len(_BEFORE_LABELS) : -len(_AFTER_LABELS)])
    return (
        tuple(row[: len(_BEFORE_LABELS)]) == _BEFORE_LABELS
        and tuple(row[-len(_AFTER_LABELS) :]) == _AFTER_LABELS
        and all(label.startswith("calls_") for label in labels)
    )


def is_event_header(row: Sequence[str]) -> bool:
    """Whether a header row is that of ``events.csv``."""
    return tuple(row) == EVENT_COLUMNS
