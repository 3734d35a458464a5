"""Dask cluster: recordings scanned on its workers, as if they were scanned here."""

from __future__ import annotations

import hashlib
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
from typing import Any, Self

from distributed import Client, KilledWorker, LocalCluster, Reschedule, WorkerPlugin, get_worker

from counter import __version__
from counter.detector import Detector
from counter.errors import CallcountError
from counter.records import FAILED, FileResult, Recording
from counter.scanning.pool import ADVANCED, BEGUN, STALL_S, Pool, own_error
from counter.scanning.recording import ScanOrder, scan_file
from counter.storage.urls import from_anywhere

# More often nobody wants to know how far a recording is.
_SEND_EVERY_S = 1.0


class ScanPlugin(WorkerPlugin):
    """A Dask worker plugin that holds the model; it travels with the bundle's bytes."""

    def __init__(self, order: ScanOrder) -> None:
        self.order = order
        # among the plugins of a worker; and the topic that its tasks tell of themselves in
        self.name = "callcount-" + hashlib.sha256(repr(order).encode()).hexdigest()[:16]
        # the bundle's folder is not where the worker is
        self.model = order.bundle.model_path.read_bytes()
        self.version = __version__  # another callcount would scan in its own way
        self.detector: Detector | None = None

    def setup(self, worker: Any) -> None:
        """Make the scorer, with the worker's number of threads."""
        if self.version != __version__:
            raise RuntimeError(f"callcount {self.version} here, but {__version__} on a worker")
        self.detector = Detector(self.order.bundle, worker.state.nthreads, model=self.model)

    def teardown(self, worker: Any) -> None:
        """Let go of the scorer's threads."""
        if self.detector is not None:
            self.detector.__exit__()
        self.detector = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "detector": None}


class _TopicTeller:
    """Tells the client that a recording was begun, and then how far it is, but not too often."""

    def __init__(self, worker: Any, topic: str, number: int) -> None:
        self._worker, self._topic, self._number = worker, topic, number
        self._unsent_s = 0.0
        self._sent_at_s = time.monotonic()
        self._send(BEGUN)

    def __call__(self, seconds: float, claimed_s: float) -> None:
        self._unsent_s += seconds
        if time.monotonic() - self._sent_at_s > _SEND_EVERY_S:
            self._send(ADVANCED, self._unsent_s, claimed_s)
            self._sent_at_s, self._unsent_s = time.monotonic(), 0.0

    def _send(self, kind: str, seconds: float = 0.0, claimed_s: float = 0.0) -> None:
        message = {"kind": kind, "number": self._number, "seconds": seconds, "claimed_s": claimed_s}
        self._worker.log_event(self._topic, {**message, "worker": self._worker.address})


def scan_here(number: int, recording: Recording, plugin: str) -> FileResult:
    """Scan a recording on this worker."""
    worker = get_worker()
    holder: ScanPlugin | None = worker.plugins.get(plugin)
    if (
        holder is None or holder.detector is None
    ):  # a worker that joined while the plugin was on its way
        time.sleep(0.1)
        raise Reschedule
    progress = _TopicTeller(worker, plugin, number)
    return scan_file(recording, holder.detector, holder.order, progress)


# Recordings given to the cluster, per thread: so many that no worker waits for the next.
AHEAD = 4
_CONNECT_S = 30.0
_GONE_S = 60.0  # a scheduler that is restarted within it costs nothing but time
_LOOK_S = 0.2
_GATHER_S = 10.0  # results are small, and come within a second
_THREADS_EVERY_S = 2.0


@dataclass
class _Submitted:
    """A recording that the cluster has; ``worker`` is where it has begun."""

    recording: Recording
    future: Any
    last_message_s: float
    worker: str = ""


