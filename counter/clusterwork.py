"""What runs on a Dask worker: the model, set up once, and a task a recording."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from distributed import Reschedule, WorkerPlugin, get_worker

from counter import __version__
from counter.detector import Detector
from counter.records import FileResult, Recording
from counter.scan import Heard, ScanJob, n_parts, scan_part, scan_recording
from counter.worker import BEGUN, HEARD, ScanOrder

# More often nobody wants to know how far a recording is.
_TELL_EVERY_S = 1.0


PLAN, PART, WHOLE = "plan", "part", "whole"


@dataclass(frozen=True)
class Task:
    """What a worker is given.

    Attributes
    ----------
    number : int
        Of the recording.
    recording : Recording
        With a path that leads to it from anywhere.
    what : str
        ``plan``: into how many stretches it can be parted; ``part``: listen to one of them;
        ``whole``: scan it.
    index : int
        Of the stretch.
    """

    number: int
    recording: Recording
    what: str = WHOLE
    index: int = 0

    @property
    def key(self) -> tuple[int, str, int]:
        """What tells it from all others."""
        return self.number, self.what, self.index


@dataclass
class ScanPlugin(WorkerPlugin):
    """A Dask worker plugin that holds the model; it travels with the bundle's bytes.

    Attributes
    ----------
    name : str
        Its name among the plugins of a worker, and the topic that its tasks tell of themselves in.
    order : ScanOrder
        How to scan.
    model : bytes
        The LiteRT file, as the bundle's folder is not where the worker is.
    version : str
        Of the callcount that made it: another would scan in its own way.
    """

    name: str
    order: ScanOrder
    model: bytes
    version: str = __version__
    _jobs: list[ScanJob] = field(default_factory=list)

    @classmethod
    def of(cls, order: ScanOrder) -> ScanPlugin:
        """The plugin for an order."""
        name = "callcount-" + hashlib.sha256(repr(order).encode()).hexdigest()[:16]
        return cls(name, order, order.bundle.model_path.read_bytes())

    def setup(self, worker: Any) -> None:
        """Make the scorer, with the worker's number of threads."""
        if self.version != __version__:
            raise RuntimeError(f"callcount {self.version} here, but {__version__} on a worker")
        order = self.order
        detector = Detector(order.bundle, worker.state.nthreads, model=self.model)
        self._jobs = [ScanJob(detector, order.rules, order.pictures, order.scores)]

    def teardown(self, worker: Any) -> None:
        """Let go of the scorer's threads."""
        for job in self._jobs:
            job.detector.__exit__()
        self._jobs = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_jobs": []}

    def do(self, task: Task, worker: Any) -> FileResult | Heard | int | None:
        """Do a task, and tell of it."""
        (job,) = self._jobs
        tell = _Teller(worker, self.name, task.key)
        if task.what == PLAN:
            return n_parts(task.recording, job.detector)
        if task.what == PART:
            return scan_part(task.recording, job, range(task.index, task.index + 1), tell)
        return scan_recording(task.recording, job, tell)


class _Teller:
    """Tells the client that a recording was begun, and then how far it is, but not too often."""

    def __init__(self, worker: Any, topic: str, key: tuple[int, str, int]) -> None:
        self._worker, self._topic, self._key = worker, topic, key
        self._untold_s = 0.0
        self._told_at_s = time.monotonic()
        self._tell(BEGUN)

    def __call__(self, seconds: float, claimed_s: float) -> None:
        self._untold_s += seconds
        if time.monotonic() - self._told_at_s > _TELL_EVERY_S:
            self._tell(HEARD, self._untold_s, claimed_s)
            self._told_at_s, self._untold_s = time.monotonic(), 0.0

    def _tell(self, kind: str, seconds: float = 0.0, claimed_s: float = 0.0) -> None:
        told = {"kind": kind, "key": self._key, "seconds": seconds, "claimed_s": claimed_s}
        self._worker.log_event(self._topic, {**told, "worker": self._worker.address})


def work_here(task: Task, plugin: str) -> FileResult | Heard | int | None:
    """Do a task on this worker."""
    worker = get_worker()
    holder = worker.plugins.get(plugin)
    if holder is None:  # a worker that joined while the plugin was on its way
        time.sleep(0.1)
        raise Reschedule
    found: FileResult | Heard | int | None = holder.do(task, worker)
    return found
