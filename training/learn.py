"""Event rules learned on made recordings: least count error, the middle of the flat region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from counter.config import EventRules
from counter.errors import ClipError
from counter.events import match, smooth, spans
from counter.records import FloatArray
from counter.timebase import Timebase

MATCH_IOU = 0.3
# What a missed or false event costs beside a miscount: a miss and a false event in one recording,
# which leave its count right, cost 1 together; a miss alone costs 1.5.
EVENT_WEIGHT = 0.5
ROUNDS = 3
# Settings within this much of the least cost (calls a recording, and share) count as equals.
FLAT_CALLS, FLAT_SHARE = 0.02, 0.1
THRESHOLDS = tuple(np.round(np.arange(0.1, 0.96, 0.05), 2).tolist())
RELEASE_SHARES = (0.3, 0.45, 0.6, 0.8, 1.0)
# Durations are tried as shares of a typical call's length.
SMOOTH_SHARES = (0.0, 0.08, 0.15, 0.22, 0.3, 0.4)
GAP_SHARES = (0.03, 0.07, 0.12, 0.18, 0.25, 0.35)
SHORTEST_SHARES = (0.04, 0.08, 0.14, 0.2, 0.3, 0.4, 0.5, 0.6)
PART_SHARES = (0.9, 1.1, 1.3, 1.6, 2.0)
PART_DEPTHS = (0.3, 0.5, 0.65, 0.8, 0.9, 0.97)
LONGEST_CLIPS = 3.0


@dataclass(frozen=True)
class Scored:
    """Frame scores of one label in one made recording, with its true calls.

    Attributes
    ----------
    scores : array of float32, shape (n_frames,)
    calls : tuple of (start_s, end_s)
    """

    scores: FloatArray
    calls: tuple[tuple[float, float], ...]


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


def count_error(scored: Sequence[Scored], rules: EventRules, timebase: Timebase) -> CountError:
    """Count with the rules and compare with the truth; no recordings hold no error."""
    return _compare(_smoothed(scored, rules.smooth_s, timebase), rules, timebase)


def _smoothed(scored: Sequence[Scored], smooth_s: float, timebase: Timebase) -> list[Scored]:
    return [Scored(smooth(one.scores, smooth_s, timebase), one.calls) for one in scored]


def _compare(smoothed: Sequence[Scored], rules: EventRules, timebase: Timebase) -> CountError:
    wrong, bias, n_events, n_matched = 0, 0, 0, 0
    for one in smoothed:
        found = spans(one.scores, rules, timebase)
        events = [(timebase.frame_start_s(a), timebase.frame_start_s(b)) for a, b in found]
        difference = len(events) - len(one.calls)
        wrong, bias = wrong + abs(difference), bias + difference
        n_events += len(events)
        n_matched += len(match(events, one.calls, MATCH_IOU))
    n_calls = sum(len(one.calls) for one in smoothed)
    n_recordings = len(smoothed)
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
class Candidate:
    """A point of the search: rules in shares of a typical call's length."""

    threshold: float = 0.5
    release_share: float = 0.6
    smooth_share: float = 0.15
    gap_share: float = 0.12
    shortest_share: float = 0.2
    part_share: float = 1.3
    part_depth: float = 0.65

    def rules(self, typical_s: float, longest_s: float) -> EventRules:
        """The rules, durations in seconds to 1 ms."""
        return EventRules(
            threshold=self.threshold,
            release=round(self.threshold * self.release_share, 4),
            smooth_s=round(self.smooth_share * typical_s, 3),
            gap_s=round(self.gap_share * typical_s, 3),
            part_s=round(self.part_share * longest_s, 3),
            part_depth=self.part_depth,
            min_duration_s=round(self.shortest_share * typical_s, 3),
            max_duration_s=round(LONGEST_CLIPS * longest_s, 3),
        )


GRID: dict[str, tuple[float, ...]] = {
    "threshold": THRESHOLDS,
    "smooth_share": SMOOTH_SHARES,
    "shortest_share": SHORTEST_SHARES,
    "gap_share": GAP_SHARES,
    "release_share": RELEASE_SHARES,
    "part_depth": PART_DEPTHS,
    "part_share": PART_SHARES,
}


@dataclass(frozen=True)
class Learned:
    """Rules with how they were found.

    Attributes
    ----------
    rules : EventRules
    error : CountError
        Of these rules on the made recordings.
    trail : list of dict
        Each setting tried: its name, value, and cost with all others as learned then.
    """

    rules: EventRules
    error: CountError
    trail: list[dict[str, float | str]]


def learn_rules(
    scored: Sequence[Scored], lengths_s: Sequence[float], timebase: Timebase
) -> Learned:
    """Search the rules one setting after the other, from a few starts, ``ROUNDS`` times around.

    Each setting goes to the middle of the flat region around its least cost, so that a small
    change of sound does not leave the region.

    Parameters
    ----------
    scored : sequence of Scored
        Made recordings of all folds, not empty.
    lengths_s : sequence of float
        Lengths of the label's calls; durations are tried as shares of their median and maximum.
    timebase : Timebase
        Of the scores.

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
    typical_s, longest_s = float(np.median(lengths_s)), float(np.max(lengths_s))

    @cache
    def smoothed(smooth_s: float) -> list[Scored]:
        return _smoothed(scored, smooth_s, timebase)

    @cache
    def cost(candidate: Candidate) -> float:
        rules = candidate.rules(typical_s, longest_s)
        return _compare(smoothed(rules.smooth_s), rules, timebase).cost

    # Threshold and smoothing depend on each other: a start from each smoothing finds the valley.
    starts = [Candidate(smooth_share=share) for share in SMOOTH_SHARES]
    best, trail = min((_descend(start, cost) for start in starts), key=lambda end: cost(end[0]))
    rules = best.rules(typical_s, longest_s)
    return Learned(rules, count_error(scored, rules, timebase), trail)


def _descend(
    best: Candidate, cost: Callable[[Candidate], float]
) -> tuple[Candidate, list[dict[str, float | str]]]:
    """Move one setting after the other to its flat middle; the end, and what the last round saw."""
    trail: list[dict[str, float | str]] = []
    for _ in range(ROUNDS):
        before = best
        trail = []
        for name, values in GRID.items():
            tried = [replace(best, **{name: value}) for value in values]
            costs = [cost(candidate) for candidate in tried]
            for value, one in zip(values, costs, strict=True):
                trail.append({"setting": name, "value": value, "cost": one})
            best = tried[flat_middle(costs)]
        if best == before:
            break
    return best, trail


def flat_middle(costs: Sequence[float]) -> int:
    """Index in the middle of the stretch of near-least cost that holds the first least one.

    Of two in the middle, the cheaper, and the former of equals; ``costs`` is not empty.
    """
    values = np.asarray(costs)
    least = int(np.argmin(values))
    good = values <= values[least] * (1 + FLAT_SHARE) + FLAT_CALLS
    low = high = least
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(values) - 1 and good[high + 1]:
        high += 1
    middle = (low + high) // 2
    return min((middle, (low + high + 1) // 2), key=lambda index: values[index])
