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
PROBABILITY = "probability"
WHEN_AND_WHERE = ("start_time", "site")
RECORDING_COLUMNS = (
    "recording",
    "site",
    "device",
    "start_time",
    "day",
    "latitude",
    "longitude",
    "sample_rate_hz",
    "channels",
    "scanned_s",
    "effort_s",
    "status",
)
_SUMS = (
    "effort_s",
    "calls",
    "calls_per_hour",
    "minutes",
    "minutes_with_calls",
    "detection_rate",
    "most_calls_per_minute",
)
SITE_COLUMNS = ("site", "label", "recordings", *_SUMS)
DAY_COLUMNS = ("site", "day", "label", *_SUMS)
HOUR_COLUMNS = ("site", "hour", "label", *_SUMS)
_AFTER_SCORE = EVENT_COLUMNS.index("score") + 1
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


def event_columns(*, has_probability: bool) -> tuple[str, ...]:
    """Columns of ``events.csv``; ``probability`` comes after the score it was calibrated from."""
    extra = (PROBABILITY,) if has_probability else ()
    return EVENT_COLUMNS[:_AFTER_SCORE] + extra + EVENT_COLUMNS[_AFTER_SCORE:] + WHEN_AND_WHERE


def result_labels(header: Sequence[str]) -> tuple[str, ...]:
    """The labels of a header of ``results.csv``; none where it holds one label alone."""
    columns = header[len(_BEFORE_LABELS) : -len(_AFTER_LABELS)]
    return tuple(column.removeprefix("calls_") for column in columns)


def is_event_header(row: Sequence[str]) -> bool:
    """Whether a header row is that of ``events.csv``, with or without ``probability``.

    One without ``start_time`` and ``site``, as before they were there, is one as well.
    """
    known = [event_columns(has_probability=one) for one in (False, True)]
    return tuple(row) in known or (*row, *WHEN_AND_WHERE) in known
