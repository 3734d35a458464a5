"""Recorders: start time, site and device in file names and header tags (GUANO, AudioMoth, BWF)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from counter.records import Origin, Tags
from counter.timestamps import from_parts, moment_of, parse_moment, parse_offset

_DATE = r"(?P<year>(?:19|20)\d\d){0}(?P<month>\d\d){0}(?P<day>[ \d]\d)"
_TIME = r"(?P<hour>\d\d){0}(?P<minute>\d\d){0}(?P<second>\d\d)"
_FRACTION = r"(?:\.(?P<fraction>\d{1,6})(?![0-9A-Za-z]))?"
_OFFSET = r"(?P<offset>[_-]?(?:Z|UTC)(?![0-9A-Za-z])|[+-]\d\d(?::?\d\d)?(?!\d))?"
_COMPACT = re.compile(
    rf"(?<!\d){_DATE.format('')}(?P<mark>[T_$-]?){_TIME.format('')}{_FRACTION}{_OFFSET}(?!\d)"
)
_PARTED = re.compile(
    rf"(?<!\d){_DATE.format('-')}(?P<mark>[T_ -]){_TIME.format('[-:._]')}{_FRACTION}{_OFFSET}(?!\d)"
)
# AudioMoth with a folder a day: 20210601/050000.WAV
_DAILY = re.compile(rf"(?:^|/){_DATE.format('')}/{_TIME.format('')}T?$")
# Seconds since 1970; the letter is wanted since eight digits alone may be any number.
_HEX = re.compile(r"(?=.*[A-F])[0-9A-F]{8}")
_HEX_YEARS = range(2016, 2031)
# The channels of a Song Meter SM3: SITE_0+1_20210601_050000
_CHANNELS = re.compile(r"_(?=[01]*[-+])[-+01]{3}$")
_SERIAL = re.compile(r"(?:S4[AU]|SM[2-4AMU]|2M[AMU])\d{5}|[0-9A-Fa-f]{16}|BARLT\d{4,8}")
# Frontier Labs: a unit that does not know its number calls itself -0000001.
_BAR_PREFIX = re.compile(r"(?P<unknown>-)?(?P<serial>\d{4,8})(?:_(?P<site>.+))?")


def read_name(name: str) -> Origin:
    """Start, site and device by a recording's name; empty where it has none of the forms.

    The name is a path with ``/``, whose folders matter only where AudioMoth makes one a day. The
    start is without a time zone unless the name gives one; what stands before the date and ``_`` is
    the site, or the device where it has the form of a maker's serial number. Times that cannot be,
    as 25 o'clock, are no times.
    """
    stem = re.sub(r"\.[^./]*$", "", name.rpartition("/")[2])
    for form in (_COMPACT, _PARTED):
        for found in form.finditer(stem):
            start = _start(found)
            if start is not None:
                return _named(stem[: found.start()], start, is_bar=found["mark"] == "T")
    daily = _DAILY.search(re.sub(r"\.[^./]*$", "", name))
    return Origin(_start(daily) if daily else from_hex(stem))


def from_hex(text: str) -> datetime | None:
    """A time as old AudioMoths write it, seconds since 1970 as 8 hexadecimal digits, in UTC."""
    if not _HEX.fullmatch(text.upper()):
        return None
    start = moment_of(int(text, 16))
    return start if start.year in _HEX_YEARS else None


def _start(found: re.Match[str]) -> datetime | None:
    parts = found.groupdict()
    try:
        # BAR firmware 3.08 writes a blank for the first zero of a day (known problem FL008).
        day = parts["day"].replace(" ", "0")
        return from_parts({**parts, "day": day, "offset": _offset(parts)})
    except ValueError:
        return None


def _offset(parts: dict[str, str | None]) -> str:
    """The offset of a name, unless it is the number of a piece as in ``_050000-01``, ``-0001``."""
    text = parts.get("offset") or ""
    if text[1:] in ("Z", "UTC"):
        return text[1:]
    is_number = (len(text) == 3 and parts["mark"] != "T") or (text[1:3] == "00" != text[-2:])
    return "" if is_number or parse_offset(text) is None else text


def _named(prefix: str, start: datetime, *, is_bar: bool) -> Origin:
    """The origin of a name that begins with ``prefix``."""
    if not prefix.endswith("_"):
        return Origin(start)
    who = _CHANNELS.sub("", prefix.rstrip("_"))
    bar = _BAR_PREFIX.fullmatch(who) if is_bar and start.tzinfo is not None else None
    if bar is not None:
        return Origin(start, bar["site"] or "", "" if bar["unknown"] else bar["serial"])
    if _SERIAL.fullmatch(who):
        return Origin(start, device=who)
    return Origin(start, site=who)


# Open Acoustic Devices, AudioMoth-Firmware-Basic, setHeaderComment; 1.0.0 names no zone, and all
# clocks of that firmware ran in UTC.
_AUDIOMOTH = re.compile(
    r"Recorded at (?P<time>\d\d:\d\d:\d\d) (?P<date>\d\d/\d\d/\d{4})(?: \((?P<zone>UTC[^)]*)\))?"
)
_AUDIOMOTH_ID = re.compile(r"AudioMoth ([0-9A-Fa-f]{16})\b")
# Firmware 1.2.2 and 1.3.0 add the minutes of a zone wrongly (known problem OAD004 of QUT
# Ecoacoustics); these alone write a digit as the gain and minutes in the zone.
_DIGIT_GAIN = re.compile(r"at gain setting \d")
# EBU Tech 3285, version 2, section 2.3: description 256, originator 32, reference 32, then these.
_BWF_DATE, _BWF_TIME = slice(320, 330), slice(330, 338)
_NO_TAGS = Tags()


def read_tags(tags: Tags) -> Origin:
    """Start and device by a header; empty where it says nothing that is understood.

    GUANO goes before AudioMoth's comment, since it is made to be read, and that before BWF.
    """
    if tags == _NO_TAGS:
        return Origin()
    origins = [read(tags) for read in _READERS]
    starts = [one.start for one in origins if one.start is not None]
    devices = [one.device for one in origins if one.device]
    remarks = [one.remark for one in origins if one.remark] if not starts else []
    return Origin(
        start=starts[0] if starts else None,
        device=devices[0] if devices else "",
        remark="; ".join(remarks),
    )


def _guano(tags: Tags) -> Origin:
    """GUANO 1.0 (github.com/riggsd/guano-spec): lines of ``key: value`` in UTF-8."""
    text = tags.guano.decode("utf-8", "replace")
    pairs = (line.partition(":") for line in text.split("\n"))
    fields = {key.strip(): value.strip(" \t\r\0") for key, _, value in pairs}
    return Origin(parse_moment(fields.get("Timestamp", "")), device=fields.get("Serial", ""))


def _audiomoth(tags: Tags) -> Origin:
    named = _AUDIOMOTH_ID.search(tags.comment) or _AUDIOMOTH_ID.search(tags.artist)
    origin = Origin(device=named[1].upper() if named else "")
    found = _AUDIOMOTH.search(tags.comment)
    if found is None:
        return origin
    zone = parse_offset(found["zone"]) if found["zone"] else timezone.utc
    if ":" in (found["zone"] or "") and _DIGIT_GAIN.search(tags.comment):
        remark = f"its header says {found[0]}, which that firmware writes wrongly: not used"
        return replace(origin, remark=remark)
    try:
        start = datetime.strptime(f"{found['date']} {found['time']}", "%d/%m/%Y %H:%M:%S")
    except ValueError:
        return origin
    return replace(origin, start=start.replace(tzinfo=zone))


def _bwf(tags: Tags) -> Origin:
    """Broadcast WAV: the date may be parted by any of ``-_:. `` and carries no zone."""
    date, time = (tags.bwf[part].decode("ascii", "replace") for part in (_BWF_DATE, _BWF_TIME))
    numbers = re.findall(r"\d+", date), re.findall(r"\d+", time)
    return Origin(parse_moment("-".join(numbers[0]) + "T" + ":".join(numbers[1])))


_READERS: tuple[Callable[[Tags], Origin], ...] = (_guano, _audiomoth, _bwf)
