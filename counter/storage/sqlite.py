"""SQLite files of callcount's own: opened, known by a mark, errors in one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from counter.errors import CallcountError, OutputError

_ID_AT = 68  # where SQLite keeps the application's id
_BUSY_S = 10.0


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    application_id: int  # how it is known among SQLite files
    schema: str  # its tables, made where they are missing
    # ``NORMAL`` where a power cut may lose the last rows, ``FULL`` where it must not
    synchronous: str
    # what the user can do about a file that cannot be written, or read
    unwritable: str
    damaged: str

    def open(self, path: Path) -> sqlite3.Connection:
        """Open a file to write, made where it is missing; its folder is there.

        The connection commits each statement, and may be used by one thread at a time.

        Raises
        ------
        CallcountError
            The file is damaged, or of another kind.
        OutputError
            It cannot be written.
        """
        with self.named_errors(path):
            db = self._connect(path)
            # First of all, so that it stands in the file itself and never in the log alone.
            db.execute(f"PRAGMA application_id = {self.application_id}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {self.synchronous}")
            db.executescript(self.schema)
        return db

    def open_to_read(self, path: Path) -> sqlite3.Connection:
        """Open a file that is there, also while another process writes to it."""
        with self.named_errors(path):
            return self._connect(path)

    def _connect(self, path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)

    @contextmanager
    def named_errors(self, path: Path) -> Iterator[None]:
        """Make an error of SQLite one line for the user."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot write {path}: {error}.", self.unwritable) from error
        except sqlite3.DatabaseError as error:
            raise CallcountError(f"{path} is damaged: {error}.", self.damaged) from error

    def is_own(self, path: Path) -> bool:
        """Whether a file is empty or a SQLite file with this mark."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_ID_AT + 4)
        return not head or head[_ID_AT:] == self.application_id.to_bytes(4, "big")
