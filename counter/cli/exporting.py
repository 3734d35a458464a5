"""Events in other formats, and clips of events: the options of ``scan`` about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from counter.cli.console import stderr
from counter.config import Settings
from counter.errors import OutputError
from counter.output.eventclips import (
    FOLDER,
    ClipChoice,
    check_clips,
    choose_clips,
    remove_clips,
    write_clips,
)
from counter.output.eventrows import ScanEvents
from counter.output.formatnames import CSV, FORMAT_NAMES
from counter.output.formats import FORMATS
from counter.records import Recording


class ExportSettings(Settings):
    """Settings of what is written besides the tables."""

    formats: tuple[str, ...] = Field((CSV,), description="how events are written")
    clips: int = Field(0, ge=0, description="clips of each label")
    clips_by: Literal["score", "random"] = Field("score", description="which events are cut out")
    clips_seed: int = Field(0, ge=0, description="seed of clips drawn by chance")
    clips_margin_s: float = Field(1.0, ge=0, le=60, description="before and after each event")
    spreadsheet_safe: bool = Field(True, description="no cell of a table is a formula")

    @field_validator("formats", mode="before")
    @classmethod
    def _formats(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("formats")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in FORMAT_NAMES]:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(FORMAT_NAMES)}")
        return tuple(name for name in FORMAT_NAMES if name in value or name == CSV)


@dataclass(frozen=True)
class Exports:
    """What is written besides the tables, and where; made by ``plan_exports``."""

    folder: Path
    settings: ExportSettings

    def remove_old(self) -> None:
        """Remove what earlier scans of this name exported, wanted or not, and nothing else.

        Raises
        ------
        OutputError
            A file cannot be removed.
        """
        try:
            for one in FORMATS.values():
                one.remove(self.folder)
            remove_clips(self.folder)
        except OSError as error:
            raise OutputError.unwritable(Path(error.filename or self.folder), error) from error

    def told(self) -> dict[str, Any]:
        """The settings for the manifest."""
        return self.settings.model_dump(mode="json", include=set(ExportSettings.model_fields))

    def files(self) -> list[Path]:
        """Where that goes: files and folders."""
        named = [FORMATS[name].path for name in self.settings.formats if name != CSV]
        return [self.folder / one for one in (*named, *([FOLDER] if self.settings.clips else []))]

    def write(self, events: ScanEvents, labels: Sequence[str]) -> None:
        """Write all that is wanted, and say so.

        Raises
        ------
        OutputError
            A file cannot be written.
        """
        wanted = [FORMATS[name] for name in self.settings.formats if name != CSV]
        for one in wanted:
            one.write(self.folder, events)
        told = [one.path for one in wanted]
        if self.settings.clips:
            told.append(self._cut(events, labels))
        if told:
            stderr().print(f"Also in {self.folder}: {', '.join(told)}", markup=False)

    def _cut(self, events: ScanEvents, labels: Sequence[str]) -> str:
        settings = self.settings
        choice = ClipChoice(settings.clips, settings.clips_by, settings.clips_seed)
        rows = choose_clips(events, labels, choice)
        for problem in write_clips(self.folder, rows, settings.clips_margin_s):
            stderr().print(f"no clip: {problem}", style="red", markup=False)
        return FOLDER


def plan_exports(
    settings: ExportSettings, folder: Path, recordings: Sequence[Recording]
) -> Exports:
    """Find everything in the way of what is wanted; nothing is made or changed.

    Parameters
    ----------
    settings : ExportSettings
        What is wanted.
    folder : Path
        The scan's folder, which need not be there yet.
    recordings : sequence of Recording
        What will be scanned.

    Raises
    ------
    CallcountError
        A library is missing, or what callcount did not make is in the way.
    """
    names = [recording.name for recording in recordings]
    try:
        for name in settings.formats:
            if name != CSV:
                FORMATS[name].check(folder, names)
        if settings.clips:
            check_clips(folder)
    except OSError as error:
        raise OutputError.unwritable(Path(error.filename or folder), error) from error
    return Exports(folder, settings)
