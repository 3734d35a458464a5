"""Tuning: event rules chosen on annotated recordings, their figures on others, and its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.errors import CallcountError
from counter.evaluation.comparison import KINDS, Measure, measures
from counter.evaluation.evaluation import measure_json
from counter.evaluation.rule_scoring import CheckedEvents, RuleScorer, table_costs
from counter.evaluation.rule_search import N_STARTS, Scale, Tried, search
from counter.events.matching import IntArray
from counter.events.rules import EventRules
from counter.tables.csv import MADE_BY, write_csv, write_json

Tick = Callable[[], None]
# Its presence says that a bundle was made by tuning, and may be replaced by another tuning.
REPORT_FILE = "tuning.json"
SETTINGS_FILE = "tuning.csv"
RECORDINGS_FILE = "tuning_recordings.csv"
PICTURE_FILE = "tuning.png"
# The three ways that the same recordings are counted in.
WAYS = ("before", "left_out", "fitted")
SHOWN = ("count_error", "count_bias", "f1", "precision", "recall")


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


@dataclass(frozen=True)
class TunedLabel:
    """One label.

    Attributes
    ----------
    label : str
        Its name.
    before : EventRules
        The rules of the scan.
    tuned : Tuned
        What was found.
    """

    label: str
    before: EventRules
    tuned: Tuned


@dataclass(frozen=True)
class Tuning:
    """All that a tuning found.

    Attributes
    ----------
    about : mapping
        What was tuned on what, and how; plain JSON values.
    recordings : tuple of str
        Names, in the order of the tallies.
    labels : tuple of TunedLabel
        Those that were tuned, at least one.
    remarks : tuple of str
        What the reader should know.
    """

    about: Mapping[str, Any]
    recordings: tuple[str, ...]
    labels: tuple[TunedLabel, ...]
    remarks: tuple[str, ...]


def n_ticks(n_folds: int) -> int:
    """How often ``tune_rules`` calls its ``tick``."""
    return (n_folds + 1) * N_STARTS


def deal_folds(n_calls: IntArray, n_folds: int, seed: int) -> IntArray:
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
        one_each = order[first : first + n_folds]
        fold[one_each] = rng.permutation(n_folds)[: len(one_each)]
    return fold


def tune_rules(scorer: RuleScorer, before: EventRules, fold: IntArray, tick: Tick) -> Tuned:
    """Choose rules on all recordings, and again with each fold left out.

    The search is nested: the figures of a fold come from rules, and durations they were tried
    at, that no recording of the fold had a part in. Within a search nothing is fitted for a
    candidate, so its mean cost over the recordings at hand is its cross-validated cost as well.

    Parameters
    ----------
    scorer : RuleScorer
        Scores and truth, with calls on either side of every fold that have a length.
    before : EventRules
        The rules of the scan, to be compared with.
    fold : array of int64, shape (n_recordings,)
        What ``deal_folds`` gives.
    tick : callable
        Called ``n_ticks`` times as the work goes on.
    """
    table = scorer.table(before)
    left_out = np.zeros_like(table)
    fold_rules = []
    for out in range(int(fold.max()) + 1):
        rules = _search(scorer, fold != out, tick)[0]
        fold_rules.append(rules)
        left_out[fold == out] = scorer.table(rules)[fold == out]
    rules, tried = _search(scorer, np.ones(len(scorer), bool), tick)
    return Tuned(
        rules=rules,
        fold=fold,
        fold_rules=tuple(fold_rules),
        before=table,
        left_out=left_out,
        fitted=scorer.table(rules),
        tried=tried,
    )


def _search(
    scorer: RuleScorer, chosen: NDArray[np.bool_], tick: Tick
) -> tuple[EventRules, tuple[Tried, ...]]:
    """The best rules for the chosen recordings, and how flat the cost is about them."""
    calls = scorer.calls.subset(chosen[scorer.calls.group])
    lengths_s = calls.end_s - calls.start_s

    def cost(rules: EventRules) -> float:
        return float(scorer.costs(rules)[chosen].mean(dtype=np.float64))

    return search(cost, Scale.of(lengths_s[lengths_s > 0], scorer.timebase), tick=tick)


def left_out_events(scorer: RuleScorer, tuned: Tuned) -> list[CheckedEvents]:
    """Events of the recordings of each fold, with the rules that were chosen without them."""
    by_fold = [scorer.events(rules) for rules in tuned.fold_rules]
    return [one.subset(tuned.fold[one.events.group] == out) for out, one in enumerate(by_fold)]


def figures(table: IntArray) -> dict[str, Measure]:
    """The cost and the measures in ``SHOWN`` of a table of tallies, recordings at random.

    ``cost``, mean of ``table_costs``, is what tuning makes small; it has no interval.
    """
    every = measures(table)
    return {"cost": Measure(float(table_costs(table).mean())), **{n: every[n] for n in SHOWN}}


def brief(one: TunedLabel) -> dict[str, Any]:
    """The figures of one label in few numbers, for the bundle's provenance."""
    values = {
        way: {name: round(float(value), 4) for name, value in _values(getattr(one.tuned, way))}
        for way in ("before", "left_out")
    }
    n_calls = int(one.tuned.before[:, KINDS.index("true")].sum())
    return {"calls": n_calls, "rules_before": one.before.model_dump(), **values}


