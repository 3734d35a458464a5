"""Keep C++ libraries that print on standard error from writing into tables and progress bars."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
# Where standard error went before, once for each call that is under way.
_kept: list[int] = []


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what is written to file descriptor 2 nowhere, for as long as it takes.

    For short calls that raise what is wrong and print the rest: it affects all threads. Where calls
    overlap, it ends with the last of them.
    """
    with _lock:
        if not _kept:
            sys.stderr.flush()
            _kept.append(os.dup(2))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
        else:
            _kept.append(_kept[0])
    try:
        yield
    finally:
        with _lock:
            kept = _kept.pop()
            if not _kept:
                os.dup2(kept, 2)
                os.close(kept)
