"""One recording -> FileResult."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from counter.audio import MonoStream
from counter.config import EventRules
from counter.detector import Detector
from counter.errors import AudioError
from counter.events import decode, smooth
from counter.picture import PictureMaker
from counter.records import FAILED, OK, TRUNCATED, FileResult, FloatArray, Picture, Recording, Tags

Progress = Callable[[float], None]


@dataclass(frozen=True)
class ScanJob:
    """How a recording is scanned.

    Attributes
    ----------
    detector : Detector
        Samples to scores.
    rules : mapping from label to EventRules
        Scores to events.
    pictures : bool
        Whether results carry what their plot needs.
    scores : bool
        Whether results carry their frame scores.
    """

    detector: Detector
    rules: Mapping[str, EventRules]
    pictures: bool = False
    scores: bool = False


def scan_recording(
    recording: Recording, job: ScanJob, progress: Progress | None = None
) -> FileResult:
    """Scan one recording; what cannot be read is a result with status ``failed``.

    ``progress`` is told the seconds of sound decoded since it was last called.
    """
    spec = job.detector.bundle.spec
    maker = PictureMaker(spec.sample_rate_hz) if job.pictures else None
    tags = Tags()
    try:
        with MonoStream(recording.path, spec.sample_rate_hz) as stream:
            tags = stream.tags()
            scores, n_samples = _listen(stream, job.detector, maker, progress)
    except (AudioError, OSError, MemoryError) as error:
        return FileResult(recording, FAILED, message=" ".join(str(error).split()), tags=tags)
    length_s = n_samples / spec.sample_rate_hz
    return FileResult(
        recording=recording,
        status=TRUNCATED if stream.truncated else OK,
        message=joined(stream.message, _dead(stream.dead_s)),
        duration_s=max(stream.info.duration_s, stream.scanned_s),
        scanned_s=stream.scanned_s,
        events=decode(scores, spec.labels, job.rules, spec.timebase, length_s),
        picture=_picture(maker, scores, job) if maker is not None else None,
        scores=scores if job.scores else None,
        tags=tags,
        sample_rate_hz=stream.info.sample_rate_hz,
        channels=stream.info.channels,
        dead_s=stream.dead_s,
    )


def joined(*notes: str) -> str:
    """Notes about a recording as one message; empty ones say nothing."""
    return "; ".join(note for note in notes if note)


def _dead(stretches_s: Sequence[tuple[float, float]]) -> str:
    if not stretches_s:
        return ""
    dead_s = sum(end - start for start, end in stretches_s)
    return f"{dead_s:.1f} s hold one constant value (no signal) and are no effort"


def _listen(
    stream: MonoStream,
    detector: Detector,
    maker: PictureMaker | None,
    progress: Progress | None,
) -> tuple[FloatArray, int]:
    """Frame scores of a whole stream, and how many samples it had."""
    scoring = detector.open()
    n_samples = 0
    for block in stream:
        scoring.push(block)
        if maker is not None:
            maker.push(block)
        n_samples += len(block)
        if progress is not None:
            progress(len(block) / stream.sample_rate_hz)
    return scoring.finish(), n_samples


def _picture(maker: PictureMaker, scores: FloatArray, job: ScanJob) -> Picture:
    spec = job.detector.bundle.spec
    smoothed = [
        smooth(scores[:, column], job.rules[label].smooth_s, spec.timebase)
        for column, label in enumerate(spec.labels)
    ]
    return maker.finish(np.stack(smoothed, axis=1), spec.timebase.frame_s)
