"""How the results of a scan came about, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from counter.output.own import MADE_BY
from counter.output.writing import LazyList, write_json
from counter.records import Recording


@dataclass(frozen=True)
class Manifest:
    """What a scan was: enough to do it again and to see whether anything changed.

    Attributes
    ----------
    command : tuple of str
        The command line, one word each.
    versions : mapping of str to str
        Versions of callcount and of what it stands on.
    bundle : mapping of str to str
        ``path``, ``name``, ``hash``, and ``which``: how the bundle was chosen.
    settings : mapping
        The settings as resolved; plain JSON values.
    inputs : sequence of Recording
        What was to be scanned, in order.
    started_s : float
        Start of this run of the scan, seconds since the epoch.
    wall_s, audio_s : float
        How long the run took, and how much sound it scanned, seconds.
    n_earlier : int
        Recordings that earlier runs had done.
    counts : mapping of str to int
        Recordings by status.
    plots : tuple of str
        File names of the plots, in order; may be empty.
    """

    command: tuple[str, ...]
    versions: Mapping[str, str]
    bundle: Mapping[str, str]
    settings: Mapping[str, Any]
    inputs: Sequence[Recording]
    started_s: float
    wall_s: float
    audio_s: float
    n_earlier: int
    counts: Mapping[str, int]
    plots: tuple[str, ...] = ()


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest as indented JSON in UTF-8; keys are sorted where order says nothing.

    Times are ISO 8601 in UTC; a size or time that is unknown is null.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    rate = round(manifest.audio_s / manifest.wall_s, 3) if manifest.wall_s > 0 else None
    data = {
        "made_by": MADE_BY,
        "command": list(manifest.command),
        "versions": _sorted(manifest.versions),
        "bundle": _sorted(manifest.bundle),
        "settings": _sorted(manifest.settings),
        "started": _utc(manifest.started_s),
        "wall_s": round(manifest.wall_s, 3),
        "audio_s": round(manifest.audio_s, 3),
        "times_real_time": rate,
        "done_earlier": manifest.n_earlier,
        "counts": _sorted(manifest.counts),
        "inputs": LazyList(map(_input, manifest.inputs), len(manifest.inputs)),
        "plots": list(manifest.plots),
    }
    write_json(path, data)


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
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
