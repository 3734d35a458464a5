"""Event rules learned on recordings with known calls: those of least count error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from counter.config import EventRules
from counter.errors import ClipError
from counter.evaluation.rulesearch import STRICT, Candidate, Scale, Tried, around, search
from counter.events import match, smooth, spans
from counter.records import FloatArray
from counter.timebase import Timebase

MATCH_IOU = 0.3
# What a missed or false event costs beside a miscount: a miss and a false event in one recording,
# which leave its count right, cost 1 together; a miss alone costs 1.5.
EVENT_WEIGHT = 0.5
# Rules count as equals by their cost in so many calls, however many of them a recording holds.
EQUAL_CALLS = 5.0


@dataclass(frozen=True)
class Scored:
    """Frame scores of one label in one recording, with its true calls.

    Attributes
    ----------
    scores : array of float32, shape (n_frames,)
    calls : tuple of (start_s, end_s)
    is_made : bool
        Whether it was made of clips; else it was annotated.
    """

    scores: FloatArray
    calls: tuple[tuple[float, float], ...]
    is_made: bool = True


@dataclass(frozen=True)
class CountError:
    """How wrong counts are on made recordings.

    Attributes
    ----------
    count_error : float
        Mean absolute difference of count and truth, calls a recording.
    bias : float
        Mean of count less truth.
    f1, precision, recall : float
        Of events matched one to one at IoU ``MATCH_IOU``; 1 where nothing is there to be found.
    n_recordings, n_calls, n_events, n_false : int
        Sizes.
    """

    count_error: float
    bias: float
    f1: float
    precision: float
    recall: float
    n_recordings: int
    n_calls: int
    n_events: int
    n_false: int

    @property
    def cost(self) -> float:
        """What learning minimises: miscounts, and mistaken events at half."""
        mistaken = self.n_calls + self.n_events - 2 * (self.n_events - self.n_false)
        return self.count_error + EVENT_WEIGHT * mistaken / max(self.n_recordings, 1)


@dataclass(frozen=True)
class _Reel:
    """Smoothed scores of recordings one after another: a look at one is a look at all.

    Attributes
    ----------
    scores : array of float32, shape (n_frames,)
        Between recordings stands silence so long that no gap spans it.
    first_frames : array of int64, shape (n_recordings,)
        Of each recording, in order.
    """

    scores: FloatArray
    first_frames: NDArray[np.int64]

    @classmethod
    def of(
        cls, scored: Sequence[Scored], smooth_s: float, gap_s: float, timebase: Timebase
    ) -> _Reel:
        silence = np.full(timebase.frames(gap_s) + 1, -1.0, dtype=np.float32)
        parts = [silence]
        for one in scored:
            parts += [smooth(one.scores, smooth_s, timebase), silence]
        lengths = [len(one.scores) + len(silence) for one in scored]
        first_frames = np.cumsum([len(silence), *lengths], dtype=np.int64)[:-1]
        return cls(np.concatenate(parts), first_frames)

    def events(self, rules: EventRules, timebase: Timebase) -> list[list[tuple[float, float]]]:
        """Events of each recording, in seconds from its own start."""
        found = np.array(spans(self.scores, rules, timebase), dtype=np.int64).reshape(-1, 2)
        owner = np.searchsorted(self.first_frames, found[:, 0], side="right") - 1
        frames = (found - self.first_frames[owner][:, None]).tolist()
        ends_s = [(timebase.frame_start_s(a), timebase.frame_start_s(b)) for a, b in frames]
        limits = np.searchsorted(owner, np.arange(len(self.first_frames) + 1)).tolist()
        return [ends_s[first:last] for first, last in pairwise(limits)]


def count_error(scored: Sequence[Scored], rules: EventRules, timebase: Timebase) -> CountError:
    """Count with the rules and compare with the truth; no recordings hold no error."""
    reel = _Reel.of(scored, rules.smooth_s, rules.gap_s, timebase)
    return _compare(reel.events(rules, timebase), scored)


def _compare(
    found: Sequence[Sequence[tuple[float, float]]], scored: Sequence[Scored]
) -> CountError:
    wrong, bias, n_events, n_matched = 0, 0, 0, 0
    for events, one in zip(found, scored, strict=True):
        difference = len(events) - len(one.calls)
        wrong, bias = wrong + abs(difference), bias + difference
        n_events += len(events)
        n_matched += len(match(events, one.calls, MATCH_IOU))
    n_calls = sum(len(one.calls) for one in scored)
    n_recordings = len(scored)
    return CountError(
        count_error=wrong / max(n_recordings, 1),
        bias=bias / max(n_recordings, 1),
        f1=2 * n_matched / (n_events + n_calls) if n_events + n_calls else 1.0,
        precision=n_matched / n_events if n_events else 1.0,
        recall=n_matched / n_calls if n_calls else 1.0,
        n_recordings=n_recordings,
        n_calls=n_calls,
        n_events=n_events,
        n_false=n_events - n_matched,
    )


@dataclass(frozen=True)
class Learned:
    """Rules with how they were found.

    Attributes
    ----------
    rules : EventRules
    error : CountError
        Of these rules on the made recordings.
    tried : tuple of Tried
        How flat the cost is about these rules.
    """

    rules: EventRules
    error: CountError
    tried: tuple[Tried, ...]


def learn_rules(
    scored: Sequence[Scored],
    lengths_s: Sequence[float],
    timebase: Timebase,
    depths: Mapping[str, float] = STRICT,
) -> Learned:
    """The rules of least cost on made recordings; see ``counter.evaluation.rulesearch.search``.

    Parameters
    ----------
    scored : sequence of Scored
        Recordings of all folds, not empty.
    lengths_s : sequence of float
        Lengths of the label's calls; durations are tried as shares of them.
    timebase : Timebase
        Of the scores.
    depths : mapping of str to float
        Where of equally good values each rule goes: ``STRICT`` or ``FOR_MEAN``.

    Raises
    ------
    ClipError
        There is no recording to learn from.
    """
    if not scored:
        raise ClipError(
            "no recording could be made to learn the event rules from: no fold of clips holds "
            "both calls and background.",
            "Bring clips of more sources.",
        )
    scale = Scale.of(np.asarray(lengths_s), timebase)

    @cache
    def reel(smooth_s: float, gap_s: float) -> _Reel:
        return _Reel.of(scored, smooth_s, gap_s, timebase)

    @cache
    def cost_of(rules: EventRules) -> float:
        events = reel(rules.smooth_s, rules.gap_s).events(rules, timebase)
        return _compare(events, scored).cost

    calls = max(sum(len(one.calls) for one in scored) / len(scored), 1.0)

    def cost(candidate: Candidate) -> float:
        return cost_of(candidate.rules(scale)) * EQUAL_CALLS / calls

    best = search(cost, lambda: None, depths)
    rules = best.rules(scale)
    error = count_error(scored, rules, timebase)
    tried = (replace(one, cost=one.cost * calls / EQUAL_CALLS) for one in around(best, cost, scale))
    return Learned(rules, error, tuple(tried))
