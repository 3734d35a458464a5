"""Journal of a scan: what is done, in SQLite beside the results; how far it is."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from counter.errors import CallcountError, OutputError, output_errors
from counter.records import FAILED, Event, FileResult, Origin, Recording, Tags
from counter.storage.sqlite import Kind
from counter.storage.urls import absolute


def body_of(result: FileResult) -> str:
    """All of an outcome but its recording, picture and scores, as JSON."""
    tags = result.tags
    # Chunks are bytes of unknown encoding: one character a byte.
    chunks = [chunk.decode("latin-1") for chunk in (tags.guano, tags.bwf)]
    data: dict[str, Any] = {
        "status": result.status,
        "message": result.message,
        "duration_s": result.duration_s,
        "scanned_s": result.scanned_s,
        "events": [[e.label, e.start_s, e.end_s, e.peak_s, e.score] for e in result.events],
        "sample_rate_hz": result.sample_rate_hz,
        "channels": result.channels,
        "dead_s": result.dead_s,
        "tags": [tags.comment, tags.artist, *chunks],
        "origin": _origin_list(result.origin) if result.origin != Origin() else None,
    }
    return json.dumps({name: value for name, value in data.items() if value})


def result_of(recording: Recording, body: str) -> FileResult:
    """The outcome that ``body_of`` told."""
    data = json.loads(body)
    comment, artist, guano, bwf = data.pop("tags")
    tags = Tags(comment, artist, guano.encode("latin-1"), bwf.encode("latin-1"))
    events = tuple(Event(*event) for event in data.pop("events", ()))
    dead_s = tuple((start, end) for start, end in data.pop("dead_s", ()))
    origin = _origin_of(data.pop("origin", None))
    return FileResult(recording, events=events, dead_s=dead_s, tags=tags, origin=origin, **data)


def _origin_list(origin: Origin) -> list[Any]:
    """An origin as plain values; a zone by its name, since its offset changes over the year."""
    start, zone = origin.start, getattr(origin.start and origin.start.tzinfo, "key", "")
    rest = [origin.site, origin.device, origin.latitude, origin.longitude, origin.remark]
    return [start.isoformat() if start is not None else "", zone, *rest]


def _origin_of(values: list[Any] | None) -> Origin:
    if values is None:
        return Origin()
    text, zone, *rest = values
    start = datetime.fromisoformat(text) if text else None
    if start is not None and zone:
        start = start.astimezone(ZoneInfo(zone))
    return Origin(start, *rest)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS recordings (
    position INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, modified_s REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS outcomes (
    path BLOB PRIMARY KEY, size_bytes INTEGER NOT NULL, modified_s REAL NOT NULL,
    settings INTEGER NOT NULL, status TEXT NOT NULL, calls INTEGER NOT NULL,
    scanned_s REAL NOT NULL, ended_s REAL NOT NULL, body TEXT NOT NULL, scores BLOB
);
"""
JOURNAL = Kind(
    application_id=0x63636A31,  # "ccj1"
    schema=_SCHEMA,
    # A power cut may lose the last outcomes, which are scanned again, and nothing else.
    synchronous="NORMAL",
    unwritable="Mend that and run the same command again: what is done is kept.",
    damaged="Start over with --fresh.",
)
# An outcome stands while recording and settings are the same.
STANDING = (
    "outcomes AS o ON o.path = r.path AND o.size_bytes = r.size_bytes"
    " AND o.modified_s = r.modified_s AND o.settings = :settings"
)


def remove_journal(path: Path) -> None:
    """Remove a journal with what SQLite keeps beside it; nothing where there is none.

    Raises
    ------
    OutputError
        It cannot be removed.
    """
    with output_errors(path):
        for name in (f"{path}-wal", f"{path}-shm", str(path)):
            Path(name).unlink(missing_ok=True)


Logits = NDArray[np.float16]

# Name of the fact when the last run that had something to do began, seconds since the epoch.
STARTED = "started_s"
_PLACED = "placed"
_LOOK_EVERY_S = 1.0
_PAGE = 500  # recordings read at a time
_DONE = f"recordings AS r JOIN {STANDING}"
_LEFT = f"recordings AS r LEFT JOIN {STANDING} WHERE o.path IS NULL"


@dataclass(frozen=True)
class Changes:
    """Why outcomes of an earlier run do not stand."""

    n_files: int  # recordings whose size or time of last change is another
    n_settings: int  # recordings that were scanned with other settings
    # names of the settings that differ from the last run's; empty where none does
    settings: tuple[str, ...]
    is_of_earlier: bool  # whether it was written by an earlier callcount, whose outcomes stand


