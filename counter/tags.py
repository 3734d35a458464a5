"""When and by what a recording was made, as its header says: GUANO, AudioMoth's comment, BWF.

Read here and not by the packages guano 1.0.16 and metamoth 1.2.2: guano opens the file anew with
Python's ``wave``, which refuses float WAV and files whose header was never finished, and fails on
a line without a colon; metamoth knows each firmware's whole sentence and so refuses those since
1.7 (magnetic switch, frequency trigger) and FLAC, and takes UTC-3:30 for UTC-2:30. What is wanted
of either is one line of text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from counter.moments import parse_moment, parse_offset
from counter.records import Origin, Tags

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
