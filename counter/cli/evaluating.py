"""What ``callcount evaluate`` does between its flags and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from counter import __version__
from counter.cli.calibrating import Calibrated, Verified, calibrate_each, write_calibrated
from counter.cli.console import measure_cells, stderr, stdout
from counter.cli.keptscores import heard, scores_of
from counter.cli.rebundling import NewBundle
from counter.cli.seasons import files_there
from counter.cli.truth import Beside, lay_beside
from counter.evaluation.comparison import compare
from counter.evaluation.pairing import pair
from counter.evaluation.records import Criterion
from counter.evaluation.thresholds import Curve, curve
from counter.output.evaluation_gallery import Sheet, draw_gallery
from counter.output.evaluation_pictures import draw_counts, draw_thresholds
from counter.output.evaluation_tables import (
    Evaluation,
    EvaluationPaths,
    all_figures,
    plan_evaluation,
    prepare_evaluation,
    write_evaluation,
)
from counter.output.reading import Results, read_results

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
    criterion: Criterion
    partial: bool
    calibrated: Path | None
    output: Path | None


def run_evaluate(results_csv: Path, options: EvaluateOptions) -> None:
    """Compare a scan with the truth; write and print what was found."""
    results = read_results(results_csv)
    paths = plan_evaluation(options.output or results.files.folder / "evaluation")
    path = options.calibrated
    new = NewBundle.planned(path, results) if path is not None else None
    beside = lay_beside(results, options.truth, partial=options.partial)
    evaluation = _evaluate(results, beside, options)
    calibrated = _calibrated(results, beside, options.criterion) if new is not None else {}
    prepare_evaluation(paths)
    write_evaluation(paths, evaluation)
    _draw(paths, evaluation, results, beside)
    _print(evaluation, paths.folder)
    if new is not None:
        write_calibrated(new, calibrated, str(options.truth))


def _calibrated(results: Results, beside: Beside, criterion: Criterion) -> dict[str, Calibrated]:
    """Probabilities of every label whose events are both calls and false alarms; at least one."""
    scene, group = beside.scene, beside.scene.events.group
    is_call = pair(scene.events, scene.calls, criterion).call_of >= 0
    events = {}
    for column, label in enumerate(scene.labels):
        own = group % len(scene.labels) == column
        score = results.events.score[own]
        events[label] = Verified(score, is_call[own], np.ones(len(score)), group[own])
    found, refused = calibrate_each(events)
    if not found:
        raise next(iter(refused.values()))
    for label, error in refused.items():
        remark = f"Note: no probability for {escape(label)}: {escape(error.what)}"
        stderr().print(remark, soft_wrap=True)
    return found


def _evaluate(results: Results, beside: Beside, options: EvaluateOptions) -> Evaluation:
    criterion = options.criterion
    remarks = list(beside.remarks)
    calls = beside.scene.calls
    n_points = int((calls.start_s == calls.end_s).sum())
    if n_points and criterion.collar_s is None:
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
    kept = scores_of(results)
    if kept is None:
        return {}
    rules = results.facts.rules
    return {
        label: curve(heard(kept, beside, label), rules[label], kept.timebase, criterion)
        for label in kept.labels
    }


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
    found = files_there(results)
    table, n_labels = evaluation.tallies.of(None), len(results.labels)
    sheets = []
    for number in worst:
        one = beside.scanned[number]
        groups = number * n_labels, (number + 1) * n_labels
        sheet = Sheet(
            title=f"{one.name}: {table[number, 1]} counted, {table[number, 0]} true",
            path=str(found[one.name]) if one.name in found else None,
            duration_s=one.scanned_s,
            events=beside.scene.events.of_groups(*groups),
            calls=beside.scene.calls.of_groups(*groups),
        )
        sheets.append(sheet)
    return sheets


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
        cells = [cell for one in evaluation.figures for cell in measure_cells(one.measures[name])]
        table.add_row(title, *cells)
    console.print(table)
    for label, found in evaluation.curves.items():
        console.print(_best(label, found), soft_wrap=True)
    console.print(f"Paired: {evaluation.criterion.text} -> {escape(str(folder))}", soft_wrap=True)
    for remark in evaluation.remarks:
        stderr().print(f"Note: {escape(remark)}.", soft_wrap=True)


def _best(label: str, found: Curve) -> str:
    own, best = found.thresholds[found.own], found.thresholds[found.best]
    return (
        f"{escape(label)}: count error {found.count_error[found.own]:.3f} at threshold {own:.3g}, "
        f"least {found.count_error[found.best]:.3f} at {best:.3g}"
    )
