"""Blocks of sound on their way from the thread that records to the one that scores."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

from counter.records import FloatArray

BLOCK_S = 0.1
# Seconds of sound that may wait to be scored: a busy machine catches up, memory stays small.
MAX_WAITING_S = 10.0
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Block:
    """Sound that was recorded."""

    samples: FloatArray  # mono, shape (n_samples,)
    n_lost: int = 0  # samples before it that were lost


class Capture:
    """A bounded queue of blocks: one thread puts, another takes; what does not fit is counted.

    Attributes
    ----------
    n_overruns : int
        Times that sound was lost, here or before it came here.
    failure : str
        Why no more will come before it should; empty where that is not so. Final at the end.
    note : str
        What is odd about the end, that is no failure.
    """

    def __init__(self) -> None:
        self.n_overruns = 0
        self.failure = ""
        self.note = ""
        self._blocks: queue.Queue[Block] = queue.Queue(int(MAX_WAITING_S / BLOCK_S))
        self._n_lost = 0
        self._is_full = False
        self._is_over = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be put."""
        return self._is_over.is_set()

    def put_or_lose(self, samples: FloatArray) -> None:
        """Put a block, for one who cannot wait; what is lost is told with the next that fits."""
        try:
            self._blocks.put_nowait(Block(samples, self._n_lost))
        except queue.Full:
            self.n_overruns += not self._is_full
            self._n_lost += len(samples)
            self._is_full = True
        else:
            self._n_lost, self._is_full = 0, False

    def lose(self, n_samples: int) -> None:
        """So many samples were lost before they came here; of one who does not wait."""
        self.n_overruns += 1
        self._n_lost += n_samples

    def put(self, samples: FloatArray) -> None:
        """Put a block once there is room; nothing where it is over before."""
        while not self.is_over:
            try:
                self._blocks.put(Block(samples), timeout=_LOOK_EVERY_S)
            except queue.Full:
                continue
            return

    def end(self, *, failure: str = "", note: str = "") -> None:
        """Say that nothing more comes, for good or because of a failure; the first to say so."""
        if not self.is_over:
            self.failure, self.note = failure, note
            self._is_over.set()

    def take(self) -> list[Block]:
        """All blocks that wait, in order; none where none came for a moment."""
        blocks = []
        try:
            blocks.append(self._blocks.get(timeout=0 if self.is_over else _LOOK_EVERY_S))
            while True:
                blocks.append(self._blocks.get_nowait())
        except queue.Empty:
            return blocks
