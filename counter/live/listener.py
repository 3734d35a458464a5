"""Mono sound in, events out, as a scan of the same sound would give them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from counter.audio.resample import Segmentation, SegmentResampler
from counter.detector import Detector, frames_at_once
from counter.events.rules import EventRules
from counter.events.streaming import LiveDecoder
from counter.records import Event, FloatArray
from counter.scanning.recording import SegmentScores, check_band

# Scored at once: what a frame waits for its chunk, against the context that each chunk costs anew.
LIVE_CHUNK_S = 0.25


class Listener:
    """Events of one sound as it comes, each as soon as it is sure: those that a scan finds.

    The samples are those of a scan, bit for bit; its scores agree up to rounding (1e-5). The
    detector takes chunks of ``LIVE_CHUNK_S``; ``rate_hz`` is that of the sound.

    Raises
    ------
    AudioError
        The sound cannot hold the model's band.
    """

    def __init__(self, detector: Detector, rules: Mapping[str, EventRules], rate_hz: int) -> None:
        spec = detector.bundle.spec
        check_band(rate_hz, spec)
        # where a scan begins to resample anew, so that the last bits of the samples agree
        grid = frames_at_once(spec.timebase) * spec.frame_samples
        cut = Segmentation.of((rate_hz, spec.sample_rate_hz), grid, detector.context_samples)
        self._resampler = SegmentResampler(cut)
        self._scores = SegmentScores(detector, cut)
        self._decoder = LiveDecoder(spec.labels, rules, spec.timebase)
        self._context_s = spec.context_frames * spec.timebase.frame_s
        self._model_hz = spec.sample_rate_hz
        self._rate_hz = rate_hz
        self._n_samples = 0
        self.latest = np.zeros(len(spec.labels), dtype=np.float32)

    @property
    def waits_s(self) -> float:
        """Seconds from a call's end until it can be sure: the rules' wait and the context."""
        return self._decoder.waits_s + self._context_s

    @property
    def received_s(self) -> float:
        """Seconds of sound so far."""
        return self._n_samples / self._rate_hz

    def push(self, mono: FloatArray) -> list[Event]:
        """Take the next samples, shape (n_samples,), maybe none; the events that are sure now.

        ``latest`` has the highest score of each label in what was scored last.
        """
        self._n_samples += len(mono)
        for piece in self._resampler.push(mono):
            self._scores.push(piece)
        return self._decoder.push(self._seen(self._scores.take()))

    def finish(self) -> list[Event]:
        """The sound is over: all other events, as at the end of a recording."""
        if not self._n_samples:
            return []
        for piece in self._resampler.finish():
            self._scores.push(piece)
        events = self._decoder.push(self._seen(self._scores.finish()))
        length_s = self._scores.n_samples / self._model_hz
        return [event.ended_by(length_s) for event in events] + self._decoder.finish(length_s)

    def _seen(self, scores: FloatArray) -> FloatArray:
        if len(scores):
            self.latest = scores.max(axis=0)
        return scores
