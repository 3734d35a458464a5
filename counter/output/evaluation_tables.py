"""An evaluation as tables and JSON, in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from counter.errors import OutputError
from counter.evaluation.comparison import KINDS, MEASURES, Measure, Tallies, measures
from counter.evaluation.records import Criterion
from counter.evaluation.thresholds import Curve
from counter.output.own import MADE_BY, is_own_manifest
from counter.output.writing import write_csv, write_json

ALL_LABELS = "all"
_COUNT_TITLES = {"true": "true_calls", "counted": "counted"}


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
    """All that an evaluation found.

    Attributes
    ----------
    about : mapping
        What was compared with what; plain JSON values.
    criterion : Criterion
        When an event and a call were paired.
    tallies : Tallies
        Every recording.
    figures : tuple of Figures
        One per label, and with several labels one for all together, last.
    curves : mapping of str to Curve
        By label; empty where no scores were kept.
    remarks : tuple of str
        What the reader should know.
    """

    about: Mapping[str, Any]
    criterion: Criterion
    tallies: Tallies
    figures: tuple[Figures, ...]
    curves: Mapping[str, Curve]
    remarks: tuple[str, ...]


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


def all_figures(tallies: Tallies) -> tuple[Figures, ...]:
    """The figures of each label, and of all together where there are several."""
    named = [*tallies.labels, *([None] if len(tallies.labels) > 1 else [])]
    found = []
    for label in named:
        table = tallies.of(label)
        totals = dict(zip(KINDS, table.sum(axis=0).tolist(), strict=True))
        found.append(Figures(label or ALL_LABELS, totals, measures(table)))
    return tuple(found)


def plan_evaluation(folder: Path) -> EvaluationPaths:
    """Check the folder of an evaluation before the work; an earlier one will be replaced.

    Raises
    ------
    OutputError
        It is a file, cannot be read, or holds something else.
    """
    paths = EvaluationPaths(folder)
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
    label,true_calls,counted,count_error`` and the kinds of ``evaluation.pairing``.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    write_json(paths.json, _as_json(evaluation))
    write_csv(
        paths.measures,
        ["label", "measure", "value", "low95", "high95"],
        (row for figures in evaluation.figures for row in _measure_rows(figures)),
    )
    titles = [_COUNT_TITLES.get(kind, kind) for kind in KINDS]
    header = ["recording", "label", *titles[:2], "count_error", *titles[2:]]
    write_csv(paths.recordings, header, _recording_rows(evaluation.tallies))


def _as_json(evaluation: Evaluation) -> dict[str, Any]:
    criterion = evaluation.criterion
    worst = evaluation.tallies.worst()[:20]
    return {
        "made_by": MADE_BY,
        **evaluation.about,
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


def _curve(curve: Curve) -> dict[str, Any]:
    columns = ("thresholds", "precision", "recall", "f1", "count_bias", "count_error")
    arrays = {name: [round(x, 6) for x in getattr(curve, name).tolist()] for name in columns}
    own, best = float(curve.thresholds[curve.own]), float(curve.thresholds[curve.best])
    return {"own_threshold": own, "least_count_error_threshold": best, **arrays}


def _measure_rows(figures: Figures) -> Iterable[list[object]]:
    for kind in KINDS:
        yield [figures.label, _COUNT_TITLES.get(kind, kind), figures.totals[kind], "", ""]
    for name in MEASURES:
        found = measure_json(figures.measures[name]).values()
        yield [figures.label, name, *("" if value is None else value for value in found)]


def _recording_rows(tallies: Tallies) -> Iterable[list[object]]:
    table = tallies.table.tolist()
    for name, by_label in zip(tallies.recordings, table, strict=True):
        for label, (true, counted, *kinds) in zip(tallies.labels, by_label, strict=True):
            yield [name, label, true, counted, counted - true, *kinds]
