"""What the terminal shows: progress in seconds of audio, tables; plain in a pipe."""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from counter.bundle import Bundle
from counter.evaluation.comparison import Measure
from counter.records import FAILED, FileResult, Recording

# In a pipe nothing is wrapped or cut.
PIPE_WIDTH = 10_000
ROWS_SHOWN = 60
_STATUS_STYLES = {FAILED: "red"}


def stdout() -> Console:
    """Console for results."""
    return _console(sys.stdout.isatty(), stderr=False)


def stderr() -> Console:
    """Console for progress and remarks."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(is_terminal: bool, *, stderr: bool) -> Console:
    width = None if is_terminal else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False)


def print_model(bundle: Bundle, which: str) -> None:
    """Say which bundle is used and how it was chosen."""
    said = f"Model {bundle.spec.name} ({which}: {bundle.path})"
    stderr().print(said, markup=False, soft_wrap=True)


def measure_cells(measure: Measure) -> tuple[str, str]:
    """A figure and its 95 % interval, for two columns of a table."""
    if measure.value is None:
        return "-", ""
    if measure.low is None or measure.high is None:
        return f"{measure.value:.3f}", ""
    return f"{measure.value:.3f}", f"{measure.low:.3f} to {measure.high:.3f}"


class ScanProgress:
    """A bar in seconds of audio on a terminal, nothing in a pipe; a context manager.

    How long recordings are is known when they are begun; the others are taken to hold as many
    seconds a byte.

    Parameters
    ----------
    recordings : sequence of Recording
        What is to be scanned.
    n_done : int
        Recordings that are done already.
    """

    def __init__(self, recordings: Sequence[Recording], *, n_done: int = 0) -> None:
        console = stderr()
        self._is_shown = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.fields[done]}/{task.fields[files]} files"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %  {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._is_shown,
        )
        self._n_done = n_done
        self._task = self._bar.add_task(
            "scan", total=None, done=n_done, files=n_done + len(recordings), speed=""
        )
        self._scanned_s = self._known_s = 0.0
        self._left_bytes = sum(_size(one) for one in recordings)
        self._known_bytes = 0
        self._begun: set[str] = set()

    def __enter__(self) -> ScanProgress:
        self._started_s = time.perf_counter()
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def advance(self, recording: Recording, seconds: float, claimed_s: float) -> None:
        """More of a recording was scanned, of so many seconds that it claims to hold."""
        if recording.name not in self._begun:
            self._begun.add(recording.name)
            self._known_s += claimed_s
            self._known_bytes += _size(recording)
            self._left_bytes -= _size(recording)
        self._scanned_s += seconds
        if self._is_shown:
            speed = self._scanned_s / (time.perf_counter() - self._started_s)
            left_s = self._left_bytes * self._known_s / max(1, self._known_bytes)
            self._bar.update(
                self._task,
                completed=self._scanned_s,
                total=max(self._scanned_s, self._known_s + left_s),
                speed=f"{speed:,.0f} x real time",
            )

    def finished(self, recording: Recording) -> None:
        """One more recording is done; one of which nothing was heard could not be read."""
        if recording.name in self._begun:
            self._begun.remove(recording.name)
        else:
            self._left_bytes -= _size(recording)
        self._n_done += 1
        self._bar.update(self._task, done=self._n_done)


def _size(recording: Recording) -> int:
    return max(0, recording.size_bytes)


@dataclass(frozen=True)
class Pace:
    """How much sound a run has scanned, in how long."""

    audio_s: float
    wall_s: float

    def text(self, total_s: float) -> str:
        """That in words; ``total_s`` is what all runs have scanned."""
        part = "" if self.audio_s == total_s else f"{self.audio_s / 3600:.2f} h of them "
        speed = self.audio_s / max(self.wall_s, 1e-9)
        return f"{part}scanned in {self.wall_s:.1f} s ({speed:,.0f} x real time)"


class Sums:
    """Results added up as they come; the first ``ROWS_SHOWN`` with most calls are kept."""

    def __init__(self) -> None:
        self.n = self.calls = self.n_failed = 0
        self.scanned_s = 0.0
        self.failed: list[str] = []
        self._shown: list[tuple[int, int, FileResult]] = []

    def add(self, result: FileResult) -> None:
        """Add a result."""
        self.n += 1
        self.calls += result.calls()
        self.scanned_s += result.scanned_s
        self.n_failed += result.status == FAILED
        if result.status == FAILED and len(self.failed) < ROWS_SHOWN:
            self.failed.append(result.recording.name)
        keep = heapq.heappush if self.n <= ROWS_SHOWN else heapq.heappushpop
        keep(self._shown, (result.calls(), -self.n, result))

    def shown(self) -> list[FileResult]:
        """All in their order, or of many those with most calls first."""
        order = sorted(self._shown, key=lambda one: (-one[0] * (self.n > ROWS_SHOWN), -one[1]))
        return [one[2] for one in order]


def print_counts(sums: Sums, labels: Sequence[str], pace: Pace, output: Path) -> None:
    """Table of counts, those that failed, and the sum; of many recordings those with most calls."""
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold")
    for title in ("calls", *(labels if len(labels) > 1 else ()), "scanned s"):
        table.add_column(title, justify="right")
    table.add_column("status")
    for result in sums.shown():
        table.add_row(*_cells(result, labels), style=_STATUS_STYLES.get(result.status))
    console.print(table)
    if sums.n > ROWS_SHOWN:
        console.print(f"... and {sums.n - ROWS_SHOWN} more in {escape(str(output))}")
    console.print(
        f"{sums.calls} calls in {sums.n - sums.n_failed} recordings, "
        f"{sums.scanned_s / 3600:.2f} h, {pace.text(sums.scanned_s)} -> {escape(str(output))}"
    )
    if sums.n_failed:
        more = f" and {sums.n_failed - len(sums.failed)} more" * (sums.n_failed > len(sums.failed))
        names = ", ".join(map(escape, sums.failed))
        stderr().print(f"{sums.n_failed} failed: {names}{more}", style="red")


def _cells(result: FileResult, labels: Sequence[str]) -> list[str]:
    name = escape("".join(c if c.isprintable() else "?" for c in result.recording.name))
    is_failed = result.status == FAILED
    split = [result.calls(label) for label in labels] if len(labels) > 1 else []
    counts = ["" if is_failed else str(n) for n in (result.calls(), *split)]
    message = f": {result.message}" if result.message else ""
    return [name, *counts, f"{result.scanned_s:.1f}", escape(result.status + message)]
