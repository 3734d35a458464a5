"""Event rules chosen on annotated recordings, and what they are worth on recordings left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.config import EventRules
from counter.errors import CallcountError
from counter.evaluation.records import IntArray, TimeArray
from counter.evaluation.rulesearch import Candidate, Scale, Tried, around, n_starts, search
from counter.evaluation.season import Found, ScoredSeason

Tick = Callable[[], None]


@dataclass(frozen=True)
class Tuned:
    """Rules of one label, with the figures that speak for or against them.

    Attributes
    ----------
    rules : EventRules
        Chosen on all recordings.
    fold : array of int64, shape (n_recordings,)
        The fold that each recording was left out in.
    fold_rules : tuple of EventRules
        Rules chosen with that fold left out: how much the choice depends on the recordings.
    before : array of int64, shape (n_recordings, len(comparison.KINDS))
        Tallies with the rules of the scan.
    left_out : array of int64, same shape
        Tallies of each recording with rules that were chosen without it: the honest figure.
    fitted : array of int64, same shape
        Tallies with ``rules`` on the very recordings that they were chosen on; too good.
    tried : tuple of Tried
        How flat the cost is about ``rules``.
    """

    rules: EventRules
    fold: IntArray
    fold_rules: tuple[EventRules, ...]
    before: IntArray
    left_out: IntArray
    fitted: IntArray
    tried: tuple[Tried, ...]


def n_searches(n_folds: int) -> int:
    """How often ``tune`` calls its ``tick``."""
    return (n_folds + 1) * n_starts()


def deal(n_calls: IntArray, n_folds: int, seed: int) -> IntArray:
    """Deal recordings into folds of equal size and about equally many calls.

    Parameters
    ----------
    n_calls : array of int64, shape (n_recordings,)
        True calls of each recording.
    n_folds : int
        2 or more.
    seed : int
        Decides among recordings of equally many calls, and which fold is dealt to first.

    Returns
    -------
    array of int64, shape (n_recordings,)
        Fold of each, from 0.

    Raises
    ------
    CallcountError
        There are fewer recordings than folds, or fewer than two hold a call: then some fold
        would leave no call to choose by.
    """
    if len(n_calls) < n_folds:
        raise CallcountError(
            f"{len(n_calls)} recordings cannot be dealt into {n_folds} folds.",
            "Annotate more recordings, or give fewer --folds (2 or more).",
        )
    if (n_calls > 0).sum() < 2:
        raise CallcountError(
            f"{(n_calls > 0).sum()} of {len(n_calls)} recordings hold a call; rules are tried on "
            "recordings left out, so two must.",
            "Annotate more recordings.",
        )
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(n_calls)), -n_calls))
    fold = np.empty(len(n_calls), np.int64)
    for first in range(0, len(order), n_folds):
        hand = order[first : first + n_folds]
        fold[hand] = rng.permutation(n_folds)[: len(hand)]
    return fold


def tune(season: ScoredSeason, before: EventRules, fold: IntArray, tick: Tick) -> Tuned:
    """Choose rules on all recordings, and again with each fold left out.

    The search is nested: what is said of a fold comes from rules, and durations they were tried
    at, that no recording of the fold had a part in. Within a search nothing is fitted for a
    candidate, so its mean cost over the recordings at hand is its cross-validated cost as well.

    Parameters
    ----------
    season : ScoredSeason
        Scores and truth, with calls on either side of every fold that have a length.
    before : EventRules
        The rules of the scan, to be compared with.
    fold : array of int64, shape (n_recordings,)
        What ``deal`` gives.
    tick : callable
        Called ``n_searches`` times as the work goes on.
    """
    left_out = np.zeros_like(season.table(before))
    fold_rules = []
    for out in range(int(fold.max()) + 1):
        rules = _search(season, fold != out, tick)[0]
        fold_rules.append(rules)
        left_out[fold == out] = season.table(rules)[fold == out]
    rules, tried = _search(season, np.ones(len(season), bool), tick)
    return Tuned(
        rules=rules,
        fold=fold,
        fold_rules=tuple(fold_rules),
        before=season.table(before),
        left_out=left_out,
        fitted=season.table(rules),
        tried=tuple(tried),
    )


def _search(
    season: ScoredSeason, chosen: NDArray[np.bool_], tick: Tick
) -> tuple[EventRules, list[Tried]]:
    """The best rules for the chosen recordings, and how flat the cost is about them."""
    scale = Scale.of(_lengths_s(season, chosen), season.timebase)

    def cost(candidate: Candidate) -> float:
        return float(season.costs(candidate.rules(scale))[chosen].mean(dtype=np.float64))

    best = search(cost, tick)
    return best.rules(scale), around(best, cost, scale)


def _lengths_s(season: ScoredSeason, chosen: NDArray[np.bool_]) -> TimeArray:
    """Lengths of the calls of the chosen recordings that have one."""
    calls = season.calls
    lengths_s = (calls.end_s - calls.start_s)[chosen[calls.group]]
    return lengths_s[lengths_s > 0]


def found_left_out(season: ScoredSeason, tuned: Tuned) -> list[Found]:
    """Events of the recordings of each fold, with the rules that were chosen without them."""
    found = [season.found(rules) for rules in tuned.fold_rules]
    return [one.of(tuned.fold[one.events.group] == out) for out, one in enumerate(found)]
