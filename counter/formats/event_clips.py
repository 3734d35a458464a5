"""Clips of events as FLAC: which ones, and where they go."""

from __future__ import annotations

import hashlib
import heapq
import os
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

import soundfile as sf

from counter.audio.clips import read_spans
from counter.audio.stream import probe
from counter.errors import AudioError, OutputError
from counter.records import FloatArray
from counter.storage.atomic import atomic_write
from counter.storage.png import name_digest
from counter.tables.csv import has_header, write_csv
from counter.tables.event_rows import EventRow, ScanEvents
from counter.tables.manifest import plot_names
from counter.timebase import Timebase

FOLDER, TABLE = "clips", "clips.csv"
BY_SCORE, BY_CHANCE = "score", "random"
COLUMNS = (
    "clip",
    "recording",
    "event",
    "label",
    "start_s",
    "end_s",
    "score",
    "clip_start_s",
    "clip_end_s",
)
_OURS = re.compile(r".*-\d+\.flac", re.DOTALL)
_HEAD_BYTES = 4096


def check_clips(folder: Path) -> None:
    """Make sure before the work that clips can go below a folder.

    Raises
    ------
    OutputError
        A file is in the way that callcount did not make.
    """
    base = folder / FOLDER
    if os.path.lexists(base) and not base.is_dir():
        raise OutputError.clash(base)
    for path in _clips_in(base):
        if not is_own_clip(path):
            raise OutputError.clash(path)
    if os.path.lexists(base / TABLE) and not _is_own_table(base / TABLE):
        raise OutputError.clash(base / TABLE)


def remove_clips(folder: Path) -> None:
    """Remove the clips of an earlier scan and their table, and the folders that are empty then.

    Raises
    ------
    OSError
        A file cannot be removed.
    """
    base = folder / FOLDER
    for path in _clips_in(base):
        if is_own_clip(path):
            path.unlink()
    if os.path.lexists(base / TABLE) and _is_own_table(base / TABLE):
        (base / TABLE).unlink()
    for place in (*_folders_in(base), base):
        if place.is_dir() and not os.listdir(place):
            place.rmdir()


def choose_clips(
    events: ScanEvents, labels: Sequence[str], n_each: int, *, by: str, seed: int
) -> tuple[EventRow, ...]:
    """The events to cut out, label by label, best (or first drawn) first.

    At most ``n_each`` of a label, and no more are held: those of highest score, or by chance, each
    event as likely as any other. The draw does not depend on the order of recordings.
    """

    def key(row: EventRow) -> tuple[float | bytes, str, int]:
        drawn = -row.score if by == BY_SCORE else lot(seed, row.recording, row.event)
        return drawn, row.recording, row.event

    return tuple(
        row
        for label in labels
        for row in heapq.nsmallest(n_each, (row for row in events if row.label == label), key=key)
    )


def lot(seed: int, recording: str, event: int) -> bytes:
    """What an event draws, from its recording's name and its number in it: lowest goes first."""
    text = f"{seed}\0{event}\0{recording}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()


def write_clips(folder: Path, rows: Sequence[EventRow], margin_s: float) -> list[str]:
    """Cut the clips (FLAC, mono, at the recording's own rate) and write their table.

    Each has ``margin_s`` seconds before and after its event; no event leaves a table without rows.
    Gives what went wrong: recordings that can no longer be read, or end before the event.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    base = folder / FOLDER
    names = clip_names(rows)
    try:
        for place in {(base / name).parent for name in names} | {base}:
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.unwritable(base, error) from error
    spans_s: dict[str, tuple[float, float]] = {}
    wrong = []
    in_order = sorted(zip(names, rows, strict=True), key=lambda one: _place(one[1]))
    for path, group in groupby(in_order, key=lambda one: one[1].source.path):
        try:
            for name, span_s in _cut(base, list(group), margin_s):
                spans_s[name] = span_s
        except (AudioError, sf.LibsndfileError) as error:
            wrong.append(f"{path}: {' '.join(str(error).split())}")
    made = zip(names, rows, strict=True)
    write_csv(
        base / TABLE, COLUMNS, (_row(*one, *spans_s[one[0]]) for one in made if one[0] in spans_s)
    )
    return wrong


def clip_names(rows: Sequence[EventRow]) -> list[str]:
    """File of each event below the folder of clips; no two alike."""
    recordings = {row.recording for row in rows}
    bare = {name: name.removesuffix(PurePosixPath(name).suffix) for name in recordings}
    stems = bare if len(set(bare.values())) == len(bare) else {name: name for name in bare}
    files = {name: file.removesuffix(".png") for name, file in plot_names(stems.values()).items()}
    folders = plot_names({row.label for row in rows})
    return [
        f"{folders[row.label].removesuffix('.png')}/{files[stems[row.recording]]}-{row.event}.flac"
        for row in rows
    ]


def is_own_clip(path: Path) -> bool:
    """Whether ``write_clips`` made this file under this very name."""
    with path.open("rb") as file:
        return _mark(path.name).encode() in file.read(_HEAD_BYTES)


def _mark(file_name: str) -> str:
    return f"callcount clip {name_digest(file_name)}"


def _is_own_table(path: Path) -> bool:
    return has_header(path, lambda row: tuple(row) == COLUMNS)


def _folders_in(base: Path) -> list[Path]:
    if not base.is_dir():
        return []
    return sorted(path for path in base.iterdir() if path.is_dir() and not path.is_symlink())


def _clips_in(base: Path) -> list[Path]:
    """Files named as ``write_clips`` names them, whoever made them."""
    files = (path for folder in _folders_in(base) for path in sorted(folder.iterdir()))
    return [path for path in files if _OURS.fullmatch(path.name) and path.is_file()]


def _place(row: EventRow) -> tuple[str, float]:
    return row.source.path, row.start_s


def _cut(
    base: Path, named: Sequence[tuple[str, EventRow]], margin_s: float
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Write the clips of one recording, in order of start; where each begins and ends in it."""
    path = named[0][1].source.path
    rate_hz = probe(path).sample_rate_hz
    samples = Timebase(rate_hz, 1).samples
    spans = [
        (samples(max(0.0, row.start_s - margin_s)), samples(row.end_s + margin_s))
        for _, row in named
    ]
    clips = read_spans(path, rate_hz, spans)
    for (name, row), (first, _), clip in zip(named, spans, clips, strict=True):
        if not len(clip):
            raise AudioError(f"it ends before {row.start_s:.1f} s")
        write_clip(base / name, clip, rate_hz)
        yield name, (first / rate_hz, (first + len(clip)) / rate_hz)


def write_clip(path: Path, clip: FloatArray, rate_hz: int) -> None:
    """Write one clip, which says that callcount made it; mono, its folder being there."""
    with (
        atomic_write(path) as temporary,
        sf.SoundFile(temporary, "w", rate_hz, 1, format="FLAC", subtype="PCM_24") as file,
    ):
        file.comment = _mark(path.name)
        file.write(clip)


def _row(name: str, row: EventRow, start_s: float, end_s: float) -> list[str]:
    own = [row.text(column) for column in COLUMNS[1:7]]
    return [name, *own, f"{start_s:.3f}", f"{end_s:.3f}"]
