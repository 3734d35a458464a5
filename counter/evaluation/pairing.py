"""Events and true calls paired one to one, and what went wrong with the others.

Every true call is one of

- *paired* with an event of its own: as many pairs as there can be (maximum bipartite matching);
- *merged*: without a pair, and under an event that overlaps another true call as well;
- *missed*: without a pair, and not merged;

and every event is one of

- *paired* with a true call;
- *split*: without a pair, and over a true call that another event overlaps as well;
- *false*: without a pair, and not split.

To overlap is to share time, however little. So events - calls = (false + split) - (missed +
merged): the kinds add up to the count error. An event and a call that overlap too little to be
paired, and nothing else, are one false and one missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.evaluation.records import Criterion, IntArray, Intervals, TimeArray
from counter.events import most_pairs

# Pairs looked at in one go; bounds memory where many intervals overlap.
_CHUNK = 2_000_000
_ROUNDING_S = 1e-6
_END_SHARE = 0.2


@dataclass(frozen=True)
class Pairing:
    """What became of each event and each true call.

    Attributes
    ----------
    call_of : array of int64, shape (n_events,)
        The call that each event is paired with, -1 where there is none.
    is_paired : array of bool, shape (n_calls,)
        Calls that have an event.
    is_split : array of bool, shape (n_events,)
        Events without a pair that count a call once more; the other ones without are false.
    is_merged : array of bool, shape (n_calls,)
        Calls without a pair that were counted with another; the other ones without are missed.
    """

    call_of: IntArray
    is_paired: NDArray[np.bool_]
    is_split: NDArray[np.bool_]
    is_merged: NDArray[np.bool_]


def pair(events: Intervals, calls: Intervals, criterion: Criterion) -> Pairing:
    """Pair events with true calls of the same group, one to one, as many as can be.

    The number of pairs in each group is that of ``counter.events.match``; which of several
    largest sets of pairs is taken is not defined. Either may be empty.
    """
    event, call = _overlapping(events, calls)
    if criterion.collar_s is None:
        chosen = _agree(events, calls, event, call, criterion.iou)
        agreeing = event[chosen], call[chosen]
    else:
        agreeing = _near(events, calls, criterion.collar_s)
    call_of = _most_pairs(*agreeing, len(events), len(calls))
    is_paired = np.zeros(len(calls), dtype=bool)
    is_paired[call_of[call_of >= 0]] = True
    n_calls_under = np.bincount(event, minlength=len(events))
    n_events_over = np.bincount(call, minlength=len(calls))
    is_split = np.zeros(len(events), dtype=bool)
    is_split[event[n_events_over[call] > 1]] = True
    is_merged = np.zeros(len(calls), dtype=bool)
    is_merged[call[n_calls_under[event] > 1]] = True
    return Pairing(call_of, is_paired, is_split & (call_of < 0), is_merged & ~is_paired)


def _agree(
    events: Intervals, calls: Intervals, event: IntArray, call: IntArray, iou: float
) -> NDArray[np.bool_]:
    """Which of the overlapping pairs overlap enough; computed as ``counter.events.match`` does."""
    start_s, end_s = events.start_s[event], events.end_s[event]
    call_start_s, call_end_s = calls.start_s[call], calls.end_s[call]
    shared = np.minimum(end_s, call_end_s) - np.maximum(start_s, call_start_s)
    union = end_s - start_s + call_end_s - call_start_s - shared
    enough: NDArray[np.bool_] = shared >= iou * union
    return enough


def _overlapping(events: Intervals, calls: Intervals) -> tuple[IntArray, IntArray]:
    """All pairs (event, call) of one group that share time."""
    line = _Line(events, calls, 1.0)
    # the calls that may overlap: those that begin before the end, but for the first that are over
    reached = np.maximum.accumulate(line.ends)
    first = np.searchsorted(reached, line.of(events, events.start_s) - _ROUNDING_S, "right")
    stop = np.searchsorted(line.starts, line.of(events, events.end_s) + _ROUNDING_S, "left")
    found = []
    for event, place in _expanded(first, stop):
        call = line.order[place]
        is_same = events.group[event] == calls.group[call]
        start = np.maximum(events.start_s[event], calls.start_s[call])
        end = np.minimum(events.end_s[event], calls.end_s[call])
        chosen = is_same & (end > start)
        found.append((event[chosen], call[chosen]))
    return _joined(found)


def _near(events: Intervals, calls: Intervals, collar_s: float) -> tuple[IntArray, IntArray]:
    """All pairs (event, call) of one group whose starts and ends are close."""
    reach_s = collar_s + _ROUNDING_S
    line = _Line(events, calls, 2 * reach_s + 1)
    at = line.of(events, events.start_s)
    first = np.searchsorted(line.starts, at - 2 * reach_s, "left")
    stop = np.searchsorted(line.starts, at + 2 * reach_s, "right")
    found = []
    for event, place in _expanded(first, stop):
        call = line.order[place]
        is_same = events.group[event] == calls.group[call]
        late_s = np.abs(events.start_s[event] - calls.start_s[call])
        end_late_s = np.abs(events.end_s[event] - calls.end_s[call])
        length_s = calls.end_s[call] - calls.start_s[call]
        end_reach_s = np.maximum(collar_s, _END_SHARE * length_s) + _ROUNDING_S
        chosen = is_same & (late_s <= reach_s) & (end_late_s <= end_reach_s)
        found.append((event[chosen], call[chosen]))
    return _joined(found)


class _Line:
    """The calls of all groups on one line of time, group after group, in order of start."""

    def __init__(self, events: Intervals, calls: Intervals, apart_s: float) -> None:
        ends = [one.end_s.max() for one in (events, calls) if len(one)]
        self._step_s = max(ends, default=0.0) + apart_s
        starts = self.of(calls, calls.start_s)
        self.order = np.argsort(starts, kind="stable")
        self.starts = starts[self.order]
        self.ends = self.of(calls, calls.end_s)[self.order]

    def of(self, intervals: Intervals, times_s: TimeArray) -> TimeArray:
        """Times of intervals on the line."""
        return intervals.group * self._step_s + times_s


def _expanded(first: IntArray, stop: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Pairs (i, place) for every place in ``[first[i], stop[i])``, a chunk of ``i`` at a time."""
    n_places = np.maximum(stop - first, 0)
    total = np.cumsum(n_places)
    last = int(total[-1]) if len(total) else 0
    cuts = np.searchsorted(total, np.arange(_CHUNK, last, _CHUNK))
    edges = np.unique([0, *cuts.tolist(), len(first)])
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        n = n_places[low:high]
        index = np.repeat(np.arange(low, high), n)
        before = np.cumsum(n) - n
        yield index, np.arange(len(index)) + np.repeat(first[low:high] - before, n)


def _joined(found: list[tuple[IntArray, IntArray]]) -> tuple[IntArray, IntArray]:
    none = np.zeros(0, dtype=np.int64)
    events = np.concatenate([none, *(event for event, _ in found)])
    return events, np.concatenate([none, *(call for _, call in found)])


def _most_pairs(event: IntArray, call: IntArray, n_events: int, n_calls: int) -> IntArray:
    """The call that each event gets, -1 for none, given all pairs that are allowed."""
    call_of = np.full(n_events, -1, dtype=np.int64)
    is_only = np.bincount(event, minlength=n_events)[event] == 1
    is_only &= np.bincount(call, minlength=n_calls)[call] == 1
    call_of[event[is_only]] = call[is_only]
    # the few that have a choice
    near: dict[int, list[int]] = {}
    for one, other in zip(event[~is_only].tolist(), call[~is_only].tolist(), strict=True):
        near.setdefault(one, []).append(other)
    numbers = list(near)
    for number, chosen in most_pairs(list(near.values())):
        call_of[numbers[number]] = chosen
    return call_of
