"""Pool and worker: scanning in a process that is watched; its end costs one recording."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Self

from counter.detector import Detector
from counter.errors import CallcountError
from counter.records import FAILED, FileResult, Recording
from counter.scanning.recording import ScanOrder, scan_file
from counter.storage.reader import expect
from counter.storage.urls import is_url

READY, BEGUN, ADVANCED, DONE, BROKEN = "ready", "begun", "advanced", "done", "broken"


class Message(NamedTuple):
    """What a worker tells: ``ADVANCED`` has seconds, and those claimed; ``DONE`` a result.

    ``BROKEN`` has an error that ends the scan, or the trace of one of our own over a recording.
    """

    kind: str
    number: int = -1  # of the recording, -1 where it is about none
    value: Any = None


Send = Callable[[Message], None]


def work(order: ScanOrder, connection: Connection, other_end: Connection) -> None:
    """Scan what ``(number, recording)`` the connection gives, until it is closed.

    ``other_end`` is that of the parent, of which a forked process has a copy: it is closed, so that
    the end of the parent is seen.
    """
    other_end.close()
    gc.freeze()  # what a fork shares stays shared: the collector would touch all of it
    _be_quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to both; the parent decides
    one_at_a_time = threading.Lock()

    def send(message: Message) -> None:
        with one_at_a_time:
            connection.send(message)

    try:
        with (
            Detector(order.bundle, order.n_threads) as detector,
            ThreadPoolExecutor(order.n_threads, thread_name_prefix="decode") as pool,
        ):
            send(Message(READY))
            while True:
                number, recording = connection.recv()
                if is_url(recording.path):
                    expect(recording.path)
                future = pool.submit(_scan, number, recording, (detector, order), send)
                future.add_done_callback(partial(_conclude, number, send))
    except CallcountError as error:
        send(Message(BROKEN, value=error))
    except (EOFError, ConnectionError):
        os._exit(0)  # nobody is left to send to; what is being scanned is given up


def _be_quiet() -> None:
    """Decoders print what they think of a file; what matters of it is in its row."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _scan(
    number: int, recording: Recording, how: tuple[Detector, ScanOrder], send: Send
) -> FileResult:
    send(Message(BEGUN, number))
    return scan_file(recording, *how, lambda *place: send(Message(ADVANCED, number, place)))


def _conclude(number: int, send: Send, future: Future[FileResult]) -> None:
    error = future.exception()
    if error is None:
        send(Message(DONE, number, future.result()))
    elif isinstance(error, CallcountError):
        send(Message(BROKEN, number, error))
    else:
        send(Message(BROKEN, number, "".join(traceback.format_exception(error))))


STALL_S = 120.0
# Told the seconds of a recording decoded since it was last called, and those that it claims.
Progress = Callable[[Recording, float, float], None]
# Recordings that a worker holds, per thread: so many that it never waits for the next.
AHEAD = 4
_LOOK_S = 0.2
_MOST_DEATHS = 5  # of which no recording can be blamed, in a row


class Pool(ABC):
    """What scans recordings; a context manager."""

    progress: Progress | None = None  # told of what is decoded

    @abstractmethod
    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None:
        self.close()

    @abstractmethod
    def results(
        self, recordings: Iterable[Recording], stop: threading.Event | None = None
    ) -> Iterator[tuple[int, FileResult]]:
        """Results as they come, one a recording, with its number from 0 in the order given.

        When ``stop`` is set, what is not finished is given up. No recordings give no results.

        Raises
        ------
        CallcountError
            The bundle does not load, or what scans is gone or dies whatever it is given.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop; what it is at is given up."""


@dataclass
class _InHand:
    """A recording that the worker holds; ``last_message_s`` is when it last sent one."""

    recording: Recording
    last_message_s: float
    is_begun: bool = False


def start_method() -> str:
    """How a process is started: a fork is there at once, but is safe only without other threads.

    Windows has none. ``CALLCOUNT_START_METHOD`` overrules it, so that tests see what others see.
    """
    is_alone = sys.platform == "linux" and threading.active_count() == 1
    return os.environ.get("CALLCOUNT_START_METHOD") or ("fork" if is_alone else "spawn")


