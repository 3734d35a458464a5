"""The file of a journal: a SQLite database with a mark of its own."""

from __future__ import annotations

from pathlib import Path

from counter.database import Kind
from counter.errors import OutputError

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
    try:
        for name in (f"{path}-wal", f"{path}-shm", str(path)):
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError.unwritable(path, error) from error
