"""Scoring of event rules: frame scores counted again and again with other rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.evaluation.comparison import figures_of, sums_of, tally
from counter.events.decoding import smooth, spans
from counter.events.matching import Criterion, IntArray, Intervals, TimeArray, pair
from counter.events.rules import EventRules
from counter.records import FloatArray
from counter.timebase import Timebase

# What a mistaken event costs next to a miscount: a missed call costs 1.5 in all, and one missed
# and one false in a recording, which leave its count right, cost 1 together.
EVENT_WEIGHT = 0.5
# Even steps of the logit; detectors are surer of calls than of silence.
N_THRESHOLDS = 41
CURVE_MEASURES = ("precision", "recall", "f1", "count_bias", "count_error")
_LOWEST, _HIGHEST = 0.01, 0.999
# Smoothed scores kept for the next set of rules, and costs, bytes each.
_KEPT_BYTES = 400_000_000
# Recordings of a threshold curve are taken together up to this: bounds memory.
_BATCH_FRAMES = 1_000_000


@dataclass(frozen=True)
class AnnotatedScores:
    """Frame scores of one label in one recording, with its true calls.

    Attributes
    ----------
    scores : array of float32, shape (n_frames,)
        Before smoothing, 0 to 1; may hold no frame.
    calls : Intervals
        The truth, seconds from the recording's start; their groups do not matter.
    duration_s : float
        Seconds scored, after which no event ends; infinite: events end with their last frame.
    is_made : bool
        Whether the recording was made of clips, as training does; else it was annotated.
    """

    scores: FloatArray
    calls: Intervals
    duration_s: float = math.inf
    is_made: bool = False


@dataclass(frozen=True)
class CheckedEvents:
    """Events of many recordings and what they are.

    Attributes
    ----------
    events : Intervals
        The group is the recording's place.
    score : array of float64, shape (n_events,)
        Highest smoothed score of each.
    is_call : array of bool, shape (n_events,)
        Whether it is paired with a true call.
    """

    events: Intervals
    score: TimeArray
    is_call: NDArray[np.bool_]

    def subset(self, chosen: NDArray[np.bool_]) -> CheckedEvents:
        """The chosen ones, in their order."""
        return CheckedEvents(self.events.subset(chosen), self.score[chosen], self.is_call[chosen])


class RuleScorer:
    """Scorer of event rules: counts of one label in many recordings, with their true calls.

    All recordings are on one line of frames, with silence between them, so that a set of rules is
    tried in one go; events are those that ``events.decoding`` gives recording by recording.

    Parameters
    ----------
    recordings : iterable of AnnotatedScores
        In order; may be empty.
    timebase : Timebase
        Rate and frame of the scores.
    criterion : Criterion
        When an event and a call may be paired.

    Attributes
    ----------
    calls : Intervals
        The true calls; the group is the recording's place.
    """

    def __init__(
        self, recordings: Iterable[AnnotatedScores], timebase: Timebase, criterion: Criterion
    ) -> None:
        self._recordings = tuple(recordings)
        self.timebase = timebase
        self._criterion = criterion
        self._duration_s = np.array([one.duration_s for one in self._recordings], dtype=np.float64)
        n_calls = np.array([len(one.calls) for one in self._recordings], dtype=np.int64)
        none = np.zeros(0)
        self.calls = Intervals(
            np.repeat(np.arange(len(self)), n_calls),
            np.concatenate([none, *(one.calls.start_s for one in self._recordings)]),
            np.concatenate([none, *(one.calls.end_s for one in self._recordings)]),
        )
        self._costs: dict[EventRules, FloatArray] = {}
        self._lay_out(1)

    def __len__(self) -> int:
        return len(self._recordings)

    def _lay_out(self, silence_frames: int) -> None:
        """Place the recordings on the line, so far apart that no gap is bridged between them."""
        self._silence = np.full(silence_frames, -1, np.float32)  # below any release
        lengths = np.array([len(one.scores) + silence_frames for one in self._recordings], np.int64)
        self._first_frame = np.cumsum(lengths) - lengths
        self._n_lines = max(2, _KEPT_BYTES // (4 * max(int(lengths.sum()), 1)))
        self._lines: dict[float, FloatArray] = {}

    def _smoothed(self, smooth_s: float) -> FloatArray:
        """The line, each recording smoothed by itself; kept for other rules of that smoothing."""
        if smooth_s not in self._lines:
            if len(self._lines) >= self._n_lines:
                self._lines.clear()
            parts = [self._silence[:0]]
            for one in self._recordings:
                parts += [smooth(one.scores, smooth_s, self.timebase), self._silence]
            self._lines[smooth_s] = np.concatenate(parts)
        return self._lines[smooth_s]

    def _spans(self, rules: EventRules) -> tuple[IntArray, Intervals]:
        """First and last frame on the line of each event, and the events themselves."""
        gap_frames = self.timebase.frames(rules.gap_s)
        if gap_frames > len(self._silence):
            self._lay_out(gap_frames)
        found = spans(self._smoothed(rules.smooth_s), rules, self.timebase)
        frames = np.array(found, dtype=np.int64).reshape(-1, 2)
        place = np.searchsorted(self._first_frame, frames[:, 0], side="right") - 1
        own = frames - self._first_frame[place, None]
        times_s = own * self.timebase.hop_samples / self.timebase.sample_rate_hz
        ends_s = np.minimum(times_s[:, 1], self._duration_s[place])
        return frames, Intervals(place, times_s[:, 0], ends_s)

    def events(self, rules: EventRules) -> CheckedEvents:
        """Events with the rules, in order of recording and start."""
        frames, events = self._spans(rules)
        smoothed = self._smoothed(rules.smooth_s)
        peaks = np.maximum.reduceat(smoothed, frames.ravel())[::2] if len(frames) else np.zeros(0)
        call_of = pair(events, self.calls, self._criterion).call_of
        return CheckedEvents(events, peaks.astype(np.float64), call_of >= 0)

    def table(self, rules: EventRules) -> IntArray:
        """Tallies with the rules, shape (n_recordings, len(KINDS)); see ``comparison.Tallies``."""
        return tally(self._spans(rules)[1], self.calls, self._criterion, len(self))

    def costs(self, rules: EventRules) -> FloatArray:
        """``table_costs`` with the rules, shape (n_recordings,); kept once worked out."""
        if rules not in self._costs:
            if len(self._costs) >= _KEPT_BYTES // (4 * max(len(self), 1)):
                self._costs.clear()
            self._costs[rules] = table_costs(self.table(rules)).astype(np.float32)
        return self._costs[rules]


def table_costs(table: IntArray) -> TimeArray:
    """Cost of each recording: its miscount, and its mistaken events at ``EVENT_WEIGHT``.

    Parameters
    ----------
    table : array of int64, shape (n_recordings, len(KINDS))
        What ``RuleScorer.table`` gives.
    """
    true, counted, paired = table[:, 0], table[:, 1], table[:, 2]
    costs: TimeArray = np.abs(counted - true) + EVENT_WEIGHT * (true + counted - 2 * paired)
    return costs


@dataclass(frozen=True)
class ThresholdCurve:
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

    def columns(self) -> list[TimeArray]:
        """The thresholds, then each of ``CURVE_MEASURES``."""
        return [self.thresholds, *(getattr(self, name) for name in CURVE_MEASURES)]


def threshold_grid(rules: EventRules) -> TimeArray:
    """Thresholds to try, rising: ``N_THRESHOLDS`` from 0.01 to 0.999, and the rules' own."""
    low, high = (float(np.log(edge / (1 - edge))) for edge in (_LOWEST, _HIGHEST))
    even = 1 / (1 + np.exp(-np.linspace(low, high, N_THRESHOLDS)))
    return np.unique([*np.round(even, 4), rules.threshold])


