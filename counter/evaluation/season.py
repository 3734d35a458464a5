"""The kept scores of many recordings, counted again and again with other rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from counter.config import EventRules
from counter.evaluation.comparison import KINDS, compare
from counter.evaluation.pairing import pair
from counter.evaluation.records import Criterion, IntArray, Intervals, Scene, TimeArray
from counter.evaluation.thresholds import Heard
from counter.events import smooth, spans
from counter.records import FloatArray
from counter.timebase import Timebase

# What a mistaken event costs beside a miscount: a missed call costs 1.5 in all, and one missed
# and one false in a recording, which leave its count right, cost 1 together.
EVENT_WEIGHT = 0.5
_MISTAKES = [KINDS.index(kind) for kind in ("missed", "merged", "false", "split")]
# Smoothed scores kept for the next set of rules, and costs, bytes each.
_KEPT_BYTES = 400_000_000


@dataclass(frozen=True)
class Found:
    """Events of a season and what they are.

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

    def of(self, chosen: NDArray[np.bool_]) -> Found:
        """The chosen ones, in their order."""
        events = self.events
        times = events.group[chosen], events.start_s[chosen], events.end_s[chosen]
        return Found(Intervals(*times), self.score[chosen], self.is_call[chosen])


class ScoredSeason:
    """Scores of one label in many recordings beside their true calls.

    All recordings lie on one line of frames, with silence between them, so that a set of rules is
    tried in one go; events are those that ``counter.events.decode`` gives recording by recording.

    Parameters
    ----------
    heard : iterable of Heard
        One per recording, in order; may be empty.
    timebase : Timebase
        Rate and frame of the scores.
    criterion : Criterion
        When an event and a call may be paired.

    Attributes
    ----------
    calls : Intervals
        The true calls; the group is the recording's place.
    n_calls : array of int64, shape (n_recordings,)
        How many each recording holds.
    """

    def __init__(self, heard: Iterable[Heard], timebase: Timebase, criterion: Criterion) -> None:
        self._heard = tuple(heard)
        self.timebase = timebase
        self._criterion = criterion
        self._duration_s = np.array([one.duration_s for one in self._heard], dtype=np.float64)
        self.n_calls = np.array([len(one.calls) for one in self._heard], dtype=np.int64)
        none = np.zeros(0)
        self.calls = Intervals(
            np.repeat(np.arange(len(self)), self.n_calls),
            np.concatenate([none, *(one.calls.start_s for one in self._heard)]),
            np.concatenate([none, *(one.calls.end_s for one in self._heard)]),
        )
        self._lay_out(1)
        self.costs = lru_cache(maxsize=_KEPT_BYTES // (4 * max(len(self), 1)))(self._costs)

    def __len__(self) -> int:
        return len(self._heard)

    def _lay_out(self, silence_frames: int) -> None:
        """Place the recordings on the line, so far apart that no gap is bridged between them."""
        self._silence_frames = silence_frames
        lengths = np.array([len(one.scores) + silence_frames for one in self._heard], np.int64)
        self._first_frame = np.cumsum(lengths) - lengths
        n_bytes = 4 * max(int(lengths.sum()), 1)
        self._smoothed = lru_cache(maxsize=max(2, _KEPT_BYTES // n_bytes))(self._smooth)

    def _smooth(self, smooth_s: float) -> FloatArray:
        silence = np.zeros(self._silence_frames, np.float32)
        parts = [silence[:0]]
        for one in self._heard:
            parts += [smooth(one.scores, smooth_s, self.timebase), silence]
        return np.concatenate(parts)

    def _spans(self, rules: EventRules) -> tuple[IntArray, Intervals]:
        """First and last frame on the line of each event, and the events themselves."""
        gap_frames = self.timebase.frames(rules.gap_s)
        if gap_frames > self._silence_frames:
            self._lay_out(gap_frames)
        found = spans(self._smoothed(rules.smooth_s), rules, self.timebase)
        frames = np.array(found, dtype=np.int64).reshape(-1, 2)
        place = np.searchsorted(self._first_frame, frames[:, 0], side="right") - 1
        own = frames - self._first_frame[place, None]
        times_s = own * self.timebase.hop_samples / self.timebase.sample_rate_hz
        ends_s = np.minimum(times_s[:, 1], self._duration_s[place])
        return frames, Intervals(place, times_s[:, 0], ends_s)

    def found(self, rules: EventRules) -> Found:
        """Events with the rules, in order of recording and start."""
        frames, events = self._spans(rules)
        smoothed = self._smoothed(rules.smooth_s)
        peaks = np.maximum.reduceat(smoothed, frames.ravel())[::2] if len(frames) else np.zeros(0)
        call_of = pair(events, self.calls, self._criterion).call_of
        return Found(events, peaks.astype(np.float64), call_of >= 0)

    def table(self, rules: EventRules) -> IntArray:
        """Tallies with the rules, shape (n_recordings, len(KINDS)); see ``comparison.Tallies``."""
        names = tuple(map(str, range(len(self))))
        scene = Scene(names, ("",), self._spans(rules)[1], self.calls)
        return compare(scene, self._criterion).table[:, 0]

    def _costs(self, rules: EventRules) -> FloatArray:
        """Cost of each recording with the rules, as ``table_costs``; kept once worked out."""
        _, events = self._spans(rules)
        counted = np.bincount(events.group, minlength=len(self))
        call_of = pair(events, self.calls, self._criterion).call_of
        paired = np.bincount(events.group[call_of >= 0], minlength=len(self))
        mistaken = counted + self.n_calls - 2 * paired
        return (np.abs(counted - self.n_calls) + EVENT_WEIGHT * mistaken).astype(np.float32)


def table_costs(table: IntArray) -> TimeArray:
    """Cost of each recording: its miscount, and its mistaken events at ``EVENT_WEIGHT``.

    Parameters
    ----------
    table : array of int64, shape (n_recordings, len(KINDS))
        What ``ScoredSeason.table`` gives.
    """
    miscount = np.abs(table[:, 1] - table[:, 0])
    costs: TimeArray = miscount + EVENT_WEIGHT * table[:, _MISTAKES].sum(axis=1)
    return costs