def _values(table: IntArray) -> Iterable[tuple[str, float]]:
    for name, measure in figures(table).items():
        if measure.value is not None:
            yield name, measure.value


def write_tuning(folder: Path, tuning: Tuning) -> None:
    """Write the JSON and both tables into a folder.

    ``tuning.csv``, one row a value tried, the other rules as chosen: ``label,rule,value,cost,
    chosen,near_least``. ``tuning_recordings.csv``, one row a recording and label: ``recording,
    label,fold,true_calls,counted_before,counted_left_out,counted_fitted``.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    write_json(folder / REPORT_FILE, _as_json(tuning))
    header = ["label", "rule", "value", "cost", "chosen", "near_least"]
    write_csv(folder / SETTINGS_FILE, header, _setting_rows(tuning.labels))
    ways = [f"counted_{way}" for way in WAYS]
    header = ["recording", "label", "fold", "true_calls", *ways]
    write_csv(folder / RECORDINGS_FILE, header, _recording_rows(tuning))


def _as_json(tuning: Tuning) -> dict[str, Any]:
    return {
        "made_by": MADE_BY,
        **tuning.about,
        "recordings": len(tuning.recordings),
        "remarks": list(tuning.remarks),
        "labels": {one.label: _label_json(one) for one in tuning.labels},
    }


def _label_json(one: TunedLabel) -> dict[str, Any]:
    tuned = one.tuned
    return {
        "rules": tuned.rules.model_dump(),
        "rules_before": one.before.model_dump(),
        "rules_by_fold": [rules.model_dump() for rules in tuned.fold_rules],
        "figures": {way: _way_json(getattr(tuned, way)) for way in WAYS},
        "near_least": near_least(tuned),
    }


def _way_json(table: IntArray) -> dict[str, Any]:
    totals = dict(zip(KINDS, table.sum(axis=0).tolist(), strict=True))
    values = {name: measure_json(measure) for name, measure in figures(table).items()}
    return {"totals": totals, **values}


def near_least(tuned: Tuned) -> dict[str, list[float]]:
    """Values of each rule that cost little more than the least, in the order tried."""
    rules = dict.fromkeys(one.rule for one in tuned.tried)
    return {
        rule: [one.value for one in tuned.tried if one.rule == rule and one.is_near]
        for rule in rules
    }


def _setting_rows(labels: Sequence[TunedLabel]) -> Iterable[list[object]]:
    for one in labels:
        for tried in one.tuned.tried:
            marks = ["yes" if mark else "no" for mark in (tried.is_chosen, tried.is_near)]
            yield [one.label, tried.rule, f"{tried.value:g}", f"{tried.cost:.6g}", *marks]


def _recording_rows(tuning: Tuning) -> Iterable[list[object]]:
    true, counted = KINDS.index("true"), KINDS.index("counted")
    for one in tuning.labels:
        tuned = one.tuned
        counts = [getattr(tuned, way)[:, counted] for way in WAYS]
        columns = np.stack([tuned.fold + 1, tuned.before[:, true], *counts], axis=1)
        for name, row in zip(tuning.recordings, columns.tolist(), strict=True):
            yield [name, one.label, *row]
