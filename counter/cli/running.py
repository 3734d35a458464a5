"""What commands that scan have in common: how many threads, and a first Ctrl-C that is polite."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ALL_SCANNED, SOME_FAILED, INTERRUPTED = 0, 1, 130


def n_threads(wanted: int | None) -> int:
    """The number wanted, else one per core that this process may use."""
    if wanted is not None:
        return wanted
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def stopping_on_interrupt(stop: threading.Event, *others: signal.Signals) -> Iterator[None]:
    """The first Ctrl-C, or one of the other signals, stops in order; a second one is as usual."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {one: signal.signal(one, handle) for one in (signal.SIGINT, *others)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
