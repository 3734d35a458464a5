"""Event rules learned on recordings with known calls: those of least count error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from counter.errors import ClipError
from counter.evaluation.comparison import figures_of, sums_of
from counter.evaluation.rule_scoring import EVENT_WEIGHT, AnnotatedScores, RuleScorer
from counter.evaluation.rule_search import STRICT, Scale, Tried, search
from counter.events.matching import Criterion, IntArray
from counter.events.rules import EventRules
from counter.timebase import Timebase

# As `tune` and `evaluate` pair.
MATCH = Criterion(iou=0.3)
# Rules count as equals by their cost in so many calls, however many of them a recording holds: made
# recordings hold as many as the settings say, and their number must not decide what is equal.
EQUAL_CALLS = 5.0


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
        Of events paired one to one by ``MATCH``; 1 where nothing is there to be found.
    n_recordings, n_calls, n_events, n_false : int
        Sizes.
    total_error : float or None
        Error to expect of a total over so many calls, as a share of it; see ``total_error``.
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
    total_error: float | None = None

    @classmethod
    def of(cls, table: IntArray) -> CountError:
        """From what ``RuleScorer.table`` gives; no recordings hold no error."""
        n_calls, n_events, n_paired = table[:, :3].sum(axis=0).tolist()
        figures = figures_of(sums_of(table), max(len(table), 1))
        return cls(
            count_error=float(figures["count_error"]),
            bias=float(figures["count_bias"]),
            f1=float(figures["f1"]),
            precision=float(figures["precision"]),
            recall=float(figures["recall"]),
            n_recordings=len(table),
            n_calls=n_calls,
            n_events=n_events,
            n_false=n_events - n_paired,
            total_error=total_error(table),
        )

    @property
    def n_paired(self) -> int:
        """Events that are calls."""
        return self.n_events - self.n_false

    @property
    def cost(self) -> float:
        """What learning minimises: miscounts, and mistaken events at ``EVENT_WEIGHT``."""
        mistaken = self.n_calls + self.n_events - 2 * (self.n_events - self.n_false)
        return self.count_error + EVENT_WEIGHT * mistaken / max(self.n_recordings, 1)


def total_error(table: IntArray) -> float | None:
    """Root mean square error to expect of a total, as a share of the calls; ``None`` for no call.

    Bias and variance of the ratio of found to true calls over recordings (Cochran, Sampling
    Techniques, 1977, section 6.4). The variance is at least that of as many chance mistakes as were
    made and one more: recordings too few, or too alike, show none of their own, and no mistake in a
    few calls is no promise of none.

    Parameters
    ----------
    table : array of int, shape (n_recordings, 3 or more)
        Calls, events and pairs of each recording.
    """
    n_calls, n_events, n_paired = table[:, :3].astype(np.float64).T
    total = n_calls.sum()
    if not total:
        return None
    ratio = n_events.sum() / total
    squares = float(np.sum((n_events - ratio * n_calls) ** 2))
    spread = squares * len(table) / max(len(table) - 1, 1) / total**2
    mistakes = float(1 + total + n_events.sum() - 2 * n_paired.sum()) / total**2
    return float(np.sqrt((ratio - 1) ** 2 + max(spread, mistakes)))


def count_error(
    scored: Sequence[AnnotatedScores], rules: EventRules, timebase: Timebase
) -> CountError:
    """Count with the rules and compare with the truth; no recordings hold no error."""
    return CountError.of(RuleScorer(scored, timebase, MATCH).table(rules))


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
    scored: Sequence[AnnotatedScores],
    lengths_s: Sequence[float],
    timebase: Timebase,
    depths: Mapping[str, float] = STRICT,
) -> Learned:
    """The rules of least cost on made recordings; see ``counter.evaluation.rule_search.search``.

    Parameters
    ----------
    scored : sequence of AnnotatedScores
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
    scorer = RuleScorer(scored, timebase, MATCH)
    per_recording = max(len(scorer.calls) / len(scored), 1.0)

    def cost(rules: EventRules) -> float:
        return CountError.of(scorer.table(rules)).cost * EQUAL_CALLS / per_recording

    scale = Scale.of(np.asarray(lengths_s), timebase)
    rules, tried = search(cost, scale, depths=depths)
    return Learned(
        rules=rules,
        error=CountError.of(scorer.table(rules)),
        tried=tuple(replace(one, cost=one.cost * per_recording / EQUAL_CALLS) for one in tried),
    )
