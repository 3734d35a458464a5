"""Scanning in a process of its own that is watched: its death or silence costs one recording."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Protocol

from counter.errors import CallcountError
from counter.records import FAILED, FileResult, Recording
from counter.worker import BEGUN, BROKEN, DONE, HEARD, News, ScanOrder, work

STALL_S = 120.0
# Told the seconds of a recording decoded since it was last called, and those that it claims.
Progress = Callable[[Recording, float, float], None]
# Recordings that a worker holds, per thread: so many that it never waits for the next.
AHEAD = 4
_LOOK_S = 0.2
_MOST_DEATHS = 5  # of which no recording can be blamed, in a row


class Pool(Protocol):
    """What scans recordings; a context manager.

    Attributes
    ----------
    progress : callable or None
        Told of what is decoded.
    """

    progress: Progress | None

    def __enter__(self) -> Pool: ...

    def __exit__(self, *error: object) -> None: ...

    def results(
        self, recordings: Iterable[Recording], stop: threading.Event | None = None
    ) -> Iterator[tuple[int, FileResult]]:
        """Results as they come, one a recording, with its number from 0 in the order given.

        When ``stop`` is set, what is not finished is given up. No recordings give no results.
        """

    def close(self) -> None:
        """Stop; what it is at is given up."""


@dataclass
class _InHand:
    """A recording that the worker holds; ``heard_at_s`` is when it last told of it."""

    recording: Recording
    heard_at_s: float
    is_begun: bool = False


def start_method() -> str:
    """How a process is started: a fork is there at once, but is safe only without other threads."""
    is_alone = sys.platform == "linux" and threading.active_count() == 1
    return "fork" if is_alone else "spawn"


class _Worker:
    """A process that runs ``work``."""

    def __init__(self, order: ScanOrder) -> None:
        context = multiprocessing.get_context(start_method())
        self.connection, theirs = context.Pipe()
        self.process = context.Process(  # type: ignore[attr-defined]
            target=work, args=(order, theirs, self.connection), name="scan", daemon=True
        )
        self.process.start()
        theirs.close()
        self.is_ready = False

    def wait(self) -> None:
        """Until there is news or the process has ended, but not for long."""
        wait([self.connection, self.process.sentinel], timeout=_LOOK_S)

    def news(self) -> Iterator[News]:
        """All that it has told by now; a message it could not finish is none."""
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            return

    def send(self, number: int, recording: Recording) -> None:
        """Give it a recording; one that died does not take it."""
        try:
            self.connection.send((number, recording))
        except OSError:
            return

    def end(self) -> str:
        """Make sure that it is gone; how it ended."""
        self.process.kill()
        self.process.join()
        if not self.connection.closed:
            self.connection.close()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name
        return f"{name}; out of memory?" if name == "SIGKILL" else name


def own_error(trace: str) -> str:
    """What to say of a recording over which callcount itself failed; the trace goes to stderr."""
    print(trace, file=sys.stderr, end="")
    return f"an error in callcount, please report it: {trace.rstrip().splitlines()[-1]}"


class ScanPool:
    """Scans recordings in a worker process; a context manager, best entered before any thread.

    A recording that kills the worker, or of which nothing is heard for ``stall_s``, gives a result
    with status ``failed``; a new worker goes on with the others. Where a worker dies over several
    recordings, each is tried alone.

    Parameters
    ----------
    order : ScanOrder
        How to scan.
    stall_s : float
        Seconds without progress after which a recording is given up, > 0.
    progress : callable, optional
        Told of what is decoded.
    """

    def __init__(
        self, order: ScanOrder, *, stall_s: float = STALL_S, progress: Progress | None = None
    ) -> None:
        self._order = order
        self._stall_s = stall_s
        self.progress = progress
        self._in_hand: dict[int, _InHand] = {}
        self._again: deque[tuple[int, Recording]] = deque()
        self._suspects: deque[tuple[int, Recording]] = deque()
        self._is_alone = False
        self._n_deaths = 0

    def __enter__(self) -> ScanPool:
        self._worker = _Worker(self._order)
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker; what it is at is given up."""
        self._worker.end()

    def results(
        self, recordings: Iterable[Recording], stop: threading.Event | None = None
    ) -> Iterator[tuple[int, FileResult]]:
        """Results as they come, one a recording, with its number from 0 in the order given.

        When ``stop`` is set, what is not finished is given up.

        Raises
        ------
        CallcountError
            The bundle does not load, or workers die whatever they are given.
        """
        coming = enumerate(recordings)
        looked_s = time.monotonic()
        while not (stop is not None and stop.is_set()):
            self._feed(coming)
            if not self._in_hand:
                return
            self._worker.wait()
            # While this process slept or was busy, nothing could be heard.
            now_s = time.monotonic()
            for one in self._in_hand.values():
                one.heard_at_s += max(0.0, now_s - looked_s - 2 * _LOOK_S)
            looked_s = now_s
            for news in self._worker.news():
                yield from self._take(news)
            yield from self._stalled(now_s)
            if not self._worker.process.is_alive():
                yield from self._after_death()

    def _feed(self, coming: Iterator[tuple[int, Recording]]) -> None:
        """Give the worker enough to do; a suspect is given alone."""
        if self._in_hand and (self._is_alone or self._suspects):
            return
        self._is_alone = bool(self._suspects)
        if self._is_alone:
            self._give(*self._suspects.popleft())
        while not self._is_alone and len(self._in_hand) < AHEAD * self._order.n_threads:
            following = self._again.popleft() if self._again else next(coming, None)
            if following is None:
                return
            self._give(*following)

    def _give(self, number: int, recording: Recording) -> None:
        self._in_hand[number] = _InHand(recording, time.monotonic())
        self._worker.send(number, recording)

    def _take(self, news: News) -> Iterator[tuple[int, FileResult]]:
        self._worker.is_ready = True
        if news.kind == BROKEN and isinstance(news.value, CallcountError):
            raise news.value
        if news.kind == BROKEN:
            yield self._failed(news.number, own_error(news.value))
        if news.kind == DONE:
            del self._in_hand[news.number]
            self._n_deaths = 0
            yield news.number, news.value
        elif news.kind in (BEGUN, HEARD):
            one = self._in_hand[news.number]
            one.is_begun, one.heard_at_s = True, time.monotonic()
            if news.kind == HEARD and self.progress is not None:
                self.progress(one.recording, *news.value)

    def _stalled(self, now_s: float) -> Iterator[tuple[int, FileResult]]:
        """Give up what is silent, with the worker, as a thread that hangs cannot be ended."""
        silent = [
            number
            for number, one in self._in_hand.items()
            if one.is_begun and now_s - one.heard_at_s > self._stall_s
        ]
        if not silent:
            return
        self._worker.end()
        for number in silent:
            yield self._failed(number, f"no progress for {self._stall_s:g} s: given up")
        self._begin_again()

    def _after_death(self) -> Iterator[tuple[int, FileResult]]:
        for news in self._worker.news():
            yield from self._take(news)
        how = self._worker.end()
        begun = [number for number, one in self._in_hand.items() if one.is_begun]
        self._n_deaths += not begun
        if not self._worker.is_ready or self._n_deaths > _MOST_DEATHS:
            raise CallcountError(
                f"the scanning process ended ({how}) before it read any recording.",
                "Is there memory enough? Fewer threads (--jobs 1) take less.",
            )
        if len(begun) == 1:
            yield self._failed(begun[0], f"the scanning process died over it ({how})")
        for number in begun if len(begun) > 1 else ():
            self._suspects.append((number, self._in_hand.pop(number).recording))
        self._begin_again()

    def _failed(self, number: int, message: str) -> tuple[int, FileResult]:
        return number, FileResult(self._in_hand.pop(number).recording, FAILED, message=message)

    def _begin_again(self) -> None:
        left = [(number, one.recording) for number, one in self._in_hand.items()]
        self._again.extendleft(reversed(left))
        self._in_hand.clear()
        self._worker = _Worker(self._order)
