"""Columns of the tables that a scan leaves behind, with what each holds (as the reference says)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

PROBABILITY = "probability"
_TIMES = {
    "start_time": "start, ISO 8601; with the offset from UTC where the zone is known, "
    "empty where no start is",
    "start_utc": "the same in UTC, `YYYY-MM-DD HH:MM:SS.mmm`; empty where the zone is not known",
    "start_local": "the same as the recorder's clock, or that of `--timezone`, showed it, without "
    "offset",
}
_PER_HOUR = "calls per hour of effort; empty where there is none"
# ``calls_<label>``, after ``calls``, stands for as many columns as there are labels, if several.
_OF_LABEL = "calls_<label>"
RESULT_COLUMNS = {
    "recording": "path relative to the folder given, with `/`; of several paths, relative to their "
    "common parent",
    "calls": "number of events; 0 where there is none, empty where the file failed",
    _OF_LABEL: "only with several labels: events of each",
    "duration_s": "length that the file claims, or what was read where that is more; empty where "
    "unknown",
    "scanned_s": "length that was really decoded and scored",
    "calls_per_hour": _PER_HOUR,
    "status": "`ok`, `truncated` (scanned as far as it decodes) or `failed` (no number)",
    "message": "what was wrong; empty when nothing was",
}
EVENT_COLUMNS = {
    "recording": "as in `results.csv`",
    "event": "number within the recording, from 1, in order of start",
    "label": "what was counted",
    "start_s": "start, seconds from the recording's start",
    "end_s": "end, seconds from the recording's start",
    "peak_s": "where the smoothed score is highest, seconds from the recording's start",
    "score": "that highest smoothed score, 0 to 1; not a probability",
    PROBABILITY: "only where the bundle holds a calibration: that the event is a call, 0 to 1",
    "low_hz": "lower end of the band that the model listens in; not a measurement of the call",
    "high_hz": "upper end of that band",
    **_TIMES,
    "site": "as in `recordings.csv`",
}
RECORDING_COLUMNS = {
    "recording": "as in `results.csv`",
    "site": "where it was made; empty where nothing tells it",
    "device": "what it was made by, a serial number; empty where nothing tells it",
    **_TIMES,
    "day": "date of `start_local`",
    "latitude": "of the site, degrees north, where `--sites` gives it",
    "longitude": "of the site, degrees east, where `--sites` gives it",
    "sample_rate_hz": "of the file; empty where it could not be opened",
    "channels": "of the file; empty where it could not be opened",
    "scanned_s": "as in `results.csv`",
    "effort_s": "really listened to: `scanned_s` less dead stretches",
    "status": "as in `results.csv`",
}
_SUMS = {
    "effort_s": "seconds really listened to; the same for each label",
    "calls": "calls that start there",
    "calls_per_hour": _PER_HOUR,
    "minutes": "one-minute stretches: minutes of the clock (of the recording, where no start is "
    "known) of which 30 s or more were listened to",
    "minutes_with_calls": "those in which a call starts",
    "detection_rate": "their share, 0 to 1; empty without minutes",
    "most_calls_per_minute": "most calls that start in one minute",
}
_SITE, _LABEL = {"site": "where; empty where no site is known"}, {"label": "what is counted"}
SITE_COLUMNS = {
    **_SITE,
    **_LABEL,
    "recordings": "recordings scanned, failed ones left out",
    **_SUMS,
}
DAY_COLUMNS = {**_SITE, "day": "date; empty where no start is known", **_LABEL, **_SUMS}
HOUR_COLUMNS = {
    **_SITE,
    "hour": "hour of the day, 0 to 23; empty where no start is known",
    **_LABEL,
    **_SUMS,
}
# What a DataFrame has as names, and as numbers; text of other columns stays as it is.
NAME_COLUMNS = {"recording", "label", "site", "device", "message"}
WHOLE_COLUMNS = {"calls", "event", "sample_rate_hz", "channels"}
NUMBER_COLUMNS = {
    *("duration_s", "scanned_s", "effort_s", "calls_per_hour", "latitude", "longitude"),
    *("start_s", "end_s", "peak_s", "score", PROBABILITY, "low_hz", "high_hz"),
}


def result_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """Columns of ``results.csv``; with several labels one ``calls_<label>`` each."""
    by_label = [f"calls_{label}" for label in labels] if len(labels) > 1 else []
    columns = list(RESULT_COLUMNS)
    place = columns.index(_OF_LABEL)
    return (*columns[:place], *by_label, *columns[place + 1 :])


def result_labels(header: Sequence[str], labels: Collection[str]) -> tuple[str, ...] | None:
    """The labels of a scan in the order of ``results.csv``; None where it is not of these."""
    named = [name.removeprefix("calls_") for name in header if name.startswith("calls_")]
    named.reverse()
    named.remove("per_hour")  # the last one, which is no label
    named.reverse()
    of_one = tuple(labels) if len(labels) == 1 else None
    if not named:
        return of_one
    return tuple(named) if sorted(named) == sorted(labels) else None


def event_columns(*, has_probability: bool) -> tuple[str, ...]:
    """Columns of ``events.csv``; ``probability`` comes after the score it was calibrated from."""
    return tuple(name for name in EVENT_COLUMNS if has_probability or name != PROBABILITY)
