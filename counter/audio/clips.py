"""Clips cut out of recordings, in one forward pass or by seeking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from counter.audio.resample import Segmentation
from counter.audio.stream import MonoStream
from counter.records import FloatArray

Span = tuple[int, int]
# To open a file anew costs less than to read so much of it.
_FAR_S = 60.0


def read_spans(file: str | Path, rate_hz: int, spans: Sequence[Span]) -> Iterator[FloatArray]:
    """Clips of a recording by their spans, in one forward pass; mono float32 at ``rate_hz``.

    A span is its first sample, at that rate, and the one after its last; spans are in order of the
    first and may overlap. A clip, shape (n_samples,), is shorter than its span where the recording
    ends before.
    """
    with MonoStream(file, rate_hz) as stream:
        yield from _cut(iter(stream), 0, spans)


def seek_spans(file: str | Path, rate_hz: int, spans: Sequence[Span]) -> Iterator[FloatArray]:
    """Clips as of ``read_spans``, by seeking past what lies between spans that are far apart.

    Only formats that say where each sample is allow it; others are read in one pass. Where the rate
    is not the file's own, samples may differ from those of ``read_spans`` in their last bits.
    """
    with MonoStream(file, rate_hz) as stream:
        can_seek, own_rate_hz = stream.is_seekable, stream.info.sample_rate_hz
    if not can_seek:
        yield from read_spans(file, rate_hz, spans)
        return
    cut = Segmentation.of((own_rate_hz, rate_hz), 1, 0, _FAR_S)
    for group in _near(spans, cut.step_to):
        first = group[0][0] // cut.step_to
        with MonoStream(file, rate_hz) as stream:
            pieces = stream.pieces(cut, first)
            yield from _cut((one.samples for one in pieces), first * cut.step_to, group)


def _near(spans: Sequence[Span], far: int) -> Iterator[list[Span]]:
    """Spans in groups: the next one begins more than ``far`` samples behind all that is read."""
    group: list[Span] = []
    for span in spans:
        if group and span[0] - max(stop for _, stop in group) > far:
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _cut(blocks: Iterator[FloatArray], start: int, spans: Sequence[Span]) -> Iterator[FloatArray]:
    """Samples of each span; ``start`` is the sample that the first block begins with."""
    held = np.zeros(0, np.float32)
    for first, stop in spans:
        drop = min(max(first - start, 0), len(held))
        held, start = held[drop:], start + drop
        while start + len(held) < stop and (block := next(blocks, None)) is not None:
            held = np.concatenate([held, block])
            drop = min(max(first - start, 0), len(held))
            held, start = held[drop:], start + drop
        yield held[max(first - start, 0) : stop - start]
