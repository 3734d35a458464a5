"""Matching of events with true calls, one to one, and what went wrong with the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.errors import CallcountError

IntArray = NDArray[np.int64]
TimeArray = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """Events or true calls of many recordings; the arrays are of one length, which may be 0.

    Attributes
    ----------
    group : array of int64
        What each belongs to: ``recording * n_labels + label``. Only those of one group can pair.
    start_s, end_s : array of float64
        Seconds from the recording's start, ``0 <= start_s <= end_s``.
    """

    group: IntArray
    start_s: TimeArray
    end_s: TimeArray

    @classmethod
    def of(cls, times_s: Sequence[tuple[float, float]]) -> Intervals:
        """Intervals of one recording and label, group 0, from their starts and ends."""
        both = np.array(times_s, dtype=np.float64).reshape(-1, 2)
        return cls(np.zeros(len(both), dtype=np.int64), both[:, 0], both[:, 1])

    def __len__(self) -> int:
        return len(self.group)

    def subset(self, chosen: NDArray[np.bool_] | slice) -> Intervals:
        """The chosen ones, in their order."""
        return Intervals(self.group[chosen], self.start_s[chosen], self.end_s[chosen])

    def of_groups(self, first: int, stop: int) -> Intervals:
        """Those of the groups ``[first, stop)``, in their order."""
        return self.subset((self.group >= first) & (self.group < stop))


@dataclass(frozen=True)
class Scene:
    """Recordings with what was found in them and what is truly there.

    Attributes
    ----------
    recordings : tuple of str
        Names; a recording without events or calls counts as well.
    labels : tuple of str
        At least one.
    events, calls : Intervals
        What was found, and the truth.
    """

    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    events: Intervals
    calls: Intervals


_LONGEST_COLLAR_S = 3600


@dataclass(frozen=True)
class Criterion:
    """When an event and a true call may be paired.

    Attributes
    ----------
    iou : float
        Least intersection over union, above 0 and at most 1.
    collar_s : float or None
        Instead: the starts differ by at most this, and the ends by at most this or a fifth of
        the true call's length, whichever is more, as DCASE's event-based scores with an onset and
        an offset have it (Mesaros, Heittola and Virtanen, Metrics for polyphonic sound event
        detection, 2016; the fifth as in DCASE task 4 and mir_eval.transcription). A microsecond
        is added against rounding, so that 2.2 is within 1 s of 1.2. Above 0 and at most an hour.

    Raises
    ------
    CallcountError
        One of them is out of its range.
    """

    iou: float = 0.3
    collar_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.iou <= 1:
            raise CallcountError(f"an IoU of {self.iou} is not above 0 and at most 1.")
        if self.collar_s is not None and not 0 < self.collar_s <= _LONGEST_COLLAR_S:
            longest = f"{_LONGEST_COLLAR_S:g} s"
            raise CallcountError(
                f"a collar of {self.collar_s} s is not above 0 and at most {longest}."
            )

    @property
    def text(self) -> str:
        """For people: ``IoU of 0.3 or more``."""
        if self.collar_s is not None:
            return f"start and end within {self.collar_s:g} s"
        return f"IoU of {self.iou:g} or more"


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

    Which of several largest sets of pairs is taken is not defined. Either side may be empty.
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
    """Which of the overlapping pairs overlap enough."""
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

    def share_time(event: IntArray, call: IntArray) -> NDArray[np.bool_]:
        start = np.maximum(events.start_s[event], calls.start_s[call])
        share: NDArray[np.bool_] = np.minimum(events.end_s[event], calls.end_s[call]) > start
        return share

    return line.pairs(first, stop, share_time)


def _near(events: Intervals, calls: Intervals, collar_s: float) -> tuple[IntArray, IntArray]:
    """All pairs (event, call) of one group whose starts and ends are close."""
    reach_s = collar_s + _ROUNDING_S
    line = _Line(events, calls, 2 * reach_s + 1)
    at = line.of(events, events.start_s)
    first = np.searchsorted(line.starts, at - 2 * reach_s, "left")
    stop = np.searchsorted(line.starts, at + 2 * reach_s, "right")

    def are_close(event: IntArray, call: IntArray) -> NDArray[np.bool_]:
        start_apart_s = np.abs(events.start_s[event] - calls.start_s[call])
        end_apart_s = np.abs(events.end_s[event] - calls.end_s[call])
        length_s = calls.end_s[call] - calls.start_s[call]
        end_reach_s = np.maximum(collar_s, _END_SHARE * length_s) + _ROUNDING_S
        return (start_apart_s <= reach_s) & (end_apart_s <= end_reach_s)

    return line.pairs(first, stop, are_close)


class _Line:
    """The calls of all groups on one line of time, group after group, in order of start."""

    def __init__(self, events: Intervals, calls: Intervals, apart_s: float) -> None:
        ends = [one.end_s.max() for one in (events, calls) if len(one)]
        self._step_s = max(ends, default=0.0) + apart_s
        self._groups = events.group, calls.group
        starts = self.of(calls, calls.start_s)
        self._order = np.argsort(starts, kind="stable")
        self.starts = starts[self._order]
        self.ends = self.of(calls, calls.end_s)[self._order]

    def of(self, intervals: Intervals, times_s: TimeArray) -> TimeArray:
        """Times of intervals on the line."""
        return intervals.group * self._step_s + times_s

    def pairs(
        self,
        first: IntArray,
        stop: IntArray,
        is_allowed: Callable[[IntArray, IntArray], NDArray[np.bool_]],
    ) -> tuple[IntArray, IntArray]:
        """Allowed pairs of one group, event ``i`` with calls at ``[first[i], stop[i])``."""
        events, calls = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for event, place in _expanded(first, stop):
            call = self._order[place]
            is_same = self._groups[0][event] == self._groups[1][call]
            chosen = is_same & is_allowed(event, call)
            events.append(event[chosen])
            calls.append(call[chosen])
        return np.concatenate(events), np.concatenate(calls)


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


def _most_pairs(event: IntArray, call: IntArray, n_events: int, n_calls: int) -> IntArray:
    """The call that each event gets, -1 for none, given all pairs that are allowed.

    Largest number of pairs, by augmenting paths (Berge 1957), each found breadth first.
    """
    call_of = np.full(n_events, -1, dtype=np.int64)
    is_only = np.bincount(event, minlength=n_events)[event] == 1
    is_only &= np.bincount(call, minlength=n_calls)[call] == 1
    call_of[event[is_only]] = call[is_only]
    # the few that have a choice
    near: dict[int, list[int]] = {}
    for one, other in zip(event[~is_only].tolist(), call[~is_only].tolist(), strict=True):
        near.setdefault(one, []).append(other)
    owner: dict[int, int] = {}
    for one in near:
        _augment(one, near, owner)
    call_of[list(owner.values())] = list(owner)
    return call_of


def _augment(event: int, near: Mapping[int, Sequence[int]], owner: dict[int, int]) -> None:
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
