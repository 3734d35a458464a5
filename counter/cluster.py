"""Scanning on the workers of a Dask cluster; what comes back is as if it were scanned here.

Tasks are recordings, or stretches of long ones. Dask places them, gives those of a worker that dies
to another, and takes in workers that come later. The model goes to each worker once.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from distributed import Client, KilledWorker, LocalCluster

from counter import __version__
from counter.clusterjoin import Joiner
from counter.clusterwork import BEGUN, ScanPlugin, Task, work_here
from counter.errors import CallcountError
from counter.pool import STALL_S, Progress, own_error
from counter.records import FAILED, FileResult, Recording
from counter.remote.urls import from_anywhere
from counter.worker import ScanOrder

Key = tuple[int, str, int]
# Recordings given to the cluster, per thread: so many that no worker waits for the next.
AHEAD = 4
_CONNECT_S = 30.0
_GONE_S = 60.0  # a scheduler that is restarted within it costs nothing but time
_LOOK_S = 0.2
_THREADS_EVERY_S = 2.0


@dataclass
class _InHand:
    """A task that the cluster has; ``worker`` is where it has begun."""

    task: Task
    future: Any
    heard_at_s: float
    worker: str = ""


class ClusterPool:
    """Scans recordings on a cluster, as ``pool.ScanPool`` does here; a context manager.

    Parameters
    ----------
    order : ScanOrder
        How to scan; its threads are those of this process and do not matter.
    cluster : str or int
        Address of a scheduler, or the number of workers to start on this machine.
    stall_s : float
        Seconds without progress after which a recording is given up and its worker restarted.
    progress : callable, optional
        Told of what is decoded.
    """

    def __init__(
        self,
        order: ScanOrder,
        cluster: str | int,
        *,
        stall_s: float = STALL_S,
        progress: Progress | None = None,
    ) -> None:
        self._plugin = ScanPlugin.of(order)
        self._cluster = cluster
        self._stall_s = stall_s
        self.progress = progress
        self._joiner = Joiner(order)
        self._in_hand: dict[Key, _InHand] = {}
        self._waiting: deque[Task] = deque()
        self._news: queue.SimpleQueue[tuple[Key, Any]] = queue.SimpleQueue()
        self._most = AHEAD
        self._counted_s = 0.0

    def __enter__(self) -> ClusterPool:
        where = self._cluster
        # What goes wrong is told by us, in one line; some of Dask's loggers have their own level.
        for name in ("distributed", *logging.root.manager.loggerDict):
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            if isinstance(where, int):
                where = self._local = LocalCluster(
                    n_workers=where,
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                )
            self._client = Client(where, timeout=_CONNECT_S)
        except (OSError, ValueError, TypeError) as error:  # the last for TLS without a key
            raise CallcountError(
                f"no Dask scheduler answers at {where}: {' '.join(str(error).split())}.",
                "Start one with `dask scheduler`, and workers with `dask worker`.",
            ) from error
        self._set_up()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the cluster; what it is at is given up."""
        for one in self._in_hand.values():
            one.future.cancel()
        self._in_hand.clear()
        self._client.close()
        if isinstance(self._cluster, int):
            self._local.close()

    def results(
        self, recordings: Iterable[Recording], stop: threading.Event | None = None
    ) -> Iterator[tuple[int, FileResult]]:
        """Results as they come, one a recording, with its number from 0 in the order given.

        When ``stop`` is set, what is not finished is given up.

        Raises
        ------
        CallcountError
            The bundle does not load on the workers, or the scheduler is gone for good.
        """
        coming = enumerate(recordings)
        while not (stop is not None and stop.is_set()):
            self._feed(coming)
            if not self._in_hand:
                return
            yield from self._finished(self._listen())
            yield from self._stalled()

    def _set_up(self) -> None:
        """Give the workers, those to come as well, the model; they tell what they have heard."""
        try:
            self._client.register_plugin(self._plugin)
        except (RuntimeError, ImportError) as error:
            raise CallcountError(
                f"the workers cannot scan: {' '.join(str(error).split())}.",
                f"Install callcount {__version__} where the workers run.",
            ) from error
        self._client.subscribe_topic(self._plugin.name, self._hear)

    def _hear(self, event: tuple[float, Any]) -> None:
        self._news.put((tuple(event[1]["key"]), event[1]))

    def _feed(self, coming: Iterator[tuple[int, Recording]]) -> None:
        """Give the cluster enough to do."""
        if time.monotonic() - self._counted_s > _THREADS_EVERY_S:
            self._most = AHEAD * max(1, self._n_threads())
            self._counted_s = time.monotonic()
        while len(self._in_hand) < self._most:
            if not self._waiting:
                following = next(coming, None)
                if following is None:
                    return
                self._waiting.append(self._joiner.first(*following))
            self._give(self._waiting.popleft())

    def _n_threads(self) -> int:
        """Threads of all workers; none while the scheduler is gone."""
        try:
            return sum(self._client.nthreads().values())
        except OSError:
            return 0

    def _give(self, task: Task) -> None:
        there = replace(task.recording, path=from_anywhere(task.recording.path))
        away = replace(task, recording=there)
        future = self._client.submit(work_here, away, self._plugin.name, pure=False)
        self._in_hand[task.key] = _InHand(task, future, time.monotonic())
        future.add_done_callback(partial(self._end, task.key))

    def _end(self, key: Key, future: Any) -> None:
        self._news.put((key, future))

    def _listen(self) -> list[Key]:
        """Take what news there is, if need be after a while; keys of what has ended."""
        ended = []
        for key, told in self._waited_for():
            one = self._in_hand.get(key)
            if one is None:
                continue
            one.heard_at_s = time.monotonic()
            if not isinstance(told, dict):
                ended += [key] if told is one.future else []
            elif told["kind"] == BEGUN:
                one.worker = told["worker"]
            elif self.progress is not None:
                self.progress(one.task.recording, told["seconds"], told["claimed_s"])
        return ended

    def _waited_for(self) -> Iterator[tuple[Key, Any]]:
        try:
            yield self._news.get(timeout=_LOOK_S)
            while True:
                yield self._news.get_nowait()
        except queue.Empty:
            return

    def _finished(self, ended: list[Key]) -> Iterator[tuple[int, FileResult]]:
        """Results of what has ended; what was lost with a scheduler is given out again."""
        by_status: dict[str, list[Key]] = {}
        for key in ended:
            by_status.setdefault(self._in_hand[key].future.status, []).append(key)
        done = by_status.pop("finished", [])
        found = self._gathered(done)
        if len(found) < len(done):
            by_status.setdefault("lost", []).extend(done)
            done = []
        for key, value in zip(done, found, strict=False):
            tasks, result = self._joiner.add(self._in_hand.pop(key).task, value)
            self._waiting.extendleft(reversed(tasks))
            if result is not None:
                yield key[0], result
        for key in by_status.pop("error", []):
            if key in self._in_hand:  # not given up with another stretch
                yield self._failed(key, self._why(self._in_hand[key]))
        lost = [key for keys in by_status.values() for key in keys if key in self._in_hand]
        if lost:
            self._waiting.extendleft(self._in_hand.pop(key).task for key in reversed(lost))
            self._connect_again()

    def _gathered(self, done: list[Key]) -> list[Any]:
        """What tasks brought; less than all of it where a worker or the scheduler is lost."""
        try:
            # All at once, as each question to the scheduler takes milliseconds.
            return list(
                self._client.gather([self._in_hand[key].future for key in done], errors="skip")
            )
        except OSError:  # the scheduler went while it was asked
            return []

    def _why(self, one: _InHand) -> str:
        """Why a task failed: workers died over it, or an error of our own."""
        error = one.future.exception()
        if not isinstance(error, KilledWorker):
            return own_error("".join(traceback.format_exception(error)))
        return f"{error.allowed_failures + 1} workers died over it"

    def _failed(self, key: Key, message: str) -> tuple[int, FileResult]:
        """The result of a recording that is given up, with all that is under way of it."""
        number, recording = key[0], self._in_hand[key].task.recording
        for other in [one for one in self._in_hand if one[0] == number]:
            self._in_hand.pop(other).future.cancel()
        self._waiting = deque(task for task in self._waiting if task.number != number)
        self._joiner.drop(number)
        return number, FileResult(recording, FAILED, message=message)

    def _connect_again(self) -> None:
        """Wait for a scheduler that was restarted, and for its first worker."""
        until_s = time.monotonic() + _GONE_S
        while self._client.status != "running" and time.monotonic() < until_s:
            time.sleep(_LOOK_S)
        try:
            self._client.wait_for_workers(1, timeout=max(1.0, until_s - time.monotonic()))
            self._set_up()
        except (OSError, TimeoutError, ValueError) as error:
            raise CallcountError(
                f"the scheduler at {self._cluster} is gone, or has no worker.",
                "Start it again and give the same command: what is done is kept.",
            ) from error

    def _stalled(self) -> Iterator[tuple[int, FileResult]]:
        """Give up what is silent; its worker is restarted, as a thread that hangs cannot be ended.

        What else the worker was at is scanned by others.
        """
        now_s = time.monotonic()
        for key, one in list(self._in_hand.items()):
            if key not in self._in_hand or not one.worker or now_s - one.heard_at_s < self._stall_s:
                continue
            if one.worker not in self._client.nthreads():
                one.worker = ""  # it died; the recording waits for another
                continue
            yield self._failed(key, f"no progress for {self._stall_s:g} s: given up")
            with suppress(KeyError):  # it died just now
                self._client.restart_workers([one.worker], raise_for_error=False)
