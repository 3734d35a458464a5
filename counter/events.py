"""Scores -> events: the rules that make counts, on numpy arrays alone.

With frame scores ``s[i]`` of one label and the rules' durations rounded to the nearest whole
number of frames, ties up; scores, threshold and release are compared as 32 bit floats:

1. smooth: ``m[i]`` is the mean of ``s[j]`` over ``|i - j| <= w`` within the recording, where
   ``2 w + 1`` is the odd number of frames nearest to ``smooth_s``, ties up.
2. run: a longest stretch with ``m[i] >= release`` that holds a frame with ``m[i] >= threshold``.
3. gap: two neighbouring runs less than ``gap_s`` apart are one.
4. part: a run longer than ``part_s`` is cut before the frame ``v`` of least ``m[v]``, the first
   of equals, among those with ``m[v] <= part_depth * min(max m left of v, max m from v on)`` whose
   two pieces are at least ``min_duration_s`` long and hold a frame with ``m[i] >= threshold``;
   the pieces are then looked at in the same way.
5. shortest: an event shorter than ``min_duration_s`` is dropped.
6. longest: an event longer than ``max_duration_s`` is dropped.

Smoothing never looks past the recording's ends, and a parted run loses no time, so without rule 6
a higher threshold (and release) never adds detected time; it can split one event in two.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from counter.config import EventRules
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
    parted = part(smoothed, joined, rules, timebase)
    shortest = timebase.frames(rules.min_duration_s)
    longest = timebase.frames(rules.max_duration_s)
    return [(start, stop) for start, stop in parted if shortest <= stop - start <= longest]


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
        Empty where nothing was heard.
    """
    events: list[Event] = []
    for column, label in enumerate(labels):
        smoothed = smooth(scores[:, column], rules[label].smooth_s, timebase)
        for start, stop in spans(smoothed, rules[label], timebase):
            heard = found_event(label, start, smoothed[start:stop], timebase)
            events.append(heard.ended_by(duration_s))
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


def match(
    events: Sequence[tuple[float, float]], truth: Sequence[tuple[float, float]], iou: float
) -> list[tuple[int, int]]:
    """One-to-one pairs of events and true calls whose intersection over union is at least ``iou``.

    Largest number of pairs, by augmenting paths (Berge 1957), each found breadth first.

    Parameters
    ----------
    events, truth : sequence of (start_s, end_s)
        Intervals in seconds, in any order; either may be empty.
    iou : float
        Least intersection over union, above 0 and at most 1.

    Returns
    -------
    list of (event index, truth index)
        In order of event; empty where nothing pairs.
    """
    return most_pairs(_near(events, truth, iou))


def most_pairs(near: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """As many one-to-one pairs as there can be, given the calls that each event may pair with.

    Parameters
    ----------
    near : sequence of sequence of int
        For each event the indices of its calls, any numbers; none for an event without any.

    Returns
    -------
    list of (event index, call index)
        In order of event; empty where nothing pairs.
    """
    owner: dict[int, int] = {}
    for event in range(len(near)):
        _augment(event, near, owner)
    return sorted((event, call) for call, event in owner.items())


def _near(
    events: Sequence[tuple[float, float]], truth: Sequence[tuple[float, float]], iou: float
) -> list[list[int]]:
    """The calls that each event can be paired with."""
    order = sorted(range(len(truth)), key=lambda call: truth[call])
    starts = [truth[call][0] for call in order]
    reached = list(accumulate((truth[call][1] for call in order), max))
    near = []
    for start, end in events:
        among = order[bisect_right(reached, start) : bisect_left(starts, end)]
        near.append([call for call in among if _agree((start, end), truth[call], iou)])
    return near


def _agree(event: tuple[float, float], call: tuple[float, float], iou: float) -> bool:
    shared = min(event[1], call[1]) - max(event[0], call[0])
    union = event[1] - event[0] + call[1] - call[0] - shared
    return shared >= iou * union


def _augment(event: int, near: Sequence[Sequence[int]], owner: dict[int, int]) -> None:
    """Pair one more event, if need be by moving others to other calls of theirs."""
    # for each call reached: the event that would take it, and the call that this event gives up
    taker: dict[int, tuple[int, int | None]] = {}
    waiting: deque[tuple[int, int | None]] = deque([(event, None)])
    while waiting:
        step = waiting.popleft()
        for call in near[step[0]]:
            if call in taker:
                continue
            taker[call] = step
            if call not in owner:
                _move(call, taker, owner)
                return
            waiting.append((owner[call], call))


def _move(call: int, taker: Mapping[int, tuple[int, int | None]], owner: dict[int, int]) -> None:
    free: int | None = call
    while free is not None:
        taken = free
        owner[taken], free = taker[taken]
