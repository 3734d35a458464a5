"""Scan one recording: samples to scores to events, with what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from counter.audio.resample import Segmentation, SegmentPiece
from counter.audio.stream import MonoStream
from counter.bundle import Bundle, BundleSpec
from counter.detector import Detector, Scoring
from counter.errors import AudioError
from counter.events.decoding import decode, smooth
from counter.events.rules import EventRules
from counter.plots.spectrogram import PictureMaker
from counter.records import (
    FAILED,
    OK,
    TRUNCATED,
    FileResult,
    FloatArray,
    Picture,
    Recording,
    Tags,
    joined_notes,
)

# Told the seconds of sound decoded since it was last called, and those that the file claims.
Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class ScanOrder:
    """How recordings are scanned: all that a process needs to know."""

    bundle: Bundle
    rules: Mapping[str, EventRules]  # of each label: scores to events
    n_threads: int  # recordings scanned at a time, >= 1
    pictures: bool = False  # whether results carry what their plot needs
    scores: bool = False  # whether results carry their frame scores


def scan_file(
    recording: Recording, detector: Detector, order: ScanOrder, progress: Progress | None = None
) -> FileResult:
    """Scan one recording; what cannot be read is a result with status ``failed``."""
    spec = order.bundle.spec
    picture = PictureMaker(spec.sample_rate_hz) if order.pictures else None
    tags = Tags()
    try:
        with MonoStream(recording.path, spec.sample_rate_hz) as stream:
            tags = stream.tags()
            check_band(stream.info.sample_rate_hz, spec)
            scores, n_samples = _score(stream, detector, picture, progress)
    except (AudioError, OSError, MemoryError) as error:
        return FileResult(recording, FAILED, message=" ".join(str(error).split()), tags=tags)
    length_s = n_samples / spec.sample_rate_hz
    result = FileResult(
        recording=recording,
        status=TRUNCATED if stream.truncated else OK,
        message=joined_notes(stream.message, _dead_note(stream.dead_s)),
        duration_s=max(stream.info.duration_s, stream.scanned_s),
        scanned_s=stream.scanned_s,
        events=decode(scores, spec.labels, order.rules, spec.timebase, length_s),
        scores=scores if order.scores else None,
        tags=tags,
        sample_rate_hz=stream.info.sample_rate_hz,
        channels=stream.info.channels,
        dead_s=stream.dead_s,
    )
    return replace(result, picture=_picture(picture, scores, order)) if picture else result


# A recording holds a model's band when it holds at least this share of it.
LEAST_BAND_SHARE = 0.5


def check_band(sample_rate_hz: int, spec: BundleSpec) -> None:
    """Whether sound of this rate can hold what a model listens for.

    Raises
    ------
    AudioError
        It holds less than ``LEAST_BAND_SHARE`` of the model's band: a 0 would be no count.
    """
    highest_hz = sample_rate_hz / 2
    needed_hz = spec.low_hz + LEAST_BAND_SHARE * (spec.high_hz - spec.low_hz)
    if highest_hz < needed_hz:
        raise AudioError(
            f"recorded at {sample_rate_hz} Hz it holds no sound above {highest_hz:g} Hz, and the "
            f"model listens from {spec.low_hz:g} to {spec.high_hz:g} Hz: nothing is counted.",
            f"Record at {2 * spec.high_hz:g} Hz or more, or train on recordings of this rate.",
        )


def _dead_note(stretches_s: Sequence[tuple[float, float]]) -> str:
    if not stretches_s:
        return ""
    dead_s = sum(end - start for start, end in stretches_s)
    return f"{dead_s:.1f} s hold one constant value (no signal) and are no effort"


def _score(
    stream: MonoStream,
    detector: Detector,
    picture: PictureMaker | None,
    progress: Progress | None,
) -> tuple[FloatArray, int]:
    """Scores of a whole stream, shape (n_frames, n_labels), and how many samples they are of."""
    rates_hz = stream.info.sample_rate_hz, stream.sample_rate_hz
    cut = Segmentation.of(rates_hz, detector.chunk_samples, detector.context_samples)
    scores = SegmentScores(detector, cut)
    for piece in stream.pieces(cut):
        samples = scores.push(piece)
        if picture is not None:
            picture.push(samples)
        if progress is not None:
            progress(len(samples) / stream.sample_rate_hz, stream.info.duration_s)
    return scores.finish(), scores.n_samples


class SegmentScores:
    """Scores pieces as they come, segment by segment."""

    def __init__(self, detector: Detector, cut: Segmentation) -> None:
        self._detector = detector
        self._cut = cut
        self._index = 0
        self._scoring = self._open(0)
        self._scores: list[FloatArray] = []
        self.n_samples = 0

    def _open(self, index: int) -> Scoring:
        return Scoring(self._detector, is_continued=index > 0, n_own=self._cut.step_to)

    def push(self, piece: SegmentPiece) -> FloatArray:
        """Score a piece; what of it lies in its segment, maybe no sample."""
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


def _picture(maker: PictureMaker, scores: FloatArray, order: ScanOrder) -> Picture:
    spec = order.bundle.spec
    smoothed = [
        smooth(scores[:, column], order.rules[label].smooth_s, spec.timebase)
        for column, label in enumerate(spec.labels)
    ]
    return maker.finish(np.stack(smoothed, axis=1), spec.timebase.frame_s)
