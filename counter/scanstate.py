"""How far a scan is, read from its journal, whether or not it is at work."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from counter.errors import CallcountError
from counter.journal import STARTED
from counter.journalfile import JOURNAL, STANDING
from counter.records import FAILED

_CURRENT = """
SELECT id FROM settings JOIN facts ON value = text WHERE name = 'settings'
"""
_ROWS = f"""
SELECT r.name, o.status, o.scanned_s, o.ended_s FROM recordings AS r LEFT JOIN {STANDING}
ORDER BY r.position
"""


@dataclass
class Share:
    """Recordings of a folder, of a run, or all.

    Attributes
    ----------
    n_done, n_failed, n_left : int
        Recordings that were scanned, that failed, and that are left.
    scanned_s : float
        Seconds of sound scanned.
    """

    n_done: int = 0
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
    """How far a scan is.

    Attributes
    ----------
    total : Share
        Of all recordings.
    by_folder : dict of str to Share
        Of those in each folder, ``.`` for the one that was given; in the order of the recordings.
    lately : Share
        Of those that the last run has done.
    lately_s : float
        Seconds from the start of the last run to its last outcome; 0 where there is none.
    """

    total: Share = field(default_factory=Share)
    by_folder: dict[str, Share] = field(default_factory=dict)
    lately: Share = field(default_factory=Share)
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
    with JOURNAL.told(path), closing(JOURNAL.open_to_read(path)) as db:
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
