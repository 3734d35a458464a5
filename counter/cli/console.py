"""What the terminal shows: progress in seconds of audio, tables; plain in a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, track
from rich.table import Column, Table

from counter.bundle import Bundle
from counter.evaluation.comparison import Measure
from counter.quiet import quiet_stderr
from counter.records import Recording

# In a pipe nothing is wrapped or cut.
PIPE_WIDTH = 10_000
ROWS_SHOWN = 60


def stdout() -> Console:
    """Console for results."""
    return _console(sys.stdout.isatty(), stderr=False)


def stderr() -> Console:
    """Console for progress and remarks."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(is_terminal: bool, *, stderr: bool) -> Console:
    width = None if is_terminal else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False)


def plain_table(*columns: str | Column) -> Table:
    """A table without lines; a title alone makes a column of text."""
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def number_columns(*titles: str) -> list[Column]:
    """Columns whose cells stand at the right."""
    return [Column(title, justify="right") for title in titles]


def folded_column(title: str) -> Column:
    """A column of text that is wrapped, and never cut."""
    return Column(title, overflow="fold")


def tracked(title: str) -> Callable[[Iterable[str]], Iterable[str]]:
    """What passes names on while a bar shows how many are done; no bar in a pipe."""
    console = stderr()
    return lambda names: track(list(names), title, console=console, disable=not console.is_terminal)


def require_training() -> None:
    """Say what is missing to train before any sound is read or made.

    Raises
    ------
    ModuleNotFoundError
        TensorFlow is not installed.
    """
    if find_spec("tensorflow") is None:
        raise ModuleNotFoundError(name="tensorflow")


@contextmanager
def loading_tensorflow() -> Iterator[None]:
    """Say that it loads, and keep what its libraries print meanwhile to themselves."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stderr().status("Loading TensorFlow ..."), quiet_stderr():
        yield


def print_model(bundle: Bundle, which: str) -> None:
    """Say which bundle is used and how it was chosen."""
    text = f"Model {bundle.spec.name} ({which}: {bundle.path})"
    stderr().print(text, markup=False, soft_wrap=True)
    for why in bundle.spec.provenance.get("unfit", ()):
        stderr().print(f"Warning: {why}.", markup=False, soft_wrap=True)


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
    seconds a byte. ``n_done`` further ones are done already.
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
