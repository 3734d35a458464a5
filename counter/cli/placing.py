"""When and where recordings were made: the options of ``scan`` about it, and what is said of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, field_validator

from counter.cli.sitetable import Sites, read_sites
from counter.clock import Clock, NamePattern, check_pattern, parse_zone
from counter.config import Settings
from counter.records import FileResult, Recording
from counter.scan import joined


class PlaceSettings(Settings):
    """Settings of where and when; all may be left out."""

    timezone: str | None = Field(None, min_length=1, description="zone of the recorders' clocks")
    name_pattern: str | None = Field(None, description="how the files are named")
    sites: Path | None = Field(None, description="table of sites")

    @field_validator("sites", mode="before")
    @classmethod
    def _sites_path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    def told(self) -> dict[str, str | None]:
        """The settings for the manifest."""
        sites = os.path.abspath(self.sites) if self.sites is not None else None
        return {"timezone": self.timezone, "name_pattern": self.name_pattern, "sites": sites}


@dataclass(frozen=True)
class Placing:
    """How recordings are placed in time and space.

    Attributes
    ----------
    clock : Clock
        Reads names and headers.
    sites : Sites
        The user's table; empty where there is none.
    n_unmatched : int
        Recordings that the user's name pattern does not match.
    settings : PlaceSettings
        What the user asked for.
    """

    clock: Clock
    sites: Sites
    n_unmatched: int
    settings: PlaceSettings

    def placed(self, result: FileResult) -> FileResult:
        """A result with its origin, by the recording's name and its header's tags."""
        name = result.recording.name
        origin = self.sites.placed(name, self.clock.origin(name, result.tags))
        return replace(result, origin=origin, message=joined(result.message, origin.remark))


def plan_placing(settings: PlaceSettings, recordings: Sequence[Recording]) -> Placing:
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
    return Placing(clock, sites, n_unmatched, settings)


class Remarks:
    """What the user should know of the times and sites of all results, counted as they come."""

    def __init__(self, placing: Placing) -> None:
        self._placing = placing
        self._n_all = self._n_without = self._n_bare = self._n_nowhere = 0

    def add(self, result: FileResult) -> None:
        """Count a result."""
        start = result.origin.start
        self._n_all += 1
        self._n_without += start is None
        self._n_bare += start is not None and start.tzinfo is None
        self._n_nowhere += not result.origin.site

    def told(self) -> list[str]:
        """A line each; nothing where nothing is to be known."""
        sites = self._placing.sites
        has_table = bool(sites.by_folder or sites.by_device)
        told = [
            (
                self._placing.n_unmatched,
                "do not match --name-pattern; header and usual names were read",
            ),
            (self._n_without if self._n_without < self._n_all else 0, "have no start time"),
            (
                self._n_bare,
                "have a start without time zone, as their clock showed it; --timezone names it",
            ),
            (self._n_nowhere * has_table, "are of no row of --sites and have no site"),
        ]
        return [f"{n} of {self._n_all} recordings {what}." for n, what in told if n]
