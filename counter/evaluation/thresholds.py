"""Counts and pairs against the threshold, from kept scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from counter.config import EventRules
from counter.evaluation.pairing import pair
from counter.evaluation.records import Criterion, IntArray, Intervals, TimeArray
from counter.events import smooth, spans
from counter.records import FloatArray
from counter.timebase import Timebase

# Even steps of the logit; detectors are surer of calls than of silence.
N_THRESHOLDS = 41
_LOWEST, _HIGHEST = 0.01, 0.999


@dataclass(frozen=True)
class Heard:
    """The scores of one label in one recording, with its true calls.

    Attributes
    ----------
    scores : array of float32, shape (n_frames,)
        Before smoothing, 0 to 1.
    calls : Intervals
        The truth; their groups do not matter.
    duration_s : float
        Seconds scored.
    """

    scores: FloatArray
    calls: Intervals
    duration_s: float


@dataclass(frozen=True)
class Curve:
    """Figures against the threshold; arrays of shape (n_thresholds,).

    Attributes
    ----------
    thresholds : array of float64
        Rising; the rules' own is among them.
    precision, recall, f1, count_bias, count_error : array of float64
        As in ``comparison.measures``; counts per recording.
    own : int
        Place of the rules' own threshold.
    best : int
        Place of the least count error: the middle of the longest stretch of equals.
    """

    thresholds: TimeArray
    precision: TimeArray
    recall: TimeArray
    f1: TimeArray
    count_bias: TimeArray
    count_error: TimeArray
    own: int
    best: int


def grid(rules: EventRules) -> TimeArray:
    """Thresholds to try, rising: ``N_THRESHOLDS`` from 0.01 to 0.999, and the rules' own."""
    low, high = (float(np.log(edge / (1 - edge))) for edge in (_LOWEST, _HIGHEST))
    even = 1 / (1 + np.exp(-np.linspace(low, high, N_THRESHOLDS)))
    return np.unique([*np.round(even, 4), rules.threshold])


def curve(
    heard: Iterable[Heard], rules: EventRules, timebase: Timebase, criterion: Criterion
) -> Curve:
    """Figures of one label at every threshold of ``grid``.

    All other rules stay; the release follows the threshold in the proportion of the rules, as
    with ``scan --threshold``. Recordings are taken one at a time.

    Parameters
    ----------
    heard : iterable of Heard
        One per recording; none gives precision, recall and F1 of 1 and counts without error.
    rules : EventRules
        The rules of the label.
    timebase : Timebase
        Rate and frame of the scores.
    criterion : Criterion
        When an event and a call may be paired.
    """
    thresholds = grid(rules)
    ruled = [rules.changed(threshold=float(threshold)) for threshold in thresholds]
    n_true = n_recordings = 0
    # counted, paired, sum of the difference and of its absolute value
    sums = np.zeros((4, len(thresholds)))
    for one in heard:
        counted, paired = _counted(one, ruled, timebase, criterion)
        late = counted - len(one.calls)
        sums += np.stack([counted, paired, late, np.abs(late)])
        n_true += len(one.calls)
        n_recordings += 1
    counted, paired, late, absolute = sums
    n = max(n_recordings, 1)
    ones = np.ones(len(thresholds))
    return Curve(
        thresholds=thresholds,
        precision=np.divide(paired, counted, out=ones.copy(), where=counted > 0),
        recall=paired / n_true if n_true else ones,
        f1=np.divide(2 * paired, counted + n_true, out=ones.copy(), where=counted + n_true > 0),
        count_bias=late / n,
        count_error=absolute / n,
        own=int(np.searchsorted(thresholds, rules.threshold)),
        best=_middle_of_least(absolute),
    )


def _counted(
    one: Heard, ruled: list[EventRules], timebase: Timebase, criterion: Criterion
) -> tuple[IntArray, IntArray]:
    """Events and pairs at each threshold."""
    smoothed = smooth(one.scores, ruled[0].smooth_s, timebase)
    found = [spans(smoothed, rules, timebase) for rules in ruled]
    counted = np.array([len(events) for events in found])
    if not counted.any() or not len(one.calls):
        return counted, np.zeros_like(counted)
    # every threshold is a group of its own, all paired in one go
    frames = np.array([span for events in found for span in events], dtype=np.float64)
    times_s = np.minimum(frames * timebase.frame_s, one.duration_s)
    events = Intervals(np.repeat(np.arange(len(ruled)), counted), times_s[:, 0], times_s[:, 1])
    calls = Intervals(
        np.repeat(np.arange(len(ruled)), len(one.calls)),
        np.tile(one.calls.start_s, len(ruled)),
        np.tile(one.calls.end_s, len(ruled)),
    )
    call_of = pair(events, calls, criterion).call_of
    paired = np.bincount(events.group[call_of >= 0], minlength=len(ruled))
    return counted, paired


def _middle_of_least(error: TimeArray) -> int:
    is_least = np.concatenate([[False], error == error.min(), [False]])
    edges = np.flatnonzero(is_least[1:] != is_least[:-1])
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return int((starts[longest] + stops[longest] - 1) // 2)
