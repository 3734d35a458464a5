"""Spans of a recording, cut in one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from counter.audio import MonoStream
from counter.records import FloatArray


def read_spans(
    file: str | Path, rate_hz: int, spans: Sequence[tuple[int, int]]
) -> Iterator[FloatArray]:
    """Samples of each span of a recording, in one forward pass; mono, at one rate.

    Parameters
    ----------
    file : str or Path
        The recording.
    rate_hz : int
        Rate of the samples, and of the spans.
    spans : sequence of (int, int)
        First sample and the one after the last, in order of the first; they may overlap.

    Yields
    ------
    array of float32, shape (n_samples,)
        Shorter than the span where the recording ends before.
    """
    with MonoStream(file, rate_hz) as stream:
        blocks = iter(stream)
        held, start = np.zeros(0, np.float32), 0
        for first, stop in spans:
            drop = min(max(first - start, 0), len(held))
            held, start = held[drop:], start + drop
            while start + len(held) < stop and (block := next(blocks, None)) is not None:
                held = np.concatenate([held, block])
                drop = min(max(first - start, 0), len(held))
                held, start = held[drop:], start + drop
            yield held[max(first - start, 0) : stop - start]
