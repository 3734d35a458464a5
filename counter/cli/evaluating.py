"""What ``callcount evaluate`` does between its flags and its files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from counter import __version__
from counter.cli.console import stderr, stdout
from counter.cli.truth import Beside, lay_beside
from counter.errors import CallcountError
from counter.evaluation.comparison import Measure, compare
from counter.evaluation.records import Criterion, Intervals
from counter.evaluation.thresholds import Curve, Heard, curve
from counter.files import find_recordings
from counter.output.evaluation_gallery import Sheet, draw_gallery
from counter.output.evaluation_pictures import draw_counts, draw_thresholds
from counter.output.evaluation_tables import (
    Evaluation,
    EvaluationPaths,
    Figures,
    all_figures,
    plan_evaluation,
    prepare_evaluation,
    write_evaluation,
)
from counter.output.reading import Results, read_results
from counter.output.scores import read_scores

# Recordings in the gallery of the worst.
GALLERY = 6
_ROWS = (
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "F1"),
    ("count_error", "mean absolute count error"),
    ("count_bias", "count bias (counted - true)"),
    ("share_exact", "recordings counted exactly"),
    ("count_correlation", "correlation of counts"),
)
_KINDS = (
    ("true", "true calls"),
    ("counted", "counted"),
    ("paired", "paired"),
    ("missed", "missed: no event for a call"),
    ("merged", "merged: under another call's event"),
    ("false", "false: no call for an event"),
    ("split", "split: a call once more"),
)


@dataclass(frozen=True)
class EvaluateOptions:
    """The flags of ``callcount evaluate``."""

    truth: Path
    iou: float
    collar_s: float | None
    partial: bool
    output: Path | None


def run_evaluate(results_csv: Path, options: EvaluateOptions) -> None:
    """Compare a scan with the truth; write and print what was found."""
    results = read_results(results_csv)
    paths = plan_evaluation(options.output or results.files.folder / "evaluation")
    beside = lay_beside(results, options.truth, partial=options.partial)
    evaluation = _evaluate(results, beside, options)
    prepare_evaluation(paths)
    write_evaluation(paths, evaluation)
    _draw(paths, evaluation, results, beside)
    _print(evaluation, paths.folder)


def _evaluate(results: Results, beside: Beside, options: EvaluateOptions) -> Evaluation:
    criterion = Criterion(options.iou, options.collar_s)
    remarks = list(beside.remarks)
    calls = beside.scene.calls
    n_points = int((calls.start_s == calls.end_s).sum())
    if n_points and options.collar_s is None:
        remarks.append(f"{n_points} calls have no length and cannot be paired; try --collar")
    tallies = compare(beside.scene, criterion)
    return Evaluation(
        about={
            "version": __version__,
            "results": str(results.files.results),
            "truth": str(options.truth),
            "bundle": dict(results.facts.bundle),
        },
        criterion=criterion,
        tallies=tallies,
        figures=all_figures(tallies),
        curves=_curves(results, beside, criterion),
        remarks=tuple(remarks),
    )


def _curves(results: Results, beside: Beside, criterion: Criterion) -> dict[str, Curve]:
    """Figures against the threshold by label; none where no scores were kept."""
    path = results.files.scores
    if not path.exists():
        return {}
    kept = read_scores(path)
    if kept.bundle_hash != results.facts.bundle.get("hash") or kept.labels != results.labels:
        raise CallcountError(
            f"{path} and {results.files.results} are not of one scan.",
            "Scan again with --keep-scores, or remove the scores.",
        )
    found = {}
    for column, label in enumerate(kept.labels):

        def heard(column: int = column) -> Iterator[Heard]:
            calls = _by_recording(beside, column)
            scores = kept.each(beside.scene.recordings)
            for one, own, (_, values) in zip(beside.scanned, calls, scores, strict=True):
                yield Heard(values[:, column], own, one.scanned_s)

        found[label] = curve(heard(), results.facts.rules[label], kept.timebase, criterion)
    return found


def _by_recording(beside: Beside, column: int) -> Iterator[Intervals]:
    """The true calls of one label, recording by recording; ``calls`` are in that order."""
    calls, n_labels = beside.scene.calls, len(beside.scene.labels)
    edges = (calls.group // n_labels).searchsorted(range(len(beside.scanned) + 1))
    for number, (first, stop) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        own = Intervals(calls.group[first:stop], calls.start_s[first:stop], calls.end_s[first:stop])
        yield own.of_groups(number * n_labels + column, number * n_labels + column + 1)


def _draw(paths: EvaluationPaths, evaluation: Evaluation, results: Results, beside: Beside) -> None:
    draw_counts(paths.counts, evaluation.tallies)
    if evaluation.curves:
        draw_thresholds(paths.thresholds, evaluation.curves)
    worst = evaluation.tallies.worst()[:GALLERY]
    if worst:
        sheets = _sheets(worst, evaluation, results, beside)
        draw_gallery(paths.worst, sheets, evaluation.criterion, high_hz=_high_hz(results))


def _high_hz(results: Results) -> float:
    """Upper end of a spectrogram: a little above what was listened for, where events say it."""
    import pandas as pd

    first = pd.read_csv(results.files.events, usecols=["high_hz"], nrows=1)["high_hz"]
    return 1.25 * float(first.iloc[0]) if len(first) else 8000.0


def _sheets(
    worst: Sequence[int], evaluation: Evaluation, results: Results, beside: Beside
) -> list[Sheet]:
    found = _sounds(results)
    table, n_labels = evaluation.tallies.of(None), len(results.labels)
    sheets = []
    for number in worst:
        one = beside.scanned[number]
        groups = number * n_labels, (number + 1) * n_labels
        sheet = Sheet(
            title=f"{one.name}: {table[number, 1]} counted, {table[number, 0]} true",
            path=found.get(one.name),
            duration_s=one.scanned_s,
            events=beside.scene.events.of_groups(*groups),
            calls=beside.scene.calls.of_groups(*groups),
        )
        sheets.append(sheet)
    return sheets


def _sounds(results: Results) -> dict[str, str]:
    """Where the recordings are that are still there as they were scanned."""
    paths = [path for path in results.facts.paths if os.path.exists(path)]
    if len(paths) < len(results.facts.paths) or not paths:
        return {}
    sizes = {one["name"]: one["size_bytes"] for one in results.facts.manifest.get("inputs", ())}
    try:
        found = find_recordings(paths, exclude=results.files.folder)
    except CallcountError:
        return {}
    return {one.name: one.path for one in found if sizes.get(one.name) == one.size_bytes}


def _print(evaluation: Evaluation, folder: Path) -> None:
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"{len(evaluation.tallies.recordings)} recordings")
    for figures in evaluation.figures:
        table.add_column(escape(figures.label), justify="right")
        table.add_column("95 %", justify="right")
    for kind, title in _KINDS:
        cells = [cell for one in evaluation.figures for cell in (str(one.totals[kind]), "")]
        table.add_row(title, *cells)
    for name, title in _ROWS:
        cells = [cell for one in evaluation.figures for cell in _cells(one, name)]
        table.add_row(title, *cells)
    console.print(table)
    for label, found in evaluation.curves.items():
        console.print(_best(label, found), soft_wrap=True)
    console.print(f"Paired: {evaluation.criterion.text} -> {escape(str(folder))}", soft_wrap=True)
    for remark in evaluation.remarks:
        stderr().print(f"Note: {escape(remark)}.", soft_wrap=True)


def _cells(figures: Figures, name: str) -> tuple[str, str]:
    measure: Measure = figures.measures[name]
    if measure.value is None:
        return "-", ""
    if measure.low is None or measure.high is None:
        return f"{measure.value:.3f}", ""
    return f"{measure.value:.3f}", f"{measure.low:.3f} to {measure.high:.3f}"


def _best(label: str, found: Curve) -> str:
    own, best = found.thresholds[found.own], found.thresholds[found.best]
    return (
        f"{escape(label)}: count error {found.count_error[found.own]:.3f} at threshold {own:.3g}, "
        f"least {found.count_error[found.best]:.3f} at {best:.3g}"
    )
