"""Clock: start time, site and device of a recording by pattern, header and name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo

from counter.config import suggest
from counter.errors import ConfigError
from counter.metadata.recorders import from_hex, read_name, read_tags
from counter.records import Origin, Tags
from counter.timestamps import from_parts, iso_text, later, parse_offset

GROUPS = (
    *("year", "month", "day", "hour", "minute", "second"),
    *("date", "time", "hex", "offset", "site", "device"),
)
# A recorder may write name and header some seconds apart.
_SAME = timedelta(seconds=10)
# No digital recorder is as old; a clock that was never set shows such a year.
_FIRST_YEAR = 1990
_EXAMPLE = r"An example: (?P<site>[^/_]+)_(?P<date>\d{8})_(?P<time>\d{6})."


class NamePattern:
    """A user's own way of naming recordings: a regular expression with named groups.

    Groups are ``date`` and ``time`` (digits as YYYYMMDD and HHMM or HHMMSS, parted or not), or
    ``year``, ``month``, ``day``, ``hour``, ``minute`` and perhaps ``second``; or ``hex``, seconds
    since 1970 as old AudioMoths write them; ``offset`` from UTC, ``site``, ``device``. It is looked
    for anywhere in a recording's name, folders and ``/`` included.

    Raises
    ------
    ConfigError
        It is no regular expression, has none of these groups or another one, or gives half a date.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._compiled = re.compile(text)
        except re.error as error:
            raise ConfigError(
                f"--name-pattern {text!r} is no regular expression: {error}.", _EXAMPLE
            ) from error
        groups = set(self._compiled.groupindex)
        for group in sorted(groups - set(GROUPS)):
            near = suggest(group, list(GROUPS))
            raise ConfigError(
                f"--name-pattern {text!r} names a group {group!r}{near}.",
                f"Known are {', '.join(GROUPS)}.",
            )
        if not groups:
            raise ConfigError(f"--name-pattern {text!r} has no named group.", _EXAMPLE)
        self._check_whole(groups)

    def _check_whole(self, groups: set[str]) -> None:
        has_day = "date" in groups or {"year", "month", "day"} <= groups
        has_time = "time" in groups or {"hour", "minute"} <= groups
        if groups <= {"site", "device", "hex"} or (has_day and has_time):
            return
        raise ConfigError(
            f"--name-pattern {self.text!r} gives no whole date and time, only "
            f"{', '.join(sorted(groups - {'site', 'device'}))}.",
            "Wanted are date and time, or year, month, day, hour and minute, or hex.",
        )

    def matches(self, name: str) -> bool:
        """Whether a recording's name is of this pattern."""
        return self._compiled.search(name) is not None

    def read(self, name: str) -> Origin:
        """What a name says; empty where it does not match."""
        found = self._compiled.search(name)
        if found is None:
            return Origin()
        parts = {key: value.strip() for key, value in found.groupdict().items() if value}
        who = Origin(site=parts.get("site", ""), device=parts.get("device", ""))
        if not set(parts) - {"site", "device"}:
            return who
        try:
            return replace(who, start=_start(parts))
        except ValueError:
            shown = " ".join(parts[key] for key in GROUPS if key in parts and key != "site")
            return replace(who, remark=f"the name pattern finds no time in its name: {shown}")


def _start(parts: dict[str, str]) -> datetime:
    if "hex" in parts:
        start = from_hex(parts["hex"])
        if start is None:
            raise ValueError(parts["hex"])
        return start
    if "offset" in parts and parse_offset(parts["offset"]) is None:
        raise ValueError(parts["offset"])
    if "date" in parts:
        digits = re.sub(r"\D", "", parts["date"]).ljust(8)
        parts = {**parts, "year": digits[:4], "month": digits[4:6], "day": digits[6:]}
    if "time" in parts:
        digits = re.sub(r"\D", "", parts["time"]).ljust(4)
        parts = {**parts, "hour": digits[:2], "minute": digits[2:4], "second": digits[4:]}
    return from_parts(parts)


