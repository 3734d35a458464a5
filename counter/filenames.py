"""When, where and by what a recording was made, as its file name says.

The forms are those of the makers: AudioMoth (now, and hexadecimal as before 2019), Song Meter,
Swift, BAR of Frontier Labs, and ISO 8601 in the ways that a file name can hold it.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from counter.moments import from_parts, parse_offset
from counter.records import Origin

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

    Parameters
    ----------
    name : str
        Path with ``/``; the folders matter only where AudioMoth makes one a day.

    Returns
    -------
    Origin
        Without a time zone unless the name gives one; what stands before the date and ``_`` is
        the site, or the device where it has the form of a maker's serial number. Times that
        cannot be, as 25 o'clock, are no times.
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
    start = datetime.fromtimestamp(int(text, 16), tz=timezone.utc)
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
