"""Pieces of recordings: where background lies between calls, and spans cut in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from counter.records import FloatArray
from counter.spans import read_spans
from counter.timebase import Timebase
from training.settings import ClipSettings

# A piece of background shorter than this would be heard as its own repetition.
SHORTEST_BACKGROUND_S = 0.5
Span = tuple[float, float]


def background_spans(
    calls: Iterable[Span], duration_s: float, settings: ClipSettings, *, most_s: float
) -> list[Span]:
    """What lies away from all calls, in pieces, from start to end.

    Parameters
    ----------
    calls : iterable of (start_s, end_s)
        In any order; may overlap.
    duration_s : float
        Length of the recording.
    settings : ClipSettings
        ``margin_s`` from a call to a piece and ``background_s`` of the longest piece.
    most_s : float
        Length of all pieces together: above it, pieces are left out evenly.

    Returns
    -------
    list of (start_s, end_s)
        None of them shorter than ``SHORTEST_BACKGROUND_S``; empty where calls leave no room.
    """
    pieces: list[Span] = []
    free_s = 0.0
    for start_s, end_s in [*sorted(calls), (duration_s + settings.margin_s, float("inf"))]:
        pieces += _pieces(free_s, start_s - settings.margin_s, settings.background_s)
        free_s = max(free_s, end_s + settings.margin_s)
    total_s = sum(end_s - start_s for start_s, end_s in pieces)
    share = min(1.0, most_s / max(total_s, SHORTEST_BACKGROUND_S))
    n_kept = max(1, int(share * len(pieces)))
    kept = np.linspace(0, len(pieces), n_kept, endpoint=False).astype(int)
    return [pieces[index] for index in kept] if pieces else []


def _pieces(start_s: float, end_s: float, longest_s: float) -> list[Span]:
    """A pause in pieces of equal length; none where it is too short."""
    if end_s - start_s < SHORTEST_BACKGROUND_S:
        return []
    edges_s = np.linspace(start_s, end_s, int(np.ceil((end_s - start_s) / longest_s)) + 1)
    return list(zip(edges_s[:-1].tolist(), edges_s[1:].tolist(), strict=True))


def cut_out(path: str, spans: Sequence[Span], sample_rate_hz: int) -> list[FloatArray]:
    """Cut spans from a recording in one pass, so that no more than they are held in memory.

    Parameters
    ----------
    path : str
        The recording. Samples that are no numbers are taken as 0, as in a scan.
    spans : sequence of (start_s, end_s)
        In any order; may overlap.
    sample_rate_hz : int
        Rate of the samples returned.

    Returns
    -------
    list of array of float32, shape (n_samples,)
        One for each span; shorter, or empty, where the recording ends before.

    Raises
    ------
    AudioError
        It does not decode.
    """
    timebase = Timebase(sample_rate_hz, 1)
    edges = [(timebase.samples(start_s), timebase.samples(end_s)) for start_s, end_s in spans]
    order = sorted(range(len(edges)), key=lambda index: edges[index])
    found = read_spans(Path(path), sample_rate_hz, [edges[index] for index in order])
    # A span is a view of what was read: copied, the rest can go.
    cut = {index: samples.copy() for index, samples in zip(order, found, strict=True)}
    return [cut[index] for index in range(len(edges))]
