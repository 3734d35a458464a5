"""Table of sites (``--sites``): which folder or device stood where."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator

from counter.audio.stream import MonoStream
from counter.config import Settings, suggest
from counter.errors import AudioError, CallcountError
from counter.metadata.clock import Clock, NamePattern, check_pattern, parse_zone
from counter.records import FileResult, Origin, Recording, Tags
from counter.tables.csv import FilledRow, read_filled

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
    """The sites of a table; a device's row goes before that of a folder, a deeper folder first."""

    # folder relative to what was given to scan, with ``/``, ``.`` for itself; serial number
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
    """Read the table, CSV in UTF-8, and make sure that each row is about a recording.

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
        named = "both a folder and a device" if kinds else "neither a folder nor a device"
        raise CallcountError(f"{row.place}: names {named}.", "Name one of them. " + _COLUMNS)
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


class PlaceSettings(Settings):
    """Settings of where and when; all may be left out."""

    timezone: str | None = Field(None, min_length=1, description="zone of clocks that name none")
    name_pattern: str | None = Field(None, description="regular expression on names")
    sites: Path | None = Field(None, description="table of sites, by folder or device")

    @field_validator("sites", mode="before")
    @classmethod
    def _sites_path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    def facts(self) -> dict[str, str | None]:
        """The settings for the manifest."""
        sites = os.path.abspath(self.sites) if self.sites is not None else None
        return {"timezone": self.timezone, "name_pattern": self.name_pattern, "sites": sites}


@dataclass(frozen=True)
class Placement:
    """How recordings are placed in time and space."""

    clock: Clock
    sites: Sites  # the user's table; empty where there is none
    n_unmatched: int  # recordings that the user's name pattern does not match
    settings: PlaceSettings  # what the user asked for

    def placed(self, result: FileResult) -> FileResult:
        """A result with its origin, by the recording's name and its header's tags."""
        name = result.recording.name
        origin = self.sites.placed(name, self.clock.origin(name, result.tags))
        return replace(result, origin=origin)


def plan_placement(settings: PlaceSettings, recordings: Sequence[Recording]) -> Placement:
    """Read the options and find every mistake in them before the work.

    Raises
    ------
    CallcountError
        A pattern, time zone or table of sites that is wrong or is about no recording.
    """
    zone = parse_zone(settings.timezone) if settings.timezone is not None else None
    pattern = NamePattern(settings.name_pattern) if settings.name_pattern is not None else None
    n_unmatched = check_pattern(pattern, [one.name for one in recordings]) if pattern else 0
    clock = Clock(pattern, zone)
    sites = Sites({}, {})
    if settings.sites is not None:
        sites = read_sites(settings.sites, recordings, clock)
    return Placement(clock, sites, n_unmatched, settings)


class PlacementRemarks:
    """What the user should know of the times and sites of all results, counted as they come."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._n_all = self._n_without = self._n_bare = self._n_nowhere = 0

    def add(self, result: FileResult) -> None:
        """Count a result."""
        start = result.origin.start
        self._n_all += 1
        self._n_without += start is None
        self._n_bare += start is not None and start.tzinfo is None
        self._n_nowhere += not result.origin.site

    def lines(self) -> list[str]:
        """A line each; nothing where nothing is to be known."""
        sites = self._placement.sites
        has_table = bool(sites.by_folder or sites.by_device)
        missing = [
            (
                self._placement.n_unmatched,
                "do not match --name-pattern; header and usual names were read",
            ),
            (self._n_without if self._n_without < self._n_all else 0, "have no start time"),
            (
                self._n_bare,
                "have a start without time zone, as their clock showed it; --timezone names it",
            ),
            (self._n_nowhere * has_table, "are of no row of --sites and have no site"),
        ]
        return [f"{n} of {self._n_all} recordings {what}." for n, what in missing if n]