def threshold_curve(
    recordings: Iterable[AnnotatedScores],
    rules: EventRules,
    timebase: Timebase,
    criterion: Criterion,
) -> ThresholdCurve:
    """Figures of one label at every threshold of ``threshold_grid``.

    All other rules stay; the release follows the threshold in the proportion of the rules, as
    with ``scan --threshold``.

    Parameters
    ----------
    recordings : iterable of AnnotatedScores
        None gives precision, recall and F1 of 1 and counts without error.
    rules : EventRules
        The rules of the label.
    timebase : Timebase
        Rate and frame of the scores.
    criterion : Criterion
        When an event and a call may be paired.
    """
    thresholds = threshold_grid(rules)
    changed = [rules.changed(threshold=float(threshold)) for threshold in thresholds]
    sums, n_recordings = np.zeros((len(thresholds), 9)), 0
    for batch in _batches(recordings):
        scorer = RuleScorer(batch, timebase, criterion)
        sums += np.stack([sums_of(scorer.table(one)) for one in changed])
        n_recordings += len(batch)
    figures = figures_of(sums, max(n_recordings, 1))
    return ThresholdCurve(
        thresholds=thresholds,
        own=int(np.searchsorted(thresholds, rules.threshold)),
        best=_middle_of_least(figures["count_error"]),
        **{name: figures[name] for name in CURVE_MEASURES},
    )


def _batches(recordings: Iterable[AnnotatedScores]) -> Iterator[list[AnnotatedScores]]:
    batch, n_frames = [], 0
    for one in recordings:
        batch.append(one)
        n_frames += len(one.scores)
        if n_frames >= _BATCH_FRAMES:
            yield batch
            batch, n_frames = [], 0
    if batch:
        yield batch


def _middle_of_least(error: TimeArray) -> int:
    is_least = np.concatenate([[False], error == error.min(), [False]])
    edges = np.flatnonzero(is_least[1:] != is_least[:-1])
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return int((starts[longest] + stops[longest] - 1) // 2)