class Journal:
    """The journal of one output, open for one process; a context manager.

    The file is made where it is missing; its folder is there.

    Raises
    ------
    CallcountError
        The file is damaged, or no journal.
    OutputError
        It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = JOURNAL.open(path)
        self._settings = 0
        self._seen_s = time.monotonic()
        self._recordings: Sequence[Recording] = ()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def begin(
        self,
        recordings: Sequence[Recording],
        settings: Mapping[str, Any],
        *,
        earlier: Mapping[str, Any] | None = None,
    ) -> Changes:
        """Note what is to be scanned and how; what of earlier runs does not stand any more.

        Recordings are in the order of the tables. ``settings`` is all that decides an outcome,
        plain JSON values, and ``earlier`` the same as an earlier callcount that counted alike wrote
        it down.
        """
        rows = (
            (place, _key(one), one.name, one.size_bytes, one.modified_s)
            for place, one in enumerate(recordings)
        )
        with JOURNAL.named_errors(self.path), self._transaction():
            text = json.dumps(settings, sort_keys=True)
            is_of_earlier = self._rename_settings(json.dumps(earlier, sort_keys=True), text)
            before = self.fact("settings")
            self._db.execute("DELETE FROM recordings")
            self._db.executemany("INSERT INTO recordings VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute("INSERT OR IGNORE INTO settings (text) VALUES (?)", [text])
            found = self._db.execute("SELECT id FROM settings WHERE text = ?", [text]).fetchone()
            self._settings = found[0]
            self.note("settings", text)
            self._recordings = recordings
            differ = _differing(json.loads(before) if before else settings, settings)
            return Changes(*self._n_changed(), differ, is_of_earlier)

    def _rename_settings(self, old: str, new: str) -> bool:
        """Have outcomes that were written with the ``old`` text of settings stand for the new."""
        known = {text for (text,) in self._db.execute("SELECT text FROM settings")}
        if old not in known or new in known:
            return False
        self._db.execute("UPDATE settings SET text = ? WHERE text = ?", (new, old))
        self._db.execute("UPDATE facts SET value = ? WHERE value = ?", (new, old))
        return True

    def _n_changed(self) -> tuple[int, int]:
        """Outcomes of recordings that have changed, and of those that had other settings."""
        of_files, of_settings = self._db.execute(
            "SELECT sum(o.size_bytes != r.size_bytes OR o.modified_s != r.modified_s),"
            " sum(o.settings != ? AND o.size_bytes = r.size_bytes AND o.modified_s = r.modified_s)"
            " FROM recordings AS r JOIN outcomes AS o USING (path)",
            [self._settings],
        ).fetchone()
        return of_files or 0, of_settings or 0

    def forget(self, *, failed: bool = False, without_scores: bool = False) -> int:
        """Take back outcomes, so that their recordings are left again; how many.

        Those that failed, or those of scanned recordings whose scores were not kept.
        """
        wanted = f"({failed:d} AND status = '{FAILED}') OR ({without_scores:d} AND scores IS NULL"
        wanted += f" AND status != '{FAILED}')"
        listed = "path IN (SELECT path FROM recordings)"
        with JOURNAL.named_errors(self.path), self._transaction():
            n_found: int = self._db.execute(
                f"SELECT count(*) FROM outcomes WHERE ({wanted}) AND {listed}"
            ).fetchone()[0]
            self._db.execute(f"DELETE FROM outcomes WHERE ({wanted}) AND {listed}")
        return n_found

    def add(self, result: FileResult, logits: Logits | None = None) -> None:
        """Write an outcome; ``logits`` as ``tables.scores`` keeps them, where they are kept."""
        self._check_there()
        one = result.recording
        row = (
            _key(one),
            one.size_bytes,
            one.modified_s,
            self._settings,
            result.status,
            result.calls(),
            result.scanned_s,
            time.time(),
            body_of(result),
            None if logits is None else logits.astype("<f2").tobytes(),
        )
        with JOURNAL.named_errors(self.path):
            self._db.execute(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )

    def place(self, placed: Callable[[FileResult], FileResult], how: str) -> None:
        """Give outcomes of earlier runs another origin, unless they were placed the same way.

        ``how`` is all that decides an origin, in words or as a digest.
        """
        if self.fact(_PLACED) == how:
            return
        with JOURNAL.named_errors(self.path), self._transaction():
            for result in self:
                row = (body_of(placed(result)), _key(result.recording), self._settings)
                self._db.execute(
                    "UPDATE outcomes SET body = ? WHERE path = ? AND settings = ?", row
                )
            self.note(_PLACED, how)

    def _check_there(self) -> None:
        """Make sure now and then that the file is still in its folder: SQLite would not notice."""
        if time.monotonic() - self._seen_s < _LOOK_EVERY_S:
            return
        if not self.path.exists():
            fix = "Was its folder moved or removed? Bring it back, or the scan starts over."
            raise OutputError(f"{self.path} is gone.", fix)
        self._seen_s = time.monotonic()

    def left(self) -> list[int]:
        """Positions of the recordings without an outcome, in order."""
        return [row[0] for row in self._rows(f"SELECT r.position FROM {_LEFT} ORDER BY 1")]

    def __iter__(self) -> Iterator[FileResult]:
        """Outcomes in the order of the recordings, without their scores; read anew each time."""
        query = f"SELECT r.position, o.body FROM {_DONE} WHERE r.position > :after"
        for position, body in self._paged(query):
            yield result_of(self._recordings[position], body)

    def logits(self) -> Iterator[tuple[Recording, Logits]]:
        """Kept logits, flat, of each recording that has some, in order."""
        query = f"SELECT r.position, o.scores FROM {_DONE} WHERE r.position > :after"
        for position, scores in self._paged(f"{query} AND o.scores IS NOT NULL"):
            yield self._recordings[position], np.frombuffer(scores, "<f2").astype(np.float16)

    def most_calls(self, n: int) -> list[tuple[int, int]]:
        """Calls and position of the ``n`` scanned recordings with most calls, the first ones."""
        query = (
            f"SELECT o.calls, r.position FROM {_DONE} WHERE o.status != '{FAILED}'"
            f" ORDER BY o.calls DESC, r.position LIMIT {n:d}"
        )
        return [(calls, position) for calls, position in self._rows(query)]

    def statuses(self) -> Counter[str]:
        """Recordings by status."""
        query = f"SELECT o.status, count(*) FROM {_DONE} GROUP BY o.status"
        return Counter({status: n for status, n in self._rows(query)})

    def _paged(self, query: str) -> Iterator[Sequence[Any]]:
        """Rows by ascending position, which comes first; no cursor stays open between pages."""
        after = -1
        while page := self._rows(f"{query} ORDER BY r.position LIMIT {_PAGE}", after=after):
            yield from page
            after = page[-1][0]

    def _rows(self, query: str, **values: object) -> list[Sequence[Any]]:
        with JOURNAL.named_errors(self.path):
            return self._db.execute(query, {"settings": self._settings, **values}).fetchall()

    def sums(self) -> tuple[int, float]:
        """Calls and seconds scanned, of all recordings."""
        query = f"SELECT total(o.calls), total(o.scanned_s) FROM {_DONE}"
        calls, scanned_s = self._rows(query)[0]
        return int(calls), scanned_s

    def since(self, moment_s: float) -> tuple[int, float]:
        """Recordings done before a moment (seconds since the epoch), and seconds scanned since."""
        query = (
            "SELECT total(o.ended_s < :moment), total(o.scanned_s * (o.ended_s >= :moment))"
            f" FROM {_DONE}"
        )
        n_before, scanned_s = self._rows(query, moment=moment_s)[0]
        return int(n_before), scanned_s

    def fact(self, name: str) -> str:
        """What ``note`` noted under a name; empty where nothing was."""
        with JOURNAL.named_errors(self.path):
            found = self._db.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return found[0] if found else ""

    def note(self, name: str, value: str) -> None:
        """Note something about the run as a whole."""
        with JOURNAL.named_errors(self.path):
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", [name, value])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    # what an earlier callcount had no name for is no difference that says anything
    return tuple(name for name in now if before.get(name, now[name]) != now[name])


def _key(recording: Recording) -> bytes:
    return os.fsencode(absolute(recording.path))


_CURRENT = """
SELECT id FROM settings JOIN facts ON value = text WHERE name = 'settings'
"""
_ROWS = f"""
SELECT r.name, o.status, o.scanned_s, o.ended_s FROM recordings AS r LEFT JOIN {STANDING}
ORDER BY r.position
"""


@dataclass
class Share:
    """Recordings of a folder, of a run, or all."""

    n_done: int = 0  # those that failed left out
    n_failed: int = 0
    n_left: int = 0
    scanned_s: float = 0.0

    def add(self, status: str | None, scanned_s: float | None) -> None:
        """Count a recording; one without a status is left."""
        self.n_left += status is None
        self.n_failed += status == FAILED
        self.n_done += status not in (None, FAILED)
        self.scanned_s += scanned_s or 0.0

    @property
    def n(self) -> int:
        """All of them."""
        return self.n_done + self.n_failed + self.n_left


@dataclass
class ScanState:
    """How far a scan is."""

    total: Share = field(default_factory=Share)  # of all recordings
    # of those in each folder, ``.`` for the one that was given; in the order of the recordings
    by_folder: dict[str, Share] = field(default_factory=dict)
    lately: Share = field(default_factory=Share)  # of those that the last run has done
    # seconds from the start of the last run to its last outcome; 0 where there is none
    lately_s: float = 0.0


def read_state(path: Path) -> ScanState:
    """Read how far a scan is; it may go on meanwhile.

    Raises
    ------
    CallcountError
        There is no journal, or it is damaged.
    """
    if not JOURNAL.is_own(path):
        fix = "Name the table of a scan, as it was given with -o."
        raise CallcountError(f"{path} is no journal of a scan.", fix)
    state = ScanState()
    with JOURNAL.named_errors(path), closing(JOURNAL.open_to_read(path)) as db:
        facts = dict(db.execute("SELECT name, value FROM facts").fetchall())
        settings = (db.execute(_CURRENT).fetchone() or [0])[0]
        started_s = float(facts.get(STARTED, 0))
        for name, status, scanned_s, ended_s in db.execute(_ROWS, {"settings": settings}):
            folder = str(PurePosixPath(name).parent)
            of_last_run = [state.lately] if ended_s is not None and ended_s >= started_s else []
            for share in (state.total, state.by_folder.setdefault(folder, Share()), *of_last_run):
                share.add(status, scanned_s)
            state.lately_s = max(state.lately_s, (ended_s or 0.0) - started_s)
    return state
