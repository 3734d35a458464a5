"""What persons answered: an SQLite file beside the results, written at each answer.

Nothing is ever changed or removed in it: an answer that is given anew stands beside the earlier
one, and the newest of each person counts.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from counter.database import Kind
from counter.errors import OutputError

YES, NO, UNSURE, OTHER, COUNTED = "yes", "no", "unsure", "other", "counted"
VERDICTS = (YES, NO, UNSURE, OTHER, COUNTED)
_COLUMNS = (
    "kind, recording, label, start_ms, end_ms, reviewer, answered_at, verdict, other_label, calls"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, recording TEXT NOT NULL, label TEXT NOT NULL,
    start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
    reviewer TEXT NOT NULL, answered_at TEXT NOT NULL,
    verdict TEXT NOT NULL, other_label TEXT NOT NULL, calls INTEGER
);
CREATE INDEX IF NOT EXISTS by_item
    ON answers (kind, recording, label, start_ms, end_ms, reviewer);
"""
REVIEW = Kind(
    application_id=0x63637231,  # "ccr1"
    schema=_SCHEMA,
    synchronous="FULL",
    unwritable="Mend that and start again: what was answered is kept.",
    damaged="Bring back a copy of it, or move it away.",
)
_NEWEST = "SELECT max(id) FROM answers GROUP BY kind, recording, label, start_ms, end_ms, reviewer"


@dataclass(frozen=True, order=True)
class Key:
    """What was asked about; the same after another scan that finds the same.

    Attributes
    ----------
    kind : str
        ``event``, ``stretch`` of a sample, or ``clip`` that was mined.
    recording, label : str
        Where, and what may be heard there.
    start_ms, end_ms : int
        The stretch, milliseconds from the recording's start.
    """

    kind: str
    recording: str
    label: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Said:
    """What a person says of something.

    Attributes
    ----------
    verdict : str
        One of ``VERDICTS``.
    other_label : str
        What it is instead, where the verdict is ``other``; else empty.
    calls : int or None
        How many calls there are, where the verdict is ``counted``.
    """

    verdict: str
    other_label: str = ""
    calls: int | None = None

    @property
    def text(self) -> str:
        """That in a word: two persons agree where it is the same."""
        if self.verdict == COUNTED:
            return str(self.calls)
        return f"{OTHER}: {self.other_label}" if self.verdict == OTHER else self.verdict


@dataclass(frozen=True)
class Answer:
    """What was said, by whom and when (ISO 8601, UTC)."""

    key: Key
    said: Said
    reviewer: str
    answered_at: str


class Store:
    """The answers about one scan, of any number of persons; may be used by several threads.

    Parameters
    ----------
    path : Path
        The file, made where it is missing; its folder is there.

    Raises
    ------
    CallcountError
        The file is damaged.
    OutputError
        It cannot be written, or something of another kind is there.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not REVIEW.is_own(path):
            raise OutputError.clash(path)
        self._path = path
        self._lock = threading.Lock()
        self._db = REVIEW.open(path)

    def add(self, key: Key, said: Said, reviewer: str) -> Answer:
        """Store an answer; when this returns it is on the disk.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        answer = Answer(key, said, reviewer, now)
        with self._lock, REVIEW.told(self._path):
            self._db.execute(
                f"INSERT INTO answers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(key.kind, key.recording, key.label, key.start_ms, key.end_ms),
                    *(reviewer, now, said.verdict, said.other_label, said.calls),
                ),
            )
        return answer

    def newest(self, kind: str) -> list[Answer]:
        """The newest answer of each person to each question of a kind, in order of time."""
        return self._read(f"WHERE kind = ? AND id IN ({_NEWEST})", kind)

    def every(self, kind: str) -> list[Answer]:
        """All answers of a kind in order of time, those that were given anew included."""
        return self._read("WHERE kind = ?", kind)

    def reviewers(self) -> list[str]:
        """Who has answered anything, in order of name."""
        with self._lock, REVIEW.told(self._path):
            rows = self._db.execute("SELECT DISTINCT reviewer FROM answers ORDER BY reviewer")
            return [name for (name,) in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read(self, where: str, *given: str) -> list[Answer]:
        with self._lock, REVIEW.told(self._path):
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM answers {where} ORDER BY id", given)
            return [
                Answer(Key(*row[:5]), Said(*row[7:10]), reviewer=row[5], answered_at=row[6])
                for row in rows
            ]
