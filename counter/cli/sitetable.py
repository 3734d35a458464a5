"""``--sites sites.csv``: which folder or device stood at which site."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from counter.audio import MonoStream
from counter.clock import Clock
from counter.config import suggest
from counter.errors import AudioError, CallcountError
from counter.output.filled import FilledRow, read_filled
from counter.records import Origin, Recording, Tags

_OPTIONAL = ("folder", "device", "latitude", "longitude")
_COLUMNS = "It has the columns site, folder or device, and may have latitude and longitude."


@dataclass(frozen=True)
class Site:
    """A row of the table."""

    name: str
    latitude: float | None
    longitude: float | None
    place: str


@dataclass(frozen=True)
class Sites:
    """The sites of a table; a device's row goes before that of a folder, a deeper folder first.

    Attributes
    ----------
    by_folder, by_device : mapping of str to Site
        Folder relative to what was given to scan, with ``/``, ``.`` for itself; serial number.
    """

    by_folder: Mapping[str, Site]
    by_device: Mapping[str, Site]

    def placed(self, name: str, origin: Origin) -> Origin:
        """``origin`` at the site of its device or folder; as it is where no row is about it."""
        site = self.by_device.get(origin.device) if origin.device else None
        if site is None:
            site = next(
                (self.by_folder[one] for one in _above(name) if one in self.by_folder), None
            )
        if site is None:
            return origin
        return replace(origin, site=site.name, latitude=site.latitude, longitude=site.longitude)


def read_sites(table: Path, recordings: Iterable[Recording], clock: Clock) -> Sites:
    """Read the table and make sure that each row is about a recording.

    Parameters
    ----------
    table : Path
        CSV in UTF-8.
    recordings : iterable of Recording
        All that are to be scanned.
    clock : Clock
        What tells the device of a recording.

    Raises
    ------
    CallcountError
        The table cannot be read or lacks a column; a row names no folder or device, both, or one
        that another row named or no recording has; a coordinate is none. With file, row and value.
    """
    by_folder: dict[str, Site] = {}
    by_device: dict[str, Site] = {}
    for row in read_filled(table, ("site",), _COLUMNS, optional=_OPTIONAL):
        if not any(row.cells.values()):
            continue
        kind = _kind(row)
        value = row.cells[kind]
        key = value if kind == "device" else str(PurePosixPath(value.replace("\\", "/")))
        known = by_folder if kind == "folder" else by_device
        if key in known:
            raise CallcountError(
                f"{row.place}: {kind} {value!r} stands in {known[key].place} already.",
                "Leave one of the rows.",
            )
        known[key] = _site(row)
    sites = Sites(by_folder, by_device)
    every = list(recordings)
    _check_folders(sites, every)
    _check_devices(sites, every, clock)
    return sites


def _kind(row: FilledRow) -> str:
    kinds = [kind for kind in ("folder", "device") if row.cells[kind]]
    if len(kinds) != 1:
        said = "both a folder and a device" if kinds else "neither a folder nor a device"
        raise CallcountError(f"{row.place}: names {said}.", "Name one of them. " + _COLUMNS)
    return kinds[0]


def _site(row: FilledRow) -> Site:
    if not row.cells["site"]:
        raise CallcountError(f"{row.place}: no site is named.", "Give the site, or no row.")
    latitude, longitude = _degrees(row, "latitude", 90), _degrees(row, "longitude", 180)
    if (latitude is None) != (longitude is None):
        raise CallcountError(f"{row.place}: one of latitude and longitude is empty.")
    return Site(row.cells["site"], latitude, longitude, row.place)


def _degrees(row: FilledRow, name: str, most: float) -> float | None:
    text = row.cells[name]
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -most <= value <= most:
        raise CallcountError(
            f"{row.place}: {name} {text!r} is no number from {-most:g} to {most:g}.",
            "Give decimal degrees, north and east positive.",
        )
    return value


def _above(name: str) -> Iterator[str]:
    """The folders that a recording is in, the deepest first; ``.`` last."""
    return map(str, PurePosixPath(name).parents)


def _check_folders(sites: Sites, recordings: list[Recording]) -> None:
    there = {folder for one in recordings for folder in _above(one.name)}
    for folder, site in sites.by_folder.items():
        if folder not in there:
            near = suggest(folder, sorted(there))
            shown = ", ".join(sorted(there - {"."})[:5]) or "none: all are in `.`"
            raise CallcountError(
                f"{site.place}: folder {folder!r} holds no recording of this scan{near}.",
                f"Folders are relative to the one that is scanned ({shown}); leave out the row.",
            )


def _check_devices(sites: Sites, recordings: list[Recording], clock: Clock) -> None:
    missing = dict(sites.by_device)
    seen: set[str] = set()
    # A folder mostly is of one device: with one file of each, few files have to be opened.
    firsts = {str(PurePosixPath(one.name).parent): one for one in reversed(recordings)}
    for recording in [*firsts.values(), *recordings]:
        if not missing:
            return
        device = clock.origin(recording.name, _tags(recording)).device
        seen.add(device)
        missing.pop(device, None)
    for device, site in missing.items():
        near = suggest(device, sorted(seen - {""}))
        shown = ", ".join(sorted(seen - {""})[:5]) or "none"
        raise CallcountError(
            f"{site.place}: no recording of this scan is of device {device!r}{near}.",
            f"Devices found in names and headers: {shown}; leave out the row.",
        )


def _tags(recording: Recording) -> Tags:
    try:
        with MonoStream(recording.path, sample_rate_hz=1) as stream:
            return stream.tags()
    except AudioError:
        return Tags()
