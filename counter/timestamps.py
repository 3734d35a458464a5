"""Timestamps: read, written as ISO 8601, moved without slipping on clock changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?\s*(?P<offset>Z|UTC|[+-][\d:]+)?"
)
# Kiritimati is at +14, Baker Island at -12; all present offsets are whole quarters of an hour.
_MOST_HOURS = 14
_QUARTERS = (0, 15, 30, 45)


def parse_offset(text: str) -> timezone | None:
    """A fixed offset from UTC: ``Z``, ``UTC``, ``+02:00``, ``-0330``, ``UTC+5``; else ``None``."""
    plain = text.strip()
    if plain.upper() in ("Z", "UTC", "GMT"):
        return timezone.utc
    found = _OFFSET.fullmatch(plain)
    if found is None:
        return None
    hours, minutes = int(found[2]), int(found[3] or 0)
    if hours > _MOST_HOURS or minutes not in _QUARTERS:
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if found[1] == "-" else offset)


def parse_moment(text: str) -> datetime | None:
    """ISO 8601 date and time, with or without an offset; ``None`` for anything else."""
    found = _ISO.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return from_parts(found.groupdict())
    except ValueError:
        return None


def from_parts(parts: Mapping[str, str | None]) -> datetime:
    """A moment from its parts as text; ``second``, ``fraction`` and ``offset`` may be missing.

    Raises
    ------
    ValueError
        There is no such day or time of day.
    """
    year, month, day, hour, minute, second = (
        int(parts.get(name) or 0) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    microsecond = int((parts.get("fraction") or "").ljust(6, "0")[:6])
    zone = parse_offset(parts.get("offset") or "")
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment_of(epoch_s: float, zone: tzinfo = timezone.utc) -> datetime:
    """The moment so many seconds after 1970 began, in a zone; before it too, unlike on Windows."""
    return (_EPOCH + timedelta(seconds=epoch_s)).astimezone(zone)


def later(moment: datetime, seconds: float) -> datetime:
    """The moment so many seconds of real time later, in the same zone.

    Plain addition keeps the clock's reading, and is wrong across a change to or from summer time.
    """
    span = timedelta(seconds=seconds)
    if moment.tzinfo is None or moment.tzinfo is timezone.utc:
        return moment + span
    return (moment.astimezone(timezone.utc) + span).astimezone(moment.tzinfo)


def utc_text(moment: datetime | None) -> str:
    """A moment in UTC to the millisecond; empty for ``None``, and where no zone is known."""
    if moment is None or moment.tzinfo is None:
        return ""
    return clock_text(moment.astimezone(timezone.utc))


def clock_text(moment: datetime | None) -> str:
    """What a moment's own clock shows, to the millisecond and without offset; empty for ``None``.

    With a space, so that base R and spreadsheets read it as a time.
    """
    if moment is None:
        return ""
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def time_texts(moment: datetime | None) -> tuple[str, str, str]:
    """``iso_text``, ``utc_text`` and ``clock_text`` of a moment, each asked for once."""
    clock = clock_text(moment)
    if moment is not None and moment.tzinfo is timezone.utc:
        return f"{clock.replace(' ', 'T')}+00:00", clock, clock
    return iso_text(moment), utc_text(moment), clock


def iso_text(moment: datetime | None) -> str:
    """ISO 8601 to the millisecond, with the offset where there is one; empty for ``None``."""
    return "" if moment is None else moment.isoformat(timespec="milliseconds")
