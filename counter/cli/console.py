"""What the terminal shows: progress in seconds of audio, tables; plain in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from counter.audio import probe
from counter.errors import AudioError
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


def measure_cells(measure: Measure) -> tuple[str, str]:
    """A figure and its 95 % interval, for two columns of a table."""
    if measure.value is None:
        return "-", ""
    if measure.low is None or measure.high is None:
        return f"{measure.value:.3f}", ""
    return f"{measure.value:.3f}", f"{measure.low:.3f} to {measure.high:.3f}"


class ScanProgress:
    """A bar in seconds of audio on a terminal, nothing in a pipe; a context manager.

    Parameters
    ----------
    recordings : sequence of Recording
        What is to be scanned; their lengths are read from their headers while scanning goes on.
    """

    def __init__(self, recordings: Sequence[Recording]) -> None:
        console = stderr()
        self._is_shown = console.is_terminal
        self._recordings = recordings
        self._bar = Progress(
            TextColumn("{task.fields[done]}/{task.fields[files]} files"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %  {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._is_shown,
        )
        self._task = self._bar.add_task("scan", total=None, done=0, files=len(recordings), speed="")
        self._lock = threading.Lock()
        self._scanned_s = 0.0
        self._n_done = 0
        self._is_over = threading.Event()

    def __enter__(self) -> ScanProgress:
        self._started_s = time.perf_counter()
        self._bar.start()
        if self._is_shown:
            threading.Thread(target=self._measure, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._bar.stop()

    def advance(self, seconds: float) -> None:
        """More sound was scanned; from any thread."""
        with self._lock:
            self._scanned_s += seconds
            scanned_s = self._scanned_s
        if self._is_shown:
            speed = scanned_s / (time.perf_counter() - self._started_s)
            self._bar.update(self._task, completed=scanned_s, speed=f"{speed:,.0f} x real time")

    def finished(self) -> None:
        """One more recording is done."""
        self._n_done += 1
        self._bar.update(self._task, done=self._n_done)

    def _measure(self) -> None:
        total_s = 0.0
        for recording in self._recordings:
            if self._is_over.is_set():
                return
            try:
                total_s += probe(recording.path).duration_s
            except (AudioError, OSError):
                continue
        self._bar.update(self._task, total=total_s)


def print_counts(
    results: Sequence[FileResult], labels: Sequence[str], *, wall_s: float, output: Path
) -> None:
    """Table of counts, those that failed, and the sum; long tables on a terminal show the top."""
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold")
    for title in ("calls", *(labels if len(labels) > 1 else ()), "scanned s"):
        table.add_column(title, justify="right")
    table.add_column("status")
    shown = list(results)
    if console.is_terminal and len(shown) > ROWS_SHOWN:
        shown = sorted(shown, key=lambda one: -one.calls())[:ROWS_SHOWN]
    for result in shown:
        table.add_row(*_cells(result, labels), style=_STATUS_STYLES.get(result.status))
    console.print(table)
    if len(shown) < len(results):
        console.print(f"... and {len(results) - len(shown)} more in {escape(str(output))}")
    _print_sum(console, results, wall_s=wall_s, output=output)


def _cells(result: FileResult, labels: Sequence[str]) -> list[str]:
    name = escape("".join(c if c.isprintable() else "?" for c in result.recording.name))
    is_failed = result.status == FAILED
    split = [result.calls(label) for label in labels] if len(labels) > 1 else []
    counts = ["" if is_failed else str(n) for n in (result.calls(), *split)]
    message = f": {result.message}" if result.message else ""
    return [name, *counts, f"{result.scanned_s:.1f}", escape(result.status + message)]


def _print_sum(
    console: Console, results: Sequence[FileResult], *, wall_s: float, output: Path
) -> None:
    scanned_s = sum(result.scanned_s for result in results)
    n_failed = sum(result.status == FAILED for result in results)
    calls = sum(result.calls() for result in results)
    console.print(
        f"{calls} calls in {len(results) - n_failed} recordings, {scanned_s / 3600:.2f} h, "
        f"scanned in {wall_s:.1f} s ({scanned_s / max(wall_s, 1e-9):,.0f} x real time) "
        f"-> {escape(str(output))}"
    )
    if n_failed:
        names = ", ".join(escape(r.recording.name) for r in results if r.status == FAILED)
        stderr().print(f"{n_failed} failed: {names}", style="red")
