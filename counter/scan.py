"""One recording -> FileResult."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from counter.audio import MonoStream
from counter.bundle import BundleSpec
from counter.config import EventRules
from counter.detector import Detector, Scoring
from counter.errors import AudioError
from counter.events import decode, smooth
from counter.picture import PictureMaker
from counter.records import FAILED, OK, TRUNCATED, FileResult, FloatArray, Picture, Recording, Tags
from counter.soundfiles import AudioInfo
from counter.stretches import Cut, Piece

# Told the seconds of sound decoded since it was last called, and those that the file claims.
Progress = Callable[[float, float], None]


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


@dataclass(frozen=True)
class Heard:
    """What listening to a recording gave, or to some of its stretches.

    Attributes
    ----------
    info : AudioInfo
        What the file claims.
    tags : Tags
        What its header says.
    scores : array of float32, shape (n_frames, n_labels)
        Frame scores.
    n_samples : int
        Samples scored, at the rate of the model.
    scanned_s : float
        Seconds from the recording's start to the end of what was read.
    dead_s : tuple of (float, float)
        Dead stretches, from the recording's start.
    truncated, message
        As of ``MonoStream``.
    is_clean : bool
        All was well in it.
    """

    info: AudioInfo
    tags: Tags
    scores: FloatArray
    n_samples: int
    scanned_s: float
    dead_s: tuple[tuple[float, float], ...]
    truncated: bool
    message: str
    is_clean: bool


def scan_recording(
    recording: Recording, job: ScanJob, progress: Progress | None = None
) -> FileResult:
    """Scan one recording; what cannot be read is a result with status ``failed``."""
    spec = job.detector.bundle.spec
    maker = PictureMaker(spec.sample_rate_hz) if job.pictures else None
    tags = Tags()
    try:
        with MonoStream(recording.path, spec.sample_rate_hz) as stream:
            tags = stream.tags()
            heard = _listen(stream, tags, job.detector, _Ears(maker, progress))
    except (AudioError, OSError, MemoryError) as error:
        return FileResult(recording, FAILED, message=" ".join(str(error).split()), tags=tags)
    result = outcome(recording, heard, spec, job.rules)
    return replace(
        result,
        picture=_picture(maker, heard.scores, job) if maker is not None else None,
        scores=heard.scores if job.scores else None,
    )


def scan_part(
    recording: Recording, job: ScanJob, part: range, progress: Progress | None = None
) -> Heard | None:
    """Listen to some stretches of a recording that can be parted; ``None`` where it fails."""
    try:
        with MonoStream(recording.path, job.detector.bundle.spec.sample_rate_hz) as stream:
            return _listen(stream, stream.tags(), job.detector, _Ears(None, progress), part)
    except (AudioError, OSError, MemoryError):
        return None


def n_parts(recording: Recording, detector: Detector) -> int:
    """Stretches of a recording that each can be scanned by itself; 1 where it cannot be parted."""
    try:
        with MonoStream(recording.path, detector.bundle.spec.sample_rate_hz) as stream:
            n_stretches = cut_of(stream, detector).n_stretches(stream.info.n_samples)
            return n_stretches if stream.can_be_parted else 1
    except (AudioError, OSError):
        return 1


def joined_parts(parts: Sequence[Heard | None]) -> Heard | None:
    """All stretches of a recording as one; ``None`` where any was not as it should be.

    Then the recording is to be scanned in one pass, which can tell what is wrong with it.
    """
    clean = [one for one in parts if one is not None and one.is_clean]
    if len(clean) < len(parts) or clean[-1].truncated:
        return None
    dead_s: list[tuple[float, float]] = []
    for start, end in sorted(span for one in clean for span in one.dead_s):
        if dead_s and start <= dead_s[-1][1]:  # each part looks a second beyond its ends
            dead_s[-1] = dead_s[-1][0], max(dead_s[-1][1], end)
        else:
            dead_s.append((start, end))
    return replace(
        clean[-1],
        tags=clean[0].tags,
        scores=np.concatenate([one.scores for one in clean]),
        n_samples=sum(one.n_samples for one in clean),
        dead_s=tuple(dead_s),
    )


def outcome(
    recording: Recording, heard: Heard, spec: BundleSpec, rules: Mapping[str, EventRules]
) -> FileResult:
    """The result of a recording that was listened to, without picture and scores."""
    length_s = heard.n_samples / spec.sample_rate_hz
    return FileResult(
        recording=recording,
        status=TRUNCATED if heard.truncated else OK,
        message=joined(heard.message, _dead(heard.dead_s)),
        duration_s=max(heard.info.duration_s, heard.scanned_s),
        scanned_s=heard.scanned_s,
        events=decode(heard.scores, spec.labels, rules, spec.timebase, length_s),
        tags=heard.tags,
        sample_rate_hz=heard.info.sample_rate_hz,
        channels=heard.info.channels,
        dead_s=heard.dead_s,
    )


def joined(*notes: str) -> str:
    """Notes about a recording as one message; empty ones say nothing."""
    return "; ".join(note for note in notes if note)


def _dead(stretches_s: Sequence[tuple[float, float]]) -> str:
    if not stretches_s:
        return ""
    dead_s = sum(end - start for start, end in stretches_s)
    return f"{dead_s:.1f} s hold one constant value (no signal) and are no effort"


@dataclass(frozen=True)
class _Ears:
    """What else wants to know of the samples of a stream."""

    picture: PictureMaker | None
    progress: Progress | None

    def hear(self, samples: FloatArray, stream: MonoStream) -> None:
        if self.picture is not None:
            self.picture.push(samples)
        if self.progress is not None:
            self.progress(len(samples) / stream.sample_rate_hz, stream.info.duration_s)


def cut_of(stream: MonoStream, detector: Detector) -> Cut:
    """Where a recording is cut into stretches."""
    rates_hz = stream.info.sample_rate_hz, stream.sample_rate_hz
    return Cut.of(rates_hz, detector.chunk_samples, detector.context_samples)


def _listen(
    stream: MonoStream, tags: Tags, detector: Detector, ears: _Ears, part: range | None = None
) -> Heard:
    """Score a whole stream, or some of its stretches."""
    cut = cut_of(stream, detector)
    scores = StretchScores(detector, cut, part.start if part is not None else 0)
    for piece in stream.pieces(cut, part):
        ears.hear(scores.push(piece), stream)
    return Heard(
        info=stream.info,
        tags=tags,
        scores=scores.finish(),
        n_samples=scores.n_samples,
        scanned_s=stream.scanned_s,
        dead_s=stream.dead_s,
        truncated=stream.truncated,
        message=stream.message,
        is_clean=stream.is_clean,
    )


class StretchScores:
    """Scores pieces as they come, stretch by stretch."""

    def __init__(self, detector: Detector, cut: Cut, first: int = 0) -> None:
        self._detector = detector
        self._cut = cut
        self._index = first
        self._scoring = self._open(first)
        self._scores: list[FloatArray] = []
        self.n_samples = 0

    def _open(self, index: int) -> Scoring:
        return self._detector.open(is_continued=index > 0, n_own=self._cut.step_to)

    def push(self, piece: Piece) -> FloatArray:
        """Score a piece; what of it lies in its stretch, maybe no sample."""
        if piece.index != self._index:
            self._scores.append(self._scoring.finish())
            self._index, self._scoring = piece.index, self._open(piece.index)
        self._scoring.push(piece.samples)
        own = piece.samples[max(0, -piece.offset) : max(0, self._cut.step_to - piece.offset)]
        self.n_samples += len(own)
        return own

    def take(self) -> FloatArray:
        """The scores that are known, each once, shape (n_frames, n_labels)."""
        taken = np.concatenate([*self._scores, self._scoring.take()])
        self._scores = []
        return taken

    def finish(self) -> FloatArray:
        """All scores that were not taken, shape (n_frames, n_labels)."""
        return np.concatenate([*self._scores, self._scoring.finish()])


def _picture(maker: PictureMaker, scores: FloatArray, job: ScanJob) -> Picture:
    spec = job.detector.bundle.spec
    smoothed = [
        smooth(scores[:, column], job.rules[label].smooth_s, spec.timebase)
        for column, label in enumerate(spec.labels)
    ]
    return maker.finish(np.stack(smoothed, axis=1), spec.timebase.frame_s)
