"""Search of event rules: one setting after the other, each within its flat region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from counter.events.matching import TimeArray
from counter.events.rules import EventRules
from counter.timebase import Timebase

ROUNDS = 3
# Settings within this much of the least cost (calls a recording, and share) count as equals.
FLAT_CALLS, FLAT_SHARE = 0.02, 0.1
# Even steps up to either end, where the scores of a sure detector are.
THRESHOLDS = (
    0.02,
    0.05,
    *(round(0.05 * step, 2) for step in range(2, 20)),
    0.97,
    0.98,
    0.99,
    0.995,
)
SMOOTH_SHARES = (0.0, 0.08, 0.15, 0.22, 0.3, 0.4)
# How often ``search`` calls its ``tick``.
N_STARTS = len(SMOOTH_SHARES)
# What is tried, in this order: durations as shares of a typical or a long call's length.
GRID: Mapping[str, tuple[float, ...]] = {
    "threshold": THRESHOLDS,
    "smooth_share": SMOOTH_SHARES,
    "shortest_share": (0.04, 0.08, 0.14, 0.2, 0.3, 0.4, 0.5, 0.6),
    "gap_share": (0.03, 0.07, 0.12, 0.18, 0.25, 0.35),
    "release_share": (0.3, 0.45, 0.6, 0.8, 1.0),
    "part_depth": (0.3, 0.5, 0.65, 0.8, 0.9, 0.97),
    "part_share": (0.9, 1.1, 1.3, 1.6, 2.0),
    "longest_share": (1.2, 1.5, 2.0, 3.0, 5.0),
}
# How far into its flat region a setting goes, from its first value (0) to its last (1); the others
# go to the middle. These go to the strictest end: real recordings hold more that begins, breaks off
# and echoes than made ones do, and all of that are pieces.
STRICT: Mapping[str, float] = {
    "shortest_share": 1.0,
    "release_share": 1.0,
    "part_share": 1.0,
    "part_depth": 0.0,
}
# For the mean of models whose rules are learned on what each alone says of sounds that it has not
# met: each is taken in by some that their mean is not, so that a lower threshold does for the mean.
FOR_MEAN: Mapping[str, float] = {**STRICT, "threshold": 1 / 3}
# The same where they are learned on real recordings, which hold what begins, breaks off and echoes
# as it is: no end of a flat region is the safer one.
FOR_REAL_MEAN: Mapping[str, float] = {"threshold": 1 / 3}
# The rule that each setting of the grid makes.
RULE_OF = {
    "threshold": "threshold",
    "release_share": "release",
    "smooth_share": "smooth_s",
    "gap_share": "gap_s",
    "part_share": "part_s",
    "part_depth": "part_depth",
    "shortest_share": "min_duration_s",
    "longest_share": "max_duration_s",
}
_LONG_CALLS = 0.95


@dataclass(frozen=True)
class Scale:
    """How long calls are; what the durations of the rules are tried as shares of.

    Attributes
    ----------
    typical_s : float
        Their median.
    long_s : float
        Their 95th percentile: one that was marked carelessly long decides nothing.
    timebase : Timebase
        Of the scores; durations are whole frames.
    """

    typical_s: float
    long_s: float
    timebase: Timebase

    @classmethod
    def of(cls, lengths_s: TimeArray, timebase: Timebase) -> Scale:
        """The scale of calls of these lengths, at least one."""
        typical_s, long_s = np.quantile(lengths_s, [0.5, _LONG_CALLS]).tolist()
        return cls(typical_s, long_s, timebase)

    def duration_s(self, seconds: float, *, least: int = 0, most_s: float) -> float:
        """The nearest whole number of frames, in seconds to 1 µs, at most ``most_s``."""
        frames = max(self.timebase.frames(min(seconds, most_s - self.timebase.frame_s)), least)
        return round(self.timebase.frame_start_s(frames), 6)

    def smooth_s(self, seconds: float) -> float:
        """The nearest odd number of frames, in seconds to 1 µs; 0 instead of a single one."""
        half = self.timebase.samples(min(seconds, 59.0)) // (2 * self.timebase.hop_samples)
        return round(self.timebase.frame_start_s(2 * half + 1), 6) if half else 0.0


@dataclass(frozen=True)
class RuleCandidate:
    """A point of the search: rules in shares of how long calls are."""

    threshold: float = 0.5
    release_share: float = 0.6
    smooth_share: float = 0.15
    gap_share: float = 0.12
    shortest_share: float = 0.2
    part_share: float = 1.3
    part_depth: float = 0.65
    longest_share: float = 3.0

    def rules(self, scale: Scale) -> EventRules:
        """The rules for calls of that length."""
        return EventRules(
            threshold=self.threshold,
            release=round(self.threshold * self.release_share, 4),
            smooth_s=scale.smooth_s(self.smooth_share * scale.typical_s),
            gap_s=scale.duration_s(self.gap_share * scale.typical_s, most_s=600),
            part_s=scale.duration_s(self.part_share * scale.long_s, least=1, most_s=3600),
            part_depth=self.part_depth,
            min_duration_s=scale.duration_s(self.shortest_share * scale.typical_s, most_s=600),
            max_duration_s=scale.duration_s(
                self.longest_share * scale.long_s, least=1, most_s=86400
            ),
        )


_Cost = Callable[[RuleCandidate], float]


@dataclass(frozen=True)
class Tried:
    """One value of one setting, all others as chosen.

    Attributes
    ----------
    rule : str
        The rule, a field of ``EventRules``.
    value : float
        Its value.
    cost : float
        Mean over recordings.
    is_chosen : bool
        Whether it is the value that was chosen.
    is_near : bool
        Whether it costs little more than the least: ``FLAT_CALLS`` and ``FLAT_SHARE``.
    """

    rule: str
    value: float
    cost: float
    is_chosen: bool
    is_near: bool


def search(
    cost: Callable[[EventRules], float],
    scale: Scale,
    *,
    depths: Mapping[str, float] = STRICT,
    tick: Callable[[], None] = lambda: None,
) -> tuple[EventRules, tuple[Tried, ...]]:
    """The best rules that are found, and how flat the cost is about them.

    From a few starts, one setting after the other: threshold and smoothing depend on each other,
    and a start from each smoothing finds the valley. Each setting goes to the middle of the flat
    region around its least cost, so that a small change of sound does not leave the region; those
    in ``depths`` as far into it as that says.

    Parameters
    ----------
    cost : callable
        Mean cost over recordings of a set of rules; asked for once for each set.
    scale : Scale
        How long the calls are.
    depths : mapping of str to float
        ``STRICT`` or ``FOR_MEAN``.
    tick : callable
        Called after each of ``N_STARTS`` starts.
    """
    cost_of_rules = cache(cost)  # many candidates are the same rules

    def cost_of(candidate: RuleCandidate) -> float:
        return cost_of_rules(candidate.rules(scale))

    ends = []
    for share in SMOOTH_SHARES:
        ends.append(_descend(RuleCandidate(smooth_share=share), cost_of, depths))
        tick()
    best = min(ends, key=cost_of)
    return best.rules(scale), tuple(_around(best, cost_of, scale))


def _descend(best: RuleCandidate, cost: _Cost, depths: Mapping[str, float]) -> RuleCandidate:
    """Move one setting after the other within its flat region, ``ROUNDS`` times around."""
    for _ in range(ROUNDS):
        before = best
        for name in GRID:
            candidates = _line(best, name)
            low, middle, high = flat_region([cost(candidate) for candidate in candidates])
            place = low + int(depths[name] * (high - low)) if name in depths else middle
            best = candidates[place]
        if best == before:
            break
    return best


def _line(chosen: RuleCandidate, name: str) -> list[RuleCandidate]:
    return [replace(chosen, **{name: value}) for value in GRID[name]]


def _around(chosen: RuleCandidate, cost: _Cost, scale: Scale) -> Iterator[Tried]:
    """How flat the cost is about a chosen point: every setting in turn, the others left alone."""
    rules = chosen.rules(scale)
    for name, rule in RULE_OF.items():
        costs = {getattr(one.rules(scale), rule): cost(one) for one in _line(chosen, name)}
        limit = flat_limit(min(costs.values()))
        for value, own in costs.items():
            yield Tried(rule, value, own, value == getattr(rules, rule), own <= limit)


def flat_limit(least: float) -> float:
    """The highest cost that counts as equal to the least."""
    return least * (1 + FLAT_SHARE) + FLAT_CALLS


def flat_region(costs: Sequence[float]) -> tuple[int, int, int]:
    """First, middle and last index of the stretch of near-least cost that holds the first least.

    Of two in the middle, the cheaper, and the former of equals; ``costs`` is not empty.
    """
    values = np.asarray(costs)
    least = int(np.argmin(values))
    good = values <= flat_limit(float(values[least]))
    low = high = least
    while low > 0 and good[low - 1]:
        low -= 1
    while high < len(values) - 1 and good[high + 1]:
        high += 1
    middle = (low + high) // 2
    middle = min((middle, (low + high + 1) // 2), key=lambda index: values[index])
    return low, middle, high
