"""Answers of reviewers: an SQLite file beside the results, and how far two agree."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import combinations
from pathlib import Path

import numpy as np

from counter.errors import OutputError
from counter.storage.sqlite import Kind

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
class Judgement:
    """What a person judges something to be.

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
    """A judgement: of what, by whom and when (ISO 8601, UTC)."""

    key: Key
    judgement: Judgement
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

    def add(self, key: Key, judgement: Judgement, reviewer: str) -> Answer:
        """Store an answer; when this returns it is on the disk.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        answer = Answer(key, judgement, reviewer, now)
        with self._lock, REVIEW.named_errors(self._path):
            self._db.execute(
                f"INSERT INTO answers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(key.kind, key.recording, key.label, key.start_ms, key.end_ms),
                    *(reviewer, now, judgement.verdict, judgement.other_label, judgement.calls),
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
        with self._lock, REVIEW.named_errors(self._path):
            rows = self._db.execute("SELECT DISTINCT reviewer FROM answers ORDER BY reviewer")
            return [name for (name,) in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read(self, where: str, *given: str) -> list[Answer]:
        with self._lock, REVIEW.named_errors(self._path):
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM answers {where} ORDER BY id", given)
            return [
                Answer(Key(*row[:5]), Judgement(*row[7:10]), reviewer=row[5], answered_at=row[6])
                for row in rows
            ]


@dataclass(frozen=True)
class Agreement:
    """Two persons compared.

    Attributes
    ----------
    first, second : str
        Their names.
    n_both : int
        Items that both answered, at least 1.
    n_same : int
        Those of which both say the same.
    kappa : float or None
        Cohen's kappa, -1 to 1; of counts with linear weights. None where both gave one and the
        same answer throughout, so that no agreement could have come by chance alone.
    """

    first: str
    second: str
    n_both: int
    n_same: int
    kappa: float | None

    @property
    def cells(self) -> dict[str, str | int]:
        """A row of a table."""
        return {
            "reviewers": f"{self.first}, {self.second}",
            "answered by both": self.n_both,
            "same answer": f"{self.n_same} ({100 * self.n_same / self.n_both:.0f} %)",
            "Cohen's kappa": "-" if self.kappa is None else f"{self.kappa:.2f}",
        }


def agreements(newest: Iterable[Answer]) -> list[Agreement]:
    """Every two persons who answered the same items, in order of name; empty without any.

    An answer of another label is the same only where the label is. ``unsure`` is an answer.

    Parameters
    ----------
    newest : iterable of Answer
        The newest answer of each person to each item, all of one kind.
    """
    by_person: dict[str, dict[Key, Judgement]] = defaultdict(dict)
    for one in newest:
        by_person[one.reviewer][one.key] = one.judgement
    found = []
    for first, second in combinations(sorted(by_person), 2):
        common = by_person[first].keys() & by_person[second].keys()
        pairs = [(by_person[first][key], by_person[second][key]) for key in sorted(common)]
        if pairs:
            n_same = sum(a.text == b.text for a, b in pairs)
            found.append(Agreement(first, second, len(pairs), n_same, _kappa(pairs)))
    return found


def _kappa(pairs: list[tuple[Judgement, Judgement]]) -> float | None:
    """Cohen's kappa (Cohen 1960), of counts with linear weights (Cohen 1968)."""
    counts = [(a.calls, b.calls) for a, b in pairs if a.calls is not None and b.calls is not None]
    is_counted = len(counts) == len(pairs)
    values = counts if is_counted else [(a.text, b.text) for a, b in pairs]
    known, places = np.unique(np.array(values), return_inverse=True)
    if len(known) == 1:
        return None
    apart = abs(np.subtract.outer(known, known)) if is_counted else 1 - np.eye(len(known))
    found = np.zeros_like(apart, dtype=float)
    np.add.at(found, tuple(places.reshape(-1, 2).T), 1)
    by_chance = np.outer(found.sum(axis=1), found.sum(axis=0)) / len(pairs)
    return float(1 - np.sum(apart * found) / np.sum(apart * by_chance))
