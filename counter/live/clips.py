"""The sound of events, kept as FLAC while it goes by."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

from counter.errors import OutputError
from counter.output.eventclips import clip_names, write_clip
from counter.output.eventrows import EventRow
from counter.records import FloatArray
from counter.timebase import Timebase

MARGIN_S = 1.0
# Beyond the longest event that the rules allow: their wait, the context, and the margin.
HOLD_MORE_S = 60.0


class ClipKeeper:
    """Holds the last sound and writes ``DIR/<label>/<source>-<event>.flac``, mono.

    Parameters
    ----------
    folder : Path
        Where clips go; a new or empty folder.
    rate_hz : int
        Of the sound.
    hold_s : float
        Seconds of sound that are held.

    Attributes
    ----------
    n_missed : int
        Events whose sound was gone before they were sure, such as calls of a chorus of minutes.

    Raises
    ------
    OutputError
        The folder holds something, or is none.
    """

    def __init__(self, folder: Path, rate_hz: int, hold_s: float) -> None:
        check_clip_folder(folder)
        self.n_missed = 0
        self._folder = folder
        self._rate_hz = rate_hz
        self._samples = Timebase(rate_hz, 1).samples
        self._n_hold = self._samples(hold_s)
        self._blocks: deque[FloatArray] = deque()
        self._first = self._end = 0
        self._waiting: deque[EventRow] = deque()

    def push(self, mono: FloatArray) -> None:
        """Take the next samples, shape (n_samples,); write the clips that are complete by them."""
        self._blocks.append(mono)
        self._end += len(mono)
        while self._end - self._first - len(self._blocks[0]) >= self._n_hold:
            self._first += len(self._blocks.popleft())
        self._write_until(self._end)

    def add(self, row: EventRow) -> None:
        """Write the clip of an event once what follows it has come as well."""
        self._waiting.append(row)
        self._write_until(self._end)

    def finish(self) -> None:
        """The sound is over: write what waits."""
        self._write_until(None)

    def _write_until(self, end: int | None) -> None:
        """Write clips that end by ``end``, or all."""
        while self._waiting:
            row = self._waiting[0]
            stop = self._samples(row.end_s + MARGIN_S)
            if end is not None and stop > end:
                return
            self._waiting.popleft()
            if self._samples(row.start_s) < self._first:
                self.n_missed += 1
            else:
                self._write(row, self._samples(max(0.0, row.start_s - MARGIN_S)), stop)

    def _write(self, row: EventRow, start: int, stop: int) -> None:
        path = self._folder / clip_names([row])[0]
        first = max(start, self._first)
        held = np.concatenate(list(self._blocks))[first - self._first : stop - self._first]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError.unwritable(path.parent, error) from error
        write_clip(path, held, self._rate_hz)


def check_clip_folder(folder: Path) -> None:
    """Make sure before the work that a folder is new or empty.

    Raises
    ------
    OutputError
        It is not.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"--clips {folder} is no folder.", "Name a new one.")
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(f"--clips {folder} is not empty.", "Name a new or an empty folder.")