class ClusterPool(Pool):
    """Scans recordings on a cluster, as ``pool.ScanPool`` does here; a context manager.

    ``cluster`` is the address of a scheduler, or the number of workers to start on this machine;
    the threads of ``order`` do not matter. After ``stall_s`` seconds without progress a recording
    is given up and its worker restarted.
    """

    def __init__(self, order: ScanOrder, cluster: str | int, *, stall_s: float = STALL_S) -> None:
        self._plugin = ScanPlugin(order)
        self._cluster = cluster
        self._stall_s = stall_s
        self._in_hand: dict[int, _Submitted] = {}
        self._waiting: deque[tuple[int, Recording]] = deque()
        self._messages: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._most = AHEAD
        self._counted_s = 0.0

    def __enter__(self) -> Self:
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
        """Results as they come, as of any pool; what a lost scheduler held is given out again."""
        coming = enumerate(recordings)
        while not (stop is not None and stop.is_set()):
            self._feed(coming)
            if not self._in_hand:
                return
            yield from self._finished(self._take_messages())
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
        self._client.subscribe_topic(self._plugin.name, self._receive)

    def _receive(self, event: tuple[float, Any]) -> None:
        self._messages.put((event[1]["number"], event[1]))

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
                self._waiting.append(following)
            self._give(*self._waiting.popleft())

    def _n_threads(self) -> int:
        """Threads of all workers; none while the scheduler is gone."""
        try:
            return sum(self._client.nthreads().values())
        except OSError:
            return 0

    def _give(self, number: int, recording: Recording) -> None:
        away = replace(recording, path=from_anywhere(recording.path))
        future = self._client.submit(scan_here, number, away, self._plugin.name, pure=False)
        self._in_hand[number] = _Submitted(recording, future, time.monotonic())
        future.add_done_callback(partial(self._end, number))

    def _end(self, number: int, future: Any) -> None:
        self._messages.put((number, future))

    def _take_messages(self) -> list[int]:
        """Take what news there is, if need be after a while; numbers of what has ended."""
        ended = []
        for number, message in self._waited_for():
            one = self._in_hand.get(number)
            if one is None:
                continue
            one.last_message_s = time.monotonic()
            if not isinstance(message, dict):
                ended += [number] if message is one.future else []
            elif message["kind"] == BEGUN:
                one.worker = message["worker"]
            elif self.progress is not None:
                self.progress(one.recording, message["seconds"], message["claimed_s"])
        return ended

    def _waited_for(self) -> Iterator[tuple[int, Any]]:
        try:
            yield self._messages.get(timeout=_LOOK_S)
            while True:
                yield self._messages.get_nowait()
        except queue.Empty:
            return

    def _finished(self, ended: list[int]) -> Iterator[tuple[int, FileResult]]:
        """Results of what has ended; what was lost with a scheduler is given out again."""
        by_status: dict[str, list[int]] = {}
        for number in ended:
            by_status.setdefault(self._in_hand[number].future.status, []).append(number)
        done = by_status.pop("finished", [])
        found = self._gathered(done)
        if len(found) < len(done):
            by_status.setdefault("lost", []).extend(done)
            done = []
        for number, result in zip(done, found, strict=False):
            yield number, replace(result, recording=self._in_hand.pop(number).recording)
        for number in by_status.pop("error", []):
            yield self._failed(number, self._why(self._in_hand[number]))
        lost = [number for numbers in by_status.values() for number in numbers]
        if lost:
            again = [(number, self._in_hand.pop(number).recording) for number in lost]
            self._waiting.extendleft(reversed(again))
            self._connect_again()

    def _gathered(self, done: list[int]) -> list[Any]:
        """What tasks brought; less than all of it where a worker or the scheduler is lost.

        A result that went with its worker is worked out again before it comes: behind a recording
        that hangs that is never, so nobody waits for it.
        """
        client, futures = self._client, [self._in_hand[number].future for number in done]
        try:
            # All at once, as each question to the scheduler takes milliseconds.
            return list(
                client.sync(client._gather, futures, errors="skip", callback_timeout=_GATHER_S)
            )
        except OSError:  # of which timing out is one; or the scheduler went while it was asked
            return []

    def _why(self, one: _Submitted) -> str:
        """Why a recording failed: workers died over it, or an error of our own."""
        error = one.future.exception()
        if not isinstance(error, KilledWorker):
            return own_error("".join(traceback.format_exception(error)))
        return f"{error.allowed_failures + 1} workers died over it"

    def _failed(self, number: int, message: str) -> tuple[int, FileResult]:
        """The result of a recording that is given up."""
        one = self._in_hand.pop(number)
        one.future.cancel()
        return number, FileResult(one.recording, FAILED, message=message)

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
        for number, one in list(self._in_hand.items()):
            if not one.worker or now_s - one.last_message_s < self._stall_s:
                continue
            if one.worker not in self._client.nthreads():
                one.worker = ""  # it died; the recording waits for another
                continue
            yield self._failed(number, f"no progress for {self._stall_s:g} s: given up")
            with suppress(KeyError):  # it died just now
                self._client.restart_workers([one.worker], raise_for_error=False)
