"""What tuning found, as tables and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counter.config import EventRules
from counter.evaluation.comparison import KINDS, Measure, measures
from counter.evaluation.records import IntArray
from counter.evaluation.season import table_costs
from counter.evaluation.tuning import Tuned
from counter.output.evaluation_tables import measure_json
from counter.output.own import MADE_BY
from counter.output.writing import write_csv, write_json

# Its presence says that a bundle was made by tuning, and may be replaced by another tuning.
REPORT_FILE = "tuning.json"
SETTINGS_FILE = "tuning.csv"
RECORDINGS_FILE = "tuning_recordings.csv"
PICTURE_FILE = "tuning.png"
# The three ways that the same recordings are counted in.
WAYS = ("before", "left_out", "fitted")
SHOWN = ("count_error", "count_bias", "f1", "precision", "recall")


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


def figures(table: IntArray) -> dict[str, Measure]:
    """The cost and the measures in ``SHOWN`` of a table of tallies, recordings at random.

    ``cost``, mean of ``season.table_costs``, is what tuning makes small; it has no interval.
    """
    found = measures(table)
    return {"cost": Measure(float(table_costs(table).mean())), **{n: found[n] for n in SHOWN}}


def brief(one: TunedLabel) -> dict[str, Any]:
    """The figures of one label in few numbers, for the bundle's provenance."""
    told = {
        way: {name: round(float(value), 4) for name, value in _values(getattr(one.tuned, way))}
        for way in ("before", "left_out")
    }
    n_calls = int(one.tuned.before[:, KINDS.index("true")].sum())
    return {"calls": n_calls, "rules_before": one.before.model_dump(), **told}


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
    found = figures(table).items()
    return {"totals": totals, **{name: measure_json(measure) for name, measure in found}}


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
