"""One recording -> FileResult; many -> a stream of them, in order, on threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from counter.audio import MonoStream
from counter.clock import Clock
from counter.config import EventRules
from counter.detector import Detector
from counter.errors import AudioError
from counter.events import decode, smooth
from counter.picture import PictureMaker
from counter.records import (
    FAILED,
    OK,
    TRUNCATED,
    FileResult,
    FloatArray,
    Origin,
    Picture,
    Recording,
    Tags,
)

# Recordings begun or done ahead of the one that is given out next, per thread.
AHEAD = 16

Progress = Callable[[float], None]
OriginOf = Callable[[str, Tags], Origin]


@dataclass(frozen=True)
class ScanJob:
    """How recordings are scanned.

    Attributes
    ----------
    detector : Detector
        Samples to scores.
    rules : mapping from label to EventRules
        Scores to events.
    pictures : bool
        Whether results carry what their plot needs.
    progress : callable or None
        Told the seconds of sound decoded since the last call, from any thread.
    stop : threading.Event
        When set, recordings that are not finished are given up.
    scores : bool
        Whether results carry their frame scores.
    origin_of : callable
        When and where a recording was made, by its name and the tags of its header.
    """

    detector: Detector
    rules: Mapping[str, EventRules]
    pictures: bool
    progress: Progress | None
    stop: threading.Event
    scores: bool = False
    origin_of: OriginOf = Clock().origin


class _StopError(Exception):
    """The scan was asked to stop."""


def scan_recording(recording: Recording, job: ScanJob) -> FileResult:
    """Scan one recording; what cannot be read is a result with status ``failed``."""
    spec = job.detector.bundle.spec
    maker = PictureMaker(spec.sample_rate_hz) if job.pictures else None
    tags = Tags()
    try:
        with MonoStream(recording.path, spec.sample_rate_hz) as stream:
            tags = stream.tags()
            scores, n_samples = _listen(stream, job, maker)
    except (AudioError, OSError, MemoryError) as error:
        origin = job.origin_of(recording.name, tags)
        message = _message(" ".join(str(error).split()), origin.remark)
        return FileResult(recording, FAILED, message=message, origin=origin)
    origin = job.origin_of(recording.name, tags)
    length_s = n_samples / spec.sample_rate_hz
    return FileResult(
        recording=recording,
        status=TRUNCATED if stream.truncated else OK,
        message=_message(stream.message, _dead(stream.dead_s), origin.remark),
        duration_s=max(stream.info.duration_s, stream.scanned_s),
        scanned_s=stream.scanned_s,
        events=decode(scores, spec.labels, job.rules, spec.timebase, length_s),
        picture=_picture(maker, scores, job) if maker is not None else None,
        scores=scores if job.scores else None,
        origin=origin,
        sample_rate_hz=stream.info.sample_rate_hz,
        channels=stream.info.channels,
        dead_s=stream.dead_s,
    )


def _message(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _dead(stretches_s: Sequence[tuple[float, float]]) -> str:
    if not stretches_s:
        return ""
    dead_s = sum(end - start for start, end in stretches_s)
    return f"{dead_s:.1f} s hold one constant value (no signal) and are no effort"


def _listen(stream: MonoStream, job: ScanJob, maker: PictureMaker | None) -> tuple[FloatArray, int]:
    """Frame scores of a whole stream, and how many samples it had."""
    scoring = job.detector.open()
    n_samples = 0
    for block in stream:
        if job.stop.is_set():
            raise _StopError
        scoring.push(block)
        if maker is not None:
            maker.push(block)
        n_samples += len(block)
        if job.progress is not None:
            job.progress(len(block) / stream.sample_rate_hz)
    return scoring.finish(), n_samples


def _picture(maker: PictureMaker, scores: FloatArray, job: ScanJob) -> Picture:
    spec = job.detector.bundle.spec
    smoothed = [
        smooth(scores[:, column], job.rules[label].smooth_s, spec.timebase)
        for column, label in enumerate(spec.labels)
    ]
    return maker.finish(np.stack(smoothed, axis=1), spec.timebase.frame_s)


def scan_recordings(
    recordings: Sequence[Recording], job: ScanJob, n_threads: int
) -> Iterator[FileResult]:
    """Results of all recordings, in their order, whatever the number of threads.

    When ``job.stop`` is set, the recordings that were finished are still given out and the others
    left out. No recordings give no results.
    """
    waiting: deque[Future[FileResult]] = deque()
    left = iter(recordings)
    with ThreadPoolExecutor(n_threads, thread_name_prefix="decode") as pool:
        for recording in left:
            waiting.append(pool.submit(scan_recording, recording, job))
            if len(waiting) < AHEAD * n_threads:
                continue
            yield from _finished(waiting.popleft(), job)
        while waiting:
            yield from _finished(waiting.popleft(), job)


def _finished(future: Future[FileResult], job: ScanJob) -> Iterator[FileResult]:
    if job.stop.is_set():
        future.cancel()
    if future.cancelled():
        return
    try:
        yield future.result()
    except _StopError:
        return