def parse_zone(text: str) -> tzinfo:
    """A time zone by its name (``Europe/Paris``) or its offset from UTC (``+02:00``, ``UTC``).

    Raises
    ------
    ConfigError
        There is no such zone.
    """
    import zoneinfo

    offset = parse_offset(text)
    if offset is not None:
        return offset
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = sorted(zoneinfo.available_timezones())
        fix = "Give a name as America/Manaus, or an offset from UTC as -04:00."
        if not known:
            fix = "This system knows none: pip install tzdata, or give an offset as -04:00."
        raise ConfigError(
            f"--timezone {text!r} is no time zone{suggest(text, known)}.", fix
        ) from error


@dataclass(frozen=True)
class Clock:
    """How recordings are placed in time."""

    pattern: NamePattern | None = None  # the user's own way of naming
    # the user's time zone: that of the times that say none, and the one that all are given in
    zone: tzinfo | None = None

    def origin(self, name: str, tags: Tags) -> Origin:
        """When, where and by what a recording was made, by its name with folders and its header.

        Empty where nothing says so.
        """
        by_pattern = self.pattern.read(name) if self.pattern is not None else Origin()
        by_header, by_name = read_tags(tags), read_name(name)
        origins = {"name pattern": by_pattern, "header": by_header, "name": by_name}
        starts = {who: one.start for who, one in origins.items() if one.start is not None}
        if by_pattern.start is not None:
            starts.pop("name", None)  # the same text, read by a rule that the user replaced
        start, remark = self._placed(next(iter(starts.values()), None))
        remarks = [by_pattern.remark, by_header.remark, remark, self._disagreement(starts)]
        return Origin(
            start=start,
            site=by_pattern.site or by_name.site,
            device=by_pattern.device or by_header.device or by_name.device,
            remark="; ".join(one for one in remarks if one),
        )

    def _placed(self, start: datetime | None) -> tuple[datetime | None, str]:
        """A start in the user's zone, and what there is to say about that."""
        if start is None:
            return None, ""
        if start.year < _FIRST_YEAR:
            return None, f"its clock was not set: it says {iso_text(start)}"
        if self.zone is None:
            return start, ""
        if start.tzinfo is not None:
            return start.astimezone(self.zone), ""
        first, second = (start.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() == second.utcoffset():
            return first, ""
        if first.astimezone(timezone.utc) < second.astimezone(timezone.utc):
            return first, f"{iso_text(start)} came twice there that day: taken as the first"
        remark = f"there was no {iso_text(start)} there: taken as of a clock not changed for summer"
        return later(first, 0.0), remark

    def _disagreement(self, starts: dict[str, datetime]) -> str:
        """Say where two of the sources do not give one time; the first was taken."""
        found = list(starts.items())
        for other, its_start in found[1:]:
            who, start = found[0]
            if not self._is_same(start, its_start):
                text = f"its {who} says {iso_text(start)}, its {other} {iso_text(its_start)}"
                return f"{text}: the {who} was taken"
        return ""

    def _is_same(self, one: datetime, other: datetime) -> bool:
        """Whether two times may be one; one without zone may be local or, as AudioMoth's, UTC."""
        if (one.tzinfo is None) == (other.tzinfo is None):
            return abs(one - other) <= _SAME
        known, bare = (one, other) if one.tzinfo is not None else (other, one)
        zones = [known.tzinfo, timezone.utc, *([self.zone] if self.zone else [])]
        walls = [known.astimezone(zone).replace(tzinfo=None) for zone in zones]
        return any(abs(wall - bare) <= _SAME for wall in walls)


def check_pattern(pattern: NamePattern, names: Sequence[str]) -> int:
    """How many recordings a pattern does not match.

    Raises
    ------
    ConfigError
        It matches none of them.
    """
    n_matched = sum(pattern.matches(name) for name in names)
    if not n_matched:
        raise ConfigError(
            f"--name-pattern {pattern.text!r} matches none of {len(names)} recordings, "
            f"not even the first: {names[0]}.",
            "It is looked for in the path, as the column recording of the tables has it.",
        )
    return len(names) - n_matched