def describe_exit(code: int) -> str:
    """How a process ended, by its exit code; below 0 it is a signal's number."""
    if code < 0:
        known = {one.value: one.name for one in signal.Signals}
        name = known.get(-code, f"signal {-code}")
        return f"{name}; out of memory?" if name == "SIGKILL" else name
    # Windows numbers crashes so, and documents them in hexadecimal.
    return f"exit code {code}" if code < 0xC000_0000 else f"exit code 0x{code:08X}"


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
        """Until there is a message or the process has ended, but not for long."""
        wait([self.connection, self.process.sentinel], timeout=_LOOK_S)

    def messages(self) -> Iterator[Message]:
        """All that it has sent by now; one it could not finish is none."""
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
        return describe_exit(self.process.exitcode or 0)


def own_error(trace: str) -> str:
    """What to say of a recording over which callcount itself failed; the trace goes to stderr."""
    print(trace, file=sys.stderr, end="")
    return f"an error in callcount, please report it: {trace.rstrip().splitlines()[-1]}"


class ScanPool(Pool):
    """Scans recordings in a worker process; a context manager, best entered before any thread.

    A recording that kills the worker, or of which nothing is heard for ``stall_s`` seconds, > 0,
    gives a result with status ``failed``; a new worker goes on with the others. Where a worker dies
    over several recordings, each is tried alone.
    """

    def __init__(self, order: ScanOrder, *, stall_s: float = STALL_S) -> None:
        self._order = order
        self._stall_s = stall_s
        self._in_hand: dict[int, _InHand] = {}
        self._again: deque[tuple[int, Recording]] = deque()
        self._suspects: deque[tuple[int, Recording]] = deque()
        self._is_alone = False
        self._n_deaths = 0

    def __enter__(self) -> Self:
        self._worker = _Worker(self._order)
        return self

    def close(self) -> None:
        """End the worker; what it is at is given up."""
        self._worker.end()

    def results(
        self, recordings: Iterable[Recording], stop: threading.Event | None = None
    ) -> Iterator[tuple[int, FileResult]]:
        """Results as they come, as of any pool; a worker that dies or hangs is replaced."""
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
                one.last_message_s += max(0.0, now_s - looked_s - 2 * _LOOK_S)
            looked_s = now_s
            for message in self._worker.messages():
                yield from self._take(message)
            yield from self._stalled(now_s)
            if not self._worker.process.is_alive():
                yield from self._after_death()

    def _feed(self, coming: Iterator[tuple[int, Recording]]) -> None:
        """Give the worker enough to do; a suspect is given alone.

        One that has not said it is ready gets no more than a pipe holds: it may never read it.
        """
        if self._in_hand and (self._is_alone or self._suspects):
            return
        self._is_alone = bool(self._suspects)
        if self._is_alone:
            self._give(*self._suspects.popleft())
        most = AHEAD * self._order.n_threads if self._worker.is_ready else 1
        while not self._is_alone and len(self._in_hand) < most:
            following = self._again.popleft() if self._again else next(coming, None)
            if following is None:
                return
            self._give(*following)

    def _give(self, number: int, recording: Recording) -> None:
        self._in_hand[number] = _InHand(recording, time.monotonic())
        self._worker.send(number, recording)

    def _take(self, message: Message) -> Iterator[tuple[int, FileResult]]:
        self._worker.is_ready = True
        if message.kind == BROKEN and isinstance(message.value, CallcountError):
            raise message.value
        if message.kind == BROKEN:
            yield self._failed(message.number, own_error(message.value))
        if message.kind == DONE:
            del self._in_hand[message.number]
            self._n_deaths = 0
            yield message.number, message.value
        elif message.kind in (BEGUN, ADVANCED):
            one = self._in_hand[message.number]
            one.is_begun, one.last_message_s = True, time.monotonic()
            if message.kind == ADVANCED and self.progress is not None:
                self.progress(one.recording, *message.value)

    def _stalled(self, now_s: float) -> Iterator[tuple[int, FileResult]]:
        """Give up what is silent, with the worker, as a thread that hangs cannot be ended."""
        silent = [
            number
            for number, one in self._in_hand.items()
            if one.is_begun and now_s - one.last_message_s > self._stall_s
        ]
        if not silent:
            return
        self._worker.end()
        for number in silent:
            yield self._failed(number, f"no progress for {self._stall_s:g} s: given up")
        self._begin_again()

    def _after_death(self) -> Iterator[tuple[int, FileResult]]:
        for message in self._worker.messages():
            yield from self._take(message)
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
