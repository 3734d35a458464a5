"""What of a scan is done: a SQLite file beside the results, so that nothing is done twice.

A scan writes each outcome here as soon as it is known, and its tables from here alone: so a run
that was killed and begun again gives the very tables of one that was not. A recording is known by
its full path, size and time of last change; an outcome counts while these and the settings that
decide it are what they were.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.errors import OutputError
from counter.journalfile import JOURNAL, STANDING
from counter.journalrows import body_of, result_of
from counter.records import FAILED, FileResult, Recording
from counter.remote.urls import absolute

Logits = NDArray[np.float16]

# Name of the fact when the last run that had something to do began, seconds since the epoch.
STARTED = "started_s"
_LOOK_EVERY_S = 1.0
_PAGE = 500  # recordings read at a time
_DONE = f"recordings AS r JOIN {STANDING}"
_LEFT = f"recordings AS r LEFT JOIN {STANDING} WHERE o.path IS NULL"


@dataclass(frozen=True)
class Changes:
    """Why outcomes of an earlier run do not stand.

    Attributes
    ----------
    n_files : int
        Recordings whose size or time of last change is another.
    n_settings : int
        Recordings that were scanned with other settings.
    settings : tuple of str
        Names of the settings that differ from the last run's; empty where none does.
    """

    n_files: int
    n_settings: int
    settings: tuple[str, ...]


class Journal:
    """The journal of one output, open for one process; a context manager.

    Parameters
    ----------
    path : Path
        The file, made where it is missing; its folder is there.

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

    def begin(self, recordings: Sequence[Recording], settings: Mapping[str, Any]) -> Changes:
        """Note what is to be scanned and how; what of earlier runs does not stand any more.

        Parameters
        ----------
        recordings : sequence of Recording
            In the order of the tables.
        settings : mapping
            All that decides an outcome; plain JSON values.
        """
        rows = (
            (place, _key(one), one.name, one.size_bytes, one.modified_s)
            for place, one in enumerate(recordings)
        )
        with JOURNAL.told(self.path), self._transaction():
            before = self._fact("settings")
            self._db.execute("DELETE FROM recordings")
            self._db.executemany("INSERT INTO recordings VALUES (?, ?, ?, ?, ?)", rows)
            text = json.dumps(settings, sort_keys=True)
            self._db.execute("INSERT OR IGNORE INTO settings (text) VALUES (?)", [text])
            found = self._db.execute("SELECT id FROM settings WHERE text = ?", [text]).fetchone()
            self._settings = found[0]
            self._note("settings", text)
            self._recordings = recordings
            return self._changes(json.loads(before) if before else settings, settings)

    def _changes(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
        of_files, of_settings = self._db.execute(
            "SELECT sum(o.size_bytes != r.size_bytes OR o.modified_s != r.modified_s),"
            " sum(o.settings != ? AND o.size_bytes = r.size_bytes AND o.modified_s = r.modified_s)"
            " FROM recordings AS r JOIN outcomes AS o USING (path)",
            [self._settings],
        ).fetchone()
        differ = tuple(name for name in now if before.get(name) != now[name])
        return Changes(of_files or 0, of_settings or 0, differ)

    def forget(self, *, failed: bool = False, without_scores: bool = False) -> int:
        """Take back outcomes, so that their recordings are left again; how many.

        Parameters
        ----------
        failed : bool
            Those that failed.
        without_scores : bool
            Those of scanned recordings whose scores were not kept.
        """
        wanted = f"({failed:d} AND status = '{FAILED}') OR ({without_scores:d} AND scores IS NULL"
        wanted += f" AND status != '{FAILED}')"
        listed = "path IN (SELECT path FROM recordings)"
        with JOURNAL.told(self.path), self._transaction():
            n_found: int = self._db.execute(
                f"SELECT count(*) FROM outcomes WHERE ({wanted}) AND {listed}"
            ).fetchone()[0]
            self._db.execute(f"DELETE FROM outcomes WHERE ({wanted}) AND {listed}")
        return n_found

    def add(self, result: FileResult, logits: Logits | None = None) -> None:
        """Write an outcome; ``logits`` as ``output.scores`` keeps them, where they are kept."""
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
        with JOURNAL.told(self.path):
            self._db.execute(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
            )

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

    def results(self) -> Iterator[FileResult]:
        """Outcomes in the order of the recordings, without their scores."""
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
        with JOURNAL.told(self.path):
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
        with JOURNAL.told(self.path):
            return self._fact(name)

    def note(self, name: str, value: str) -> None:
        """Note something about the run as a whole."""
        with JOURNAL.told(self.path):
            self._note(name, value)

    def _fact(self, name: str) -> str:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return found[0] if found else ""

    def _note(self, name: str, value: str) -> None:
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


def _key(recording: Recording) -> bytes:
    return os.fsencode(absolute(recording.path))
