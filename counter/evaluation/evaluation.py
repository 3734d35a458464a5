"""Evaluation of a scan against the truth: figures, DataFrames, and the tables in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counter import __version__
from counter.errors import OutputError
from counter.evaluation.comparison import KINDS, MEASURES, Measure, Tallies, compare, measures
from counter.evaluation.rule_scoring import CURVE_MEASURES, ThresholdCurve, threshold_curve
from counter.evaluation.truth import AnnotatedScan, annotated_scores, scores_of
from counter.events.matching import Criterion
from counter.storage.file_names import check_names
from counter.tables.csv import MADE_BY, write_csv, write_json
from counter.tables.manifest import is_own_manifest

if TYPE_CHECKING:
    import pandas as pd

ALL_LABELS = "all"
_KIND_COLUMNS = tuple("true_calls" if kind == "true" else kind for kind in KINDS)
_MEASURE_COLUMNS = ("label", "measure", "value", "low95", "high95")
_RECORDING_COLUMNS = (
    *("recording", "label", *_KIND_COLUMNS[:2], "count_error", *_KIND_COLUMNS[2:]),
)


@dataclass(frozen=True)
class Figures:
    """One label, or all together.

    Attributes
    ----------
    label : str
        Its name; ``all`` for all together.
    totals : mapping of str to int
        Calls and events of each kind over all recordings.
    measures : mapping of str to Measure
        As ``evaluation.comparison.measures`` gives them.
    """

    label: str
    totals: Mapping[str, int]
    measures: Mapping[str, Measure]


@dataclass(frozen=True)
class Evaluation:
    """Counts and events of a scan compared with the truth.

    ``measures``, ``recordings`` and ``thresholds`` have its figures as DataFrames.

    Attributes
    ----------
    scan : AnnotatedScan
        What was compared with what.
    criterion : Criterion
        When an event and a call were paired.
    tallies : Tallies
        Every recording.
    figures : tuple of Figures
        One per label, and with several labels one for all together, last.
    curves : mapping of str to ThresholdCurve
        By label; empty where no scores were kept.
    remarks : tuple of str
        What was left out or taken for granted.
    """

    scan: AnnotatedScan
    criterion: Criterion
    tallies: Tallies
    figures: tuple[Figures, ...]
    curves: Mapping[str, ThresholdCurve]
    remarks: tuple[str, ...]

    @property
    def measures(self) -> pd.DataFrame:
        """Rows of ``evaluation.csv``: totals and measures of each label, with 95 % intervals."""
        return _frame(_MEASURE_COLUMNS, _measure_rows(self.figures))

    @property
    def recordings(self) -> pd.DataFrame:
        """Rows of ``per_recording.csv``: calls and events of each kind by recording and label."""
        return _frame(_RECORDING_COLUMNS, _recording_rows(self.tallies))

    @property
    def thresholds(self) -> pd.DataFrame:
        """Measures of each label at every threshold tried; no row where no scores were kept."""
        return _frame(
            ("label", "threshold", *CURVE_MEASURES),
            (
                (label, *row)
                for label, curve in self.curves.items()
                for row in np.stack(curve.columns(), axis=1).tolist()
            ),
        )


def _frame(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))


def evaluate_scan(scan: AnnotatedScan, criterion: Criterion) -> Evaluation:
    """Pair the events of a scan with its true calls, and work out the figures.

    Raises
    ------
    CallcountError
        The scores kept with the scan are of another, or damaged.
    """
    remarks = list(scan.remarks)
    calls = scan.scene.calls
    n_points = int((calls.start_s == calls.end_s).sum())
    if n_points and criterion.collar_s is None:
        remarks.append(f"{n_points} calls have no length and cannot be paired; try --collar")
    tallies = compare(scan.scene, criterion)
    return Evaluation(
        scan=scan,
        criterion=criterion,
        tallies=tallies,
        figures=_all_figures(tallies),
        curves=_curves(scan, criterion),
        remarks=tuple(remarks),
    )


def _curves(scan: AnnotatedScan, criterion: Criterion) -> dict[str, ThresholdCurve]:
    """Figures against the threshold by label; none where no scores were kept."""
    kept = scores_of(scan.results)
    if kept is None:
        return {}
    rules, curves = scan.results.facts.rules, {}
    for label in kept.labels:
        scores = annotated_scores(kept, scan, label)
        curves[label] = threshold_curve(scores, rules[label], kept.timebase, criterion)
    return curves


def _all_figures(tallies: Tallies) -> tuple[Figures, ...]:
    """The figures of each label, and of all together where there are several."""
    every = [*tallies.labels, *([None] if len(tallies.labels) > 1 else [])]
    figures = []
    for label in every:
        table = tallies.of(label)
        totals = dict(zip(KINDS, table.sum(axis=0).tolist(), strict=True))
        figures.append(Figures(label or ALL_LABELS, totals, measures(table)))
    return tuple(figures)


@dataclass(frozen=True)
class EvaluationPaths:
    """The files in the folder of an evaluation."""

    folder: Path

    @property
    def json(self) -> Path:
        """All figures; its presence says that the folder is an evaluation's."""
        return self.folder / "evaluation.json"

    @property
    def measures(self) -> Path:
        """One row a figure."""
        return self.folder / "evaluation.csv"

    @property
    def recordings(self) -> Path:
        """One row a recording and label."""
        return self.folder / "per_recording.csv"

    @property
    def counts(self) -> Path:
        """Counted against true calls."""
        return self.folder / "counts.png"

    @property
    def thresholds(self) -> Path:
        """Figures against the threshold; only with kept scores."""
        return self.folder / "thresholds.png"

    @property
    def worst(self) -> Path:
        """The worst recordings; only where there is any error."""
        return self.folder / "worst.png"


