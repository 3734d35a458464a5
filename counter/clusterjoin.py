"""Long recordings on a cluster: parted, scanned in stretches on several workers, and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from counter.clusterwork import PART, PLAN, WHOLE, Task
from counter.records import FileResult, Recording
from counter.scan import Heard, joined_parts, outcome
from counter.worker import ScanOrder

# Smaller files are not worth the question: 17 min of 48 kHz mono, 16 bit.
LONG_BYTES = 100_000_000


@dataclass
class _Parts:
    """The stretches of a recording that have come in."""

    heard: list[Heard | None]
    n_left: int


class Joiner:
    """Makes results of what tasks give, and the tasks that have to follow.

    Parameters
    ----------
    order : ScanOrder
        How to scan; where pictures are wanted, recordings are scanned whole.
    """

    def __init__(self, order: ScanOrder) -> None:
        self._order = order
        self._parts: dict[int, _Parts] = {}

    def first(self, number: int, recording: Recording) -> Task:
        """The task that a recording begins with."""
        is_long = recording.size_bytes >= LONG_BYTES and not self._order.pictures
        return Task(number, recording, PLAN if is_long else WHOLE)

    def add(
        self, task: Task, found: FileResult | Heard | int | None
    ) -> tuple[Sequence[Task], FileResult | None]:
        """Take what a task gave: the tasks that follow, or the recording's result."""
        if isinstance(found, FileResult):
            return (), replace(found, recording=task.recording)
        if isinstance(found, int):
            return self._parted(task, found), None
        parts = self._parts[task.number]
        parts.heard[task.index] = found
        parts.n_left -= 1
        if parts.n_left:
            return (), None
        heard = joined_parts(self._parts.pop(task.number).heard)
        if heard is None:
            return (replace(task, what=WHOLE, index=0),), None
        order = self._order
        result = outcome(task.recording, heard, order.bundle.spec, order.rules)
        return (), replace(result, scores=heard.scores if order.scores else None)

    def drop(self, number: int) -> None:
        """Forget the stretches of a recording that failed."""
        self._parts.pop(number, None)

    def _parted(self, task: Task, n_parts: int) -> list[Task]:
        if n_parts == 1:
            return [replace(task, what=WHOLE)]
        self._parts[task.number] = _Parts([None] * n_parts, n_parts)
        return [replace(task, what=PART, index=index) for index in range(n_parts)]
