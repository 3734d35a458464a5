"""Resampler of long recordings, in segments of which each can be read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np
import soxr

from counter.audio.channels import LEAST_DEAD_S
from counter.records import FloatArray
from counter.timebase import resampled_length

SEGMENT_S = 1800.0
# A resampler has forgotten how it began long before.
_WARM_S = 0.25
_ENDLESS = 1 << 62


@dataclass(frozen=True)
class Segmentation:
    """Segments that recordings of one sample rate are cut into.

    Segment ``k`` stands for the samples ``[k * step, (k + 1) * step)``.
    """

    # sample rates of the file and of what is scored
    from_hz: int
    to_hz: int
    # samples in a segment at either rate
    step_from: int
    step_to: int
    around: int  # samples at ``to_hz`` that are wanted on either side of a segment, as context
    lead_from: int  # samples at ``from_hz`` that are read on either side

    @classmethod
    def of(
        cls, rates_hz: tuple[int, int], grid: int, around: int, segment_s: float = SEGMENT_S
    ) -> Segmentation:
        """The shortest segments of at least ``segment_s`` that begin with a chunk of scores.

        ``rates_hz`` are those of the file and of what is scored, ``grid`` the samples of a chunk,
        of which segments are a whole number, and ``around`` the samples wanted on either side.
        """
        from_hz, to_hz = rates_hz
        common = gcd(from_hz, to_hz)
        unit_from, unit_to = from_hz // common, to_hz // common
        whole = grid * unit_to // gcd(grid, unit_to)  # a whole number of samples at both rates
        step_to = whole * -(-int(segment_s * to_hz) // whole)
        lead_s = max(around / to_hz + _WARM_S, LEAST_DEAD_S)
        lead_from = unit_from * -(-int(lead_s * from_hz) // unit_from)
        return cls(from_hz, to_hz, step_to * unit_from // unit_to, step_to, around, lead_from)

    @classmethod
    def none(cls, rates_hz: tuple[int, int]) -> Segmentation:
        """One segment, however long the recording."""
        return cls(*rates_hz, _ENDLESS, _ENDLESS, 0, 0)

    def start_from(self, index: int) -> int:
        """First sample of the file that is read for a segment."""
        return max(0, index * self.step_from - self.lead_from)


@dataclass(frozen=True)
class SegmentPiece:
    """Resampled samples of a segment, or around it."""

    index: int
    offset: int  # of the first sample from the segment's own first; below 0 in what is around it
    samples: FloatArray  # shape (n_samples,), never empty


class SegmentResampler:
    """Resampler of mono samples into pieces of segments, in order.

    ``first`` is the segment to begin with: samples are given from ``cut.start_from(first)`` on.
    """

    def __init__(self, cut: Segmentation, first: int = 0) -> None:
        self._cut = cut
        self._next_from = cut.start_from(first)
        self._held: list[FloatArray] = []
        self._open(first)

    def _open(self, index: int) -> None:
        cut = self._cut
        self.index = index
        begin_to = cut.start_from(index) * cut.to_hz // cut.from_hz
        self._offset = begin_to - index * cut.step_to
        self._limit = cut.step_to + cut.around
        same = cut.from_hz == cut.to_hz
        self._soxr = None if same else soxr.ResampleStream(cut.from_hz, cut.to_hz, 1)

    def push(self, samples: FloatArray) -> Iterator[SegmentPiece]:
        """Take the next samples, shape (n_samples,), of which no copy is kept by the caller."""
        at, self._next_from = self._next_from, self._next_from + len(samples)
        yield from self._feed(samples, at)

    def _feed(self, samples: FloatArray, at: int) -> Iterator[SegmentPiece]:
        following = self._cut.start_from(self.index + 1)
        if at + len(samples) > following:
            self._held.append(samples[max(0, following - at) :].copy())
        out = samples.copy() if self._soxr is None else self._soxr.resample_chunk(samples)
        yield from self._trimmed(out)
        if self._offset >= self._limit:
            held, self._held = np.concatenate(self._held), []
            self._open(self.index + 1)
            yield from self._feed(held, following)

    def _trimmed(self, out: FloatArray) -> Iterator[SegmentPiece]:
        """What of the resampler's output is of the segment or around it."""
        offset, self._offset = self._offset, self._offset + len(out)
        skipped = min(len(out), max(0, -self._cut.around - offset)) if self.index else 0
        kept = out[skipped : max(skipped, self._limit - offset)]
        if len(kept):
            yield SegmentPiece(self.index, offset + skipped, kept)

    def finish(self) -> Iterator[SegmentPiece]:
        """The last samples, once all of the file was given; they end where the file does."""
        cut = self._cut
        end = resampled_length(self._next_from, cut.from_hz, cut.to_hz)
        while True:
            missing = end - self.index * cut.step_to - self._offset
            if self._soxr is not None and missing > 0:
                tail = self._soxr.resample_chunk(np.zeros(0, np.float32), last=True)[:missing]
                yield from self._trimmed(np.pad(tail, (0, missing - len(tail))))
            following = self.index + 1
            if end <= following * cut.step_to:
                return
            held = [np.zeros(0, np.float32), *self._held]
            self._held = []
            self._open(following)
            yield from self._feed(np.concatenate(held), cut.start_from(following))