def plan_evaluation(folder: Path) -> EvaluationPaths:
    """Check the folder of an evaluation before the work; an earlier one will be replaced.

    Raises
    ------
    OutputError
        It is a file, cannot be read, or holds something else.
    """
    paths = EvaluationPaths(folder)
    check_names(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file, not a folder.", "Give another -o.")
        is_used = folder.is_dir() and any(folder.iterdir())
        if is_used and not (paths.json.is_file() and is_own_manifest(paths.json)):
            raise OutputError(
                f"{folder} holds files that are no evaluation.", "Name a new or empty folder."
            )
    except OSError as error:
        raise OutputError(f"cannot use {folder}: {error}.", "Give another -o.") from error
    return paths


def prepare_evaluation(paths: EvaluationPaths) -> None:
    """Make the folder and remove the pictures of an earlier evaluation.

    Raises
    ------
    OutputError
        That cannot be done.
    """
    try:
        paths.folder.mkdir(parents=True, exist_ok=True)
        for picture in (paths.thresholds, paths.worst):
            picture.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write in {paths.folder}: {error}.") from error


def write_evaluation(paths: EvaluationPaths, evaluation: Evaluation) -> None:
    """Write the JSON and both tables.

    ``evaluation.csv``: ``label,measure,value,low95,high95``. ``per_recording.csv``: ``recording,
    label,true_calls,counted,count_error`` and the kinds of ``events.matching``.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    write_json(paths.json, _as_json(evaluation))
    write_csv(paths.measures, _MEASURE_COLUMNS, _measure_rows(evaluation.figures))
    write_csv(paths.recordings, _RECORDING_COLUMNS, _recording_rows(evaluation.tallies))


def _as_json(evaluation: Evaluation) -> dict[str, Any]:
    criterion = evaluation.criterion
    worst = evaluation.tallies.worst()[:20]
    results = evaluation.scan.results
    return {
        "made_by": MADE_BY,
        "version": __version__,
        "results": str(results.files.results),
        "truth": str(evaluation.scan.truth),
        "bundle": dict(results.facts.bundle),
        "criterion": {**asdict(criterion), "text": criterion.text},
        "recordings": len(evaluation.tallies.recordings),
        "remarks": list(evaluation.remarks),
        "labels": {
            figures.label: {
                "totals": dict(figures.totals),
                "measures": {name: measure_json(figures.measures[name]) for name in MEASURES},
            }
            for figures in evaluation.figures
        },
        "thresholds": {label: _curve(curve) for label, curve in evaluation.curves.items()},
        "worst": [evaluation.tallies.recordings[number] for number in worst],
    }


def measure_json(measure: Measure) -> dict[str, float | None]:
    """A figure and its 95 % interval, to 6 digits; null where it is not defined."""
    return {
        "value": _rounded(measure.value),
        "low95": _rounded(measure.low),
        "high95": _rounded(measure.high),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _curve(curve: ThresholdCurve) -> dict[str, Any]:
    columns = zip(("thresholds", *CURVE_MEASURES), curve.columns(), strict=True)
    arrays = {name: [round(x, 6) for x in values.tolist()] for name, values in columns}
    own, best = float(curve.thresholds[curve.own]), float(curve.thresholds[curve.best])
    return {"own_threshold": own, "least_count_error_threshold": best, **arrays}


def _measure_rows(every: Iterable[Figures]) -> Iterable[tuple[object, ...]]:
    for one in every:
        for kind, column in zip(KINDS, _KIND_COLUMNS, strict=True):
            yield one.label, column, one.totals[kind], None, None
        for name in MEASURES:
            yield one.label, name, *measure_json(one.measures[name]).values()


def _recording_rows(tallies: Tallies) -> Iterable[tuple[object, ...]]:
    table = tallies.table.tolist()
    for name, by_label in zip(tallies.recordings, table, strict=True):
        for label, (true, counted, *kinds) in zip(tallies.labels, by_label, strict=True):
            yield name, label, true, counted, counted - true, *kinds
