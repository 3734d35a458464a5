"""Pictures and sounds made ready before they are asked for, a few of them at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

from counter.report.media import Cutting, Found

Cutter = Callable[[Sequence[int]], Iterator[Found]]
_N_HELD, _HELD_BYTES = 64, 64_000_000


class Shelf:
    """What was cut last, and a thread that cuts what comes next; shared by all sessions.

    Parameters
    ----------
    cut : callable
        Gives for rows what was cut, or in words why there is nothing, a few rows at a time.
    """

    def __init__(self, cut: Cutter) -> None:
        self._cut = cut
        self._held: OrderedDict[int, Cutting | str] = OrderedDict()
        self._n_bytes = 0
        self._wanted: list[int] = []
        self._at_work: set[int] = set()
        self._changed = threading.Condition()
        # it must not keep the process: what it makes is for nobody then
        threading.Thread(target=self._work, name="shelf", daemon=True).start()

    def get(self, row: int) -> Cutting | str:
        """What was cut for a row, at once where it is ready; else it is cut now."""
        with self._changed:
            while row in self._at_work:
                self._changed.wait()
            if row in self._held:
                self._held.move_to_end(row)
                return self._held[row]
        found = {row: one for some in self._cut([row]) for row, one in some.items()}
        self._keep(found)
        return found[row]

    def ready(self, row: int) -> Cutting | str | None:
        """What was cut for a row, None where it is not ready yet."""
        with self._changed:
            return self._held.get(row)

    def prepare(self, rows: Sequence[int]) -> None:
        """Have these ready next, in this order; what was wished for before is forgotten."""
        with self._changed:
            self._wanted = [row for row in rows if row not in self._held]
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._wanted:
                    self._changed.wait()
                rows = [row for row in self._wanted if row not in self._held]
                self._at_work, self._wanted = set(rows), []
            try:
                for found in self._cut(rows):
                    self._keep(found)
            finally:
                with self._changed:
                    self._at_work = set()
                    self._changed.notify_all()

    def _keep(self, found: Found) -> None:
        with self._changed:
            for row, one in found.items():
                self._n_bytes += _size(one) - _size(self._held.pop(row, ""))
                self._held[row] = one
                self._at_work.discard(row)
            while len(self._held) > _N_HELD or self._n_bytes > _HELD_BYTES:
                if len(self._held) == 1:
                    break
                self._n_bytes -= _size(self._held.popitem(last=False)[1])
            self._changed.notify_all()


def _size(one: Cutting | str) -> int:
    return len(one) if isinstance(one, str) else len(one.picture) + len(one.sound)
