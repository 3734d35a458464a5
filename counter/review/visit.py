"""One person at the review page: what is shown, what was said, and how fast it goes."""

from __future__ import annotations

import itertools
import secrets
import statistics
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from counter.review.desk import Bench
from counter.review.queue import STRETCH, Walk, Wish, line_up, own_answers
from counter.review.store import COUNTED, NO, OTHER, UNSURE, YES, Said

BACK = "back"
# Cut ahead of the person; begun anew when fewer of the next ones are on their way.
_AHEAD = 12
_RENEW_EVERY = 4
# A longer pause is a pause; so many answers tell a pace.
_PAUSE_S, _PACE_OF = 120.0, 5
# Never the same for two visits, nor after the server was started anew.
_SHOWN = itertools.count(secrets.randbits(40))
# Of a name or a label.
MOST_LETTERS = 60
_MOST_CALLS = 9999


@dataclass
class Visit:
    """A session's place in the queue; changed by each answer.

    Attributes
    ----------
    bench : Bench
        What is reviewed.
    reviewer : str
        Who answers.
    wish : Wish
        What is shown.
    shown : int
        Another number each time something else is shown; an answer says to which it belongs.
    """

    bench: Bench
    reviewer: str
    wish: Wish
    shown: int = field(default_factory=lambda: next(_SHOWN))
    _times_s: deque[float] = field(default_factory=lambda: deque(maxlen=30))

    def __post_init__(self) -> None:
        bench = self.bench
        self.own = own_answers(bench.items, bench.store.newest(bench.items.kind), self.reviewer)
        self.walk = Walk(line_up(bench.items, self.own, self.wish))

    def take(self, given: Mapping[str, Any] | None) -> None:
        """Store what the page sent about what is shown, and go on; anything else is passed over.

        Raises
        ------
        OutputError
            It cannot be stored; what is shown stays.
        """
        row = self.walk.row
        if not given or row is None or given.get("seq") != self.shown:
            return
        if given.get("verdict") == BACK:
            self.walk.back()
        elif (said := self._said(given)) is not None:
            self.bench.store.add(self.bench.items.item(row).key, said, self.reviewer)
            self.own[row] = said
            self.walk.answered()
            self._times_s.append(time.monotonic())
        else:
            return
        self.shown = next(_SHOWN)

    def _said(self, given: Mapping[str, Any]) -> Said | None:
        """What a message says; None where it is no answer to this kind of question."""
        verdict = given.get("verdict")
        if verdict == UNSURE:
            return Said(UNSURE)
        if self.bench.items.kind == STRETCH:
            calls = given.get("calls")
            is_count = isinstance(calls, int) and 0 <= calls <= _MOST_CALLS
            return Said(COUNTED, calls=calls) if verdict == COUNTED and is_count else None
        if verdict == OTHER:
            label = " ".join(str(given.get("other", "")).split())[:MOST_LETTERS]
            is_known = label in self.bench.labels
            return Said(OTHER, label) if label and (is_known or self.bench.is_free) else None
        return Said(verdict) if verdict in (YES, NO) else None

    def make_ready(self) -> None:
        """Have what comes next cut while the person looks at what is shown."""
        # another session may have wished for something else in between
        if self.walk.at % _RENEW_EVERY == 0 or self.next_row is None:
            self.bench.shelf.prepare(self.walk.ahead(_AHEAD))

    @property
    def next_row(self) -> int | None:
        """What is shown after an answer; None at the end, or where it is not ready yet."""
        row = next(iter(self.walk.ahead(1)), None)
        return row if row is not None and self.bench.shelf.ready(row) is not None else None

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at the present pace; None before there is one."""
        times_s = list(self._times_s)
        steps_s = [b - a for a, b in zip(times_s, times_s[1:], strict=False) if b - a < _PAUSE_S]
        if len(steps_s) < _PACE_OF:
            return None
        return statistics.median(steps_s) * self.walk.n_left
