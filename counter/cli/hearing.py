"""What ``callcount listen`` shows: level, scores and counts; events as they end."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence

import click
import numpy as np
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from counter.cli.console import stderr, stdout
from counter.output.eventrows import EventRow
from counter.records import FloatArray

# In a pipe, a line of where it is so often.
LINE_EVERY_S = 10.0
_LEVEL_OVER_S = 1.0
_REFRESH_PER_S = 4
_BAR_CELLS = 20


class Hearing:
    """Level, latest scores and counts, on a terminal in place; a context manager.

    Events go to the standard output, a line each. What goes on is shown in place where that is a
    terminal, or else the standard error is; elsewhere it is a line every ten seconds there.

    Parameters
    ----------
    labels : sequence of str
        In the order of scores.
    rate_hz : int
        Of the sound.
    """

    def __init__(self, labels: Sequence[str], rate_hz: int) -> None:
        self._labels = labels
        self._rate_hz = rate_hz
        self._counts: Counter[str] = Counter()
        self._squares: deque[tuple[float, int]] = deque()
        self._scores = np.zeros(len(labels), dtype=np.float32)
        self._heard_s = 0.0
        self._n_overruns = 0
        self._out, self._err = stdout(), stderr()
        shown = self._out if self._out.is_terminal else self._err
        self._live: Live | None = None
        if shown.is_terminal:
            self._live = Live(console=shown, refresh_per_second=_REFRESH_PER_S, transient=True)
        self._next_line_s = time.monotonic() + LINE_EVERY_S

    def __enter__(self) -> Hearing:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def heard(self, mono: FloatArray, scores: FloatArray, heard_s: float, n_overruns: int) -> None:
        """More was heard: its sound, the latest scores, the seconds in all, the overruns in all."""
        if len(mono):
            self._squares.append((float(np.square(mono, dtype=np.float64).sum()), len(mono)))
        while sum(n for _, n in self._squares) > _LEVEL_OVER_S * self._rate_hz + len(mono):
            self._squares.popleft()
        self._scores, self._heard_s = scores, heard_s
        if n_overruns > self._n_overruns:
            self._n_overruns = n_overruns
            self._err.print(
                f"Overrun at {heard_s:.1f} s: this machine is too busy, sound was lost "
                f"({n_overruns} so far)"
            )
        if self._live is not None:
            self._live.update(self._table())
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + LINE_EVERY_S
            self._err.print(escape(self.line()))

    def event(self, row: EventRow) -> None:
        """An event has ended."""
        self._counts[row.label] += 1
        when = f"  {row.start_time}" if row.start_time else ""
        text = f"{row.text('start_s')} - {row.text('end_s')} s  {row.label}  {row.text('score')}"
        if self._out.is_terminal:
            self._out.print(escape(text + when), soft_wrap=True)  # above what is shown in place
        else:
            click.echo(text + when)

    def line(self) -> str:
        """Where it is, in a line."""
        told = [
            f"{label}: score {score:.2f}, {self._counts[label]} calls"
            for label, score in zip(self._labels, self._scores, strict=True)
        ]
        return "  ".join([f"{self._heard_s:.0f} s", f"level {self._level()}", *told, self._lost()])

    def total(self) -> str:
        """What was heard in all."""
        counts = ", ".join(f"{self._counts[label]} {label}" for label in self._labels)
        return f"{self._heard_s:.1f} s heard: {counts}; {self._lost()}"

    def _lost(self) -> str:
        return "1 overrun" if self._n_overruns == 1 else f"{self._n_overruns} overruns"

    def _level(self) -> str:
        """Root mean square of the last second, dB below full scale."""
        n_samples = sum(n for _, n in self._squares)
        power = sum(square for square, _ in self._squares) / max(n_samples, 1)
        return f"{10 * np.log10(power):.1f} dBFS" if power > 0 else "none (digital silence)"

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("label", "score", "", "calls"):
            table.add_column(title, justify="right" if title == "calls" else "left")
        for label, score in zip(self._labels, self._scores, strict=True):
            bar = "#" * round(float(score) * _BAR_CELLS)
            cells = f"{score:.2f}", bar.ljust(_BAR_CELLS, "."), str(self._counts[label])
            table.add_row(escape(label), *cells)
        table.caption = f"{self._heard_s:.0f} s  level {self._level()}  {self._lost()}"
        table.caption_justify = "left"
        return table
