"""The process that scans, apart from the one that keeps the results: a decoder can crash or hang.

It takes recordings from a connection and scans them on threads, which let go of the interpreter
lock while they decode and score. It tells what it begins, every block that it has heard, and what
it found.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from counter.bundle import Bundle
from counter.config import EventRules
from counter.detector import Detector
from counter.errors import CallcountError
from counter.records import FileResult, Recording
from counter.remote.reading import expect
from counter.remote.urls import is_url
from counter.scan import ScanJob, scan_recording

READY, BEGUN, HEARD, DONE, BROKEN = "ready", "begun", "heard", "done", "broken"


@dataclass(frozen=True)
class ScanOrder:
    """All that a process needs to know to scan.

    Attributes
    ----------
    bundle : Bundle
        The model.
    rules : mapping from label to EventRules
        Scores to events.
    n_threads : int
        Recordings scanned at a time, >= 1.
    pictures, scores : bool
        Whether results carry what their plot needs, and their frame scores.
    """

    bundle: Bundle
    rules: Mapping[str, EventRules]
    n_threads: int
    pictures: bool = False
    scores: bool = False


class News(NamedTuple):
    """What a worker tells: ``HEARD`` has seconds, and those claimed; ``DONE`` a result.

    ``BROKEN`` has an error that ends the scan, or the trace of one of our own over a recording.

    ``number`` is that of the recording, -1 where it is about none.
    """

    kind: str
    number: int = -1
    value: Any = None


def work(order: ScanOrder, connection: Connection, other_end: Connection) -> None:
    """Scan what ``(number, recording)`` the connection gives, until it is closed.

    ``other_end`` is that of the parent, of which a forked process has a copy: it is closed, so that
    the end of the parent is seen.
    """
    other_end.close()
    gc.freeze()  # what a fork shares stays shared: the collector would touch all of it
    _be_quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to both; the parent decides
    tell = _Teller(connection)
    try:
        with (
            Detector(order.bundle, order.n_threads) as detector,
            ThreadPoolExecutor(order.n_threads, thread_name_prefix="decode") as pool,
        ):
            job = ScanJob(detector, order.rules, order.pictures, order.scores)
            tell(News(READY))
            while True:
                number, recording = connection.recv()
                if is_url(recording.path):
                    expect(recording.path)
                future = pool.submit(_scan, number, recording, job, tell)
                future.add_done_callback(partial(_conclude, number, tell))
    except CallcountError as error:
        tell(News(BROKEN, value=error))
    except EOFError:
        os._exit(0)  # nobody is left to tell; what is being scanned is given up


def _be_quiet() -> None:
    """Decoders print what they think of a file; what matters of it is in its row."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


class _Teller:
    """Sends news, from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def __call__(self, news: News) -> None:
        with self._lock:
            self._connection.send(news)


def _scan(number: int, recording: Recording, job: ScanJob, tell: _Teller) -> FileResult:
    tell(News(BEGUN, number))
    return scan_recording(recording, job, lambda *heard: tell(News(HEARD, number, heard)))


def _conclude(number: int, tell: _Teller, future: Future[FileResult]) -> None:
    error = future.exception()
    if error is None:
        tell(News(DONE, number, future.result()))
    elif isinstance(error, CallcountError):
        tell(News(BROKEN, number, error))
    else:
        tell(News(BROKEN, number, "".join(traceback.format_exception(error))))
