"""The file of a journal: a SQLite database with a mark of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from counter.errors import CallcountError, OutputError

_APPLICATION_ID = 0x63636A31  # "ccj1": how a journal is known among SQLite files
_ID_AT = 68  # where SQLite keeps it
_BUSY_S = 10.0
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
# An outcome stands while recording and settings are the same.
STANDING = (
    "outcomes AS o ON o.path = r.path AND o.size_bytes = r.size_bytes"
    " AND o.modified_s = r.modified_s AND o.settings = :settings"
)


def open_journal(path: Path) -> sqlite3.Connection:
    """Open a journal to write, made where it is missing; its folder is there.

    Raises
    ------
    CallcountError
        The file is damaged, or no journal.
    OutputError
        It cannot be written.
    """
    with told(path):
        db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)
        # First of all, so that it stands in the file itself and never in the log alone.
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute("PRAGMA journal_mode = WAL")
        # A power cut may lose the last outcomes, which are scanned again, and nothing else.
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
    return db


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a journal that is there, also while a scan writes to it."""
    with told(path):
        return sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Make an error of SQLite one line for the user."""
    try:
        yield
    except sqlite3.OperationalError as error:
        fix = "Mend that and run the same command again: what is done is kept."
        raise OutputError(f"cannot write {path}: {error}.", fix) from error
    except sqlite3.DatabaseError as error:
        fix = "Start over with --fresh."
        raise CallcountError(f"{path} is damaged: {error}.", fix) from error


def is_own_journal(path: Path) -> bool:
    """Whether a file is empty or a SQLite file with the mark of a journal."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_ID_AT + 4)
    return not head or head[_ID_AT:] == _APPLICATION_ID.to_bytes(4, "big")


def remove_journal(path: Path) -> None:
    """Remove a journal with what SQLite keeps beside it; nothing where there is none.

    Raises
    ------
    OutputError
        It cannot be removed.
    """
    try:
        for name in (f"{path}-wal", f"{path}-shm", str(path)):
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError.unwritable(path, error) from error
