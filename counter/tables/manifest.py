"""Results folder of a scan: its paths, and the manifest that says how it came about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counter.errors import CallcountError
from counter.records import Recording
from counter.storage.file_names import safe_name, shortened
from counter.tables.csv import MADE_BY, LazyList
from counter.timestamps import moment_of

MAX_NAME_BYTES = 120
_RESERVED = ("overview", "calls_by_day", "calls_by_hour")


def plot_names(names: Iterable[str]) -> dict[str, str]:
    """Give each recording's plot a file name that is safe, bounded and unlike any other.

    ``/`` becomes ``__`` and the rest what ``safe_name`` makes of it, at most ``MAX_NAME_BYTES``
    bytes with ``.png``. A name that was cut, or that would equal another on a file system which
    ignores case, gets a digest of the recording's name. The order of ``names``, each there once,
    does not matter; without names there is nothing.
    """
    stems = {name: safe_name(name.replace("/", "__")) for name in names}
    taken = Counter(stem.casefold() for stem in stems.values())
    taken.update(_RESERVED)
    return {name: _file_name(name, stem, taken[stem.casefold()]) for name, stem in stems.items()}


def _file_name(name: str, stem: str, n_alike: int) -> str:
    room = MAX_NAME_BYTES - len(".png")
    if n_alike == 1 and len(stem.encode()) <= room:
        return f"{stem}.png"
    return shortened(stem, room, of=name) + ".png"


class OutputPaths:
    """The files and folders of ``-o x/y.csv``, one row a recording; all else is in ``x/y``."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.folder = results.parent / results.stem
        self.events = self.folder / "events.csv"  # one row an event
        self.recordings = self.folder / "recordings.csv"  # when and where each was made; effort
        self.manifest = self.folder / "manifest.json"
        self.journal = self.folder / "journal.sqlite"  # what is done; see ``scanning.journal``
        self.review = self.folder / "review.sqlite"  # what persons answered: ``review.answers``
        self.scores = self.folder / "scores.npz"  # the frame scores, where they are kept
        self.lock = self.folder / ".scan.lock"  # held by the scan that is at work
        self.report = self.folder / "report.html"  # where one is wanted
        self.plots = self.folder / "plots"
        self.overview = self.plots / "overview.png"

    def summary(self, of: str) -> Path:
        """``x/y/summary_site.csv``, ``summary_day.csv`` or ``summary_hour.csv``."""
        return self.folder / f"summary_{of}.csv"

    def every(self) -> list[Path]:
        """Files that a scan may write, but for pictures, exports and the report."""
        tables = [self.results, self.events, self.recordings]
        tables += [self.summary(of) for of in ("site", "day", "hour")]
        return [*tables, self.manifest, self.scores, self.journal]


def is_own_manifest(path: Path) -> bool:
    """Whether a file is JSON that says it was made by callcount."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(data, Mapping) and data.get("made_by") == MADE_BY


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a scan.

    Raises
    ------
    CallcountError
        It cannot be read, was not made by callcount, or is of a newer version's format.
    """
    fix = "Scan again with callcount scan."
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CallcountError(f"cannot read {path}: {error}.", fix) from error
    if not isinstance(data, dict) or data.get("made_by") != MADE_BY:
        raise CallcountError(f"{path} was not made by callcount.", fix)
    # before there was a number, the format was that of 1
    if (found := data.get("format", FORMAT)) != FORMAT:
        raise CallcountError(
            f"{path} has format {found}, this callcount reads {FORMAT}.", "Update callcount."
        )
    return data


# Of the folder of a scan: manifest and tables. Columns may come without a new number, since
# readers find them by name.
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """What a scan was: enough to do it again and to see whether anything changed."""

    command: tuple[str, ...]  # the command line, one word each
    versions: Mapping[str, str]  # versions of callcount and of what it stands on
    # ``path``, ``name``, ``hash``, and ``which``: how the bundle was chosen
    bundle: Mapping[str, str]
    settings: Mapping[str, Any]  # the settings as resolved; plain JSON values
    inputs: Sequence[Recording]  # what was to be scanned, in order
    started_s: float  # start of this run of the scan, seconds since the epoch
    # how long the run took, and how much sound it scanned, seconds
    wall_s: float
    audio_s: float
    n_earlier: int  # recordings that earlier runs had done
    counts: Mapping[str, int]  # recordings by status
    plots: tuple[str, ...] = ()  # file names of the plots, in order; may be empty

    def data(self) -> dict[str, Any]:
        """What the file says; keys are sorted where order says nothing.

        Times are ISO 8601 in UTC; a size or time that is unknown is null. ``inputs`` is for
        ``write_json`` alone: it is not held in memory.
        """
        rate = round(self.audio_s / self.wall_s, 3) if self.wall_s > 0 else None
        return {
            "made_by": MADE_BY,
            "format": FORMAT,
            "command": list(self.command),
            "versions": _sorted(self.versions),
            "bundle": _sorted(self.bundle),
            "settings": _sorted(self.settings),
            "started": _utc(self.started_s),
            "wall_s": round(self.wall_s, 3),
            "audio_s": round(self.audio_s, 3),
            "times_real_time": rate,
            "done_earlier": self.n_earlier,
            "counts": _sorted(self.counts),
            "inputs": LazyList(map(_input, self.inputs), len(self.inputs)),
            "plots": list(self.plots),
        }


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return value


def _input(recording: Recording) -> dict[str, Any]:
    return {
        "name": recording.name,
        "size_bytes": recording.size_bytes if recording.size_bytes >= 0 else None,
        "modified": _utc(recording.modified_s) if recording.modified_s else None,
    }


def _utc(seconds: float) -> str:
    moment = moment_of(seconds)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
