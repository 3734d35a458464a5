"""Decode frame scores into events: the six rules, on numpy arrays alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from counter.events.rules import EventRules
from counter.records import Event, FloatArray
from counter.timebase import Timebase

Span = tuple[int, int]


def smooth(scores: FloatArray, smooth_s: float, timebase: Timebase) -> FloatArray:
    """Centred moving average along the first axis, over what exists at the ends (rule 1).

    Parameters
    ----------
    scores : array of float32, shape (n_frames,) or (n_frames, n_labels)
        Frame scores; may be empty.
    smooth_s : float
        Length of the average in seconds, >= 0; under 2 frames nothing changes.
    timebase : Timebase
        Rate of samples and samples per frame.

    Returns
    -------
    array of float32, shape as ``scores``
    """
    n_frames = len(scores)
    # whole samples first: an even number of frames is a tie, which a float would miss
    half = timebase.samples(smooth_s) // (2 * timebase.hop_samples)
    if half == 0 or n_frames == 0:
        return scores
    total = np.zeros((n_frames + 1, *scores.shape[1:]), dtype=np.float64)
    np.cumsum(scores, axis=0, out=total[1:])
    index = np.arange(n_frames)
    low = np.maximum(index - half, 0)
    high = np.minimum(index + half + 1, n_frames)
    width = (high - low).reshape(-1, *([1] * (scores.ndim - 1)))
    mean: FloatArray = ((total[high] - total[low]) / width).astype(np.float32)
    return mean


def spans(smoothed: FloatArray, rules: EventRules, timebase: Timebase) -> list[Span]:
    """Rules 2 to 6 on the smoothed scores of one label.

    Parameters
    ----------
    smoothed : array of float32, shape (n_frames,)
        Smoothed frame scores; may be empty.
    rules : EventRules
        The rules.
    timebase : Timebase
        Rate of samples and samples per frame.

    Returns
    -------
    list of (start, stop)
        Frames ``[start, stop)`` of each event, in order, disjoint; empty where there is none.
    """
    runs = _runs(smoothed, rules)
    if not runs:
        return []
    joined = _join(runs, timebase.frames(rules.gap_s))
    is_event = keeps(rules, timebase)
    parted = part(smoothed, joined, rules, timebase)
    return [(start, stop) for start, stop in parted if is_event(smoothed[start:stop])]


def keeps(rules: EventRules, timebase: Timebase) -> Callable[[FloatArray], bool]:
    """Rules 5 and 6: whether a piece is an event, by its smoothed scores."""
    shortest = timebase.frames(rules.min_duration_s)
    longest = timebase.frames(rules.max_duration_s)
    return lambda piece: shortest <= len(piece) <= longest


def _runs(smoothed: FloatArray, rules: EventRules) -> list[Span]:
    above = np.empty(len(smoothed) + 2, dtype=bool)
    above[0] = above[-1] = False
    np.greater_equal(smoothed, np.float32(rules.release), out=above[1:-1])
    edges = np.flatnonzero(above[1:] != above[:-1])
    if len(edges) == 0:
        return []
    starts, stops = edges[::2], edges[1::2]
    # the last maximum goes on to the recording's end, over frames below release
    peaks = np.maximum.reduceat(smoothed, edges[:-1])[::2]
    kept = peaks >= np.float32(rules.threshold)
    return list(zip(starts[kept].tolist(), stops[kept].tolist(), strict=True))


def _join(runs: Sequence[Span], gap_frames: int) -> list[Span]:
    joined = [runs[0]]
    for start, stop in runs[1:]:
        if start - joined[-1][1] < gap_frames:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined


def part_frames(rules: EventRules, timebase: Timebase) -> tuple[int, int]:
    """Least frames of a piece, and most of a run that is never cut (rule 4)."""
    piece_frames = max(timebase.frames(rules.min_duration_s), 1)
    return piece_frames, max(timebase.frames(rules.part_s), 2 * piece_frames - 1)


def part(
    smoothed: FloatArray, runs: Sequence[Span], rules: EventRules, timebase: Timebase
) -> list[Span]:
    """Rule 4 on runs that were joined, in order; all pieces, in order."""
    piece_frames, whole_frames = part_frames(rules, timebase)
    done: list[Span] = []
    waiting = list(reversed(runs))
    while waiting:
        start, stop = waiting.pop()
        cut = None
        if stop - start > whole_frames:
            cut = _valley(smoothed[start:stop], piece_frames, rules)
        if cut is None:
            done.append((start, stop))
        else:
            waiting += [(start + cut, stop), (start, start + cut)]
    return done


def _valley(piece: FloatArray, piece_frames: int, rules: EventRules) -> int | None:
    """The frame to cut before (rule 4), or None; at least two pieces long."""
    before = np.maximum.accumulate(piece)[:-1]
    after = np.maximum.accumulate(piece[::-1])[::-1][1:]
    lower_peak = np.minimum(before, after)
    inner = slice(piece_frames, len(piece) - piece_frames + 1)
    value = piece[inner]
    peak = lower_peak[inner.start - 1 : inner.stop - 1]
    allowed = (value <= rules.part_depth * peak) & (peak >= np.float32(rules.threshold))
    if not allowed.any():
        return None
    return inner.start + int(np.argmin(np.where(allowed, value, np.inf)))


def decode(
    scores: FloatArray,
    labels: Sequence[str],
    rules: Mapping[str, EventRules],
    timebase: Timebase,
    duration_s: float,
) -> tuple[Event, ...]:
    """Events of all labels of one recording, in order of start.

    Parameters
    ----------
    scores : array of float32, shape (n_frames, n_labels)
        Frame scores, 0 to 1; may hold no frame.
    labels : sequence of str
        Label of each column.
    rules : mapping from label to EventRules
        The rules of each label.
    timebase : Timebase
        Rate of samples and samples per frame.
    duration_s : float
        Length of what was scored; the last event ends no later.

    Returns
    -------
    tuple of Event
        Empty where there is no event.
    """
    events: list[Event] = []
    for column, label in enumerate(labels):
        smoothed = smooth(scores[:, column], rules[label].smooth_s, timebase)
        for start, stop in spans(smoothed, rules[label], timebase):
            event = found_event(label, start, smoothed[start:stop], timebase)
            events.append(event.ended_by(duration_s))
    return tuple(sorted(events, key=lambda event: (event.start_s, event.label)))


def found_event(label: str, start: int, smoothed: FloatArray, timebase: Timebase) -> Event:
    """The event that begins with frame ``start``, from its own smoothed scores, one at least."""
    peak = int(np.argmax(smoothed))
    return Event(
        label=label,
        start_s=timebase.frame_start_s(start),
        end_s=timebase.frame_start_s(start + len(smoothed)),
        peak_s=timebase.frame_start_s(start + peak) + timebase.frame_s / 2,
        score=float(smoothed[peak]),
    )
