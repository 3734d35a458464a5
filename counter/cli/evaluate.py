"""``callcount evaluate``: the counts and events of a scan compared with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.table import Table

from counter.api import evaluate as evaluate_results
from counter.cli.console import measure_cells, stderr, stdout
from counter.cli.derived_bundle import NewBundle, write_calibrated
from counter.cli.options import partial_option, spreadsheet_option, truth_option
from counter.estimation.calibration import Calibrated, Verified, calibrate_each
from counter.estimation.stretches import files_there
from counter.evaluation.evaluation import (
    Evaluation,
    EvaluationPaths,
    plan_evaluation,
    prepare_evaluation,
    write_evaluation,
)
from counter.evaluation.rule_scoring import ThresholdCurve
from counter.events.matching import pair
from counter.plots.evaluation_plot import GallerySheet, draw_counts, draw_gallery, draw_thresholds
from counter.tables.results import Results, read_results


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@truth_option
@click.option(
    "--iou",
    type=click.FloatRange(0, 1, min_open=True),
    help="Least intersection over union of an event and a call. [default: 0.3]",
)
@click.option(
    "--collar",
    "collar_s",
    type=click.FloatRange(0, 3600, min_open=True),
    help="Instead: start and end may differ by this, s.",
)
@partial_option
@click.option(
    "--calibrate",
    "calibrated",
    type=click.Path(path_type=Path),
    metavar="NEW_BUNDLE",
    help="Write a copy of the scan's bundle that also gives probabilities, fitted on the events.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for tables and pictures. [default: evaluation, in the folder of RESULTS]",
)
@spreadsheet_option
def evaluate(
    results: Path, truth: Path, iou: float | None, collar_s: float | None, **options: Any
) -> None:
    """Compare RESULTS, the table of a scan, with the truth: are the counts right?

    Every scanned recording counts; one without a row in the truth holds no call. With scores kept
    by `scan --keep-scores` the figures are drawn against the threshold as well.
    """
    if iou is not None and collar_s is not None:
        raise click.UsageError("--iou and --collar exclude each other; give one.")
    run_evaluate(results, EvaluateOptions(truth=truth, iou=iou, collar_s=collar_s, **options))


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
    iou: float | None
    collar_s: float | None
    partial: bool
    calibrated: Path | None
    output: Path | None


def run_evaluate(results_csv: Path, options: EvaluateOptions) -> None:
    """Compare a scan with the truth; write and print what was found."""
    results = read_results(results_csv)
    paths = plan_evaluation(options.output or results.files.folder / "evaluation")
    path = options.calibrated
    new = NewBundle.planned(path, results) if path is not None else None
    evaluation = evaluate_results(
        results,
        options.truth,
        iou=options.iou,
        collar_s=options.collar_s,
        partial=options.partial,
    )
    calibrated = _calibrated(evaluation) if new is not None else {}
    prepare_evaluation(paths)
    write_evaluation(paths, evaluation)
    _draw(paths, evaluation)
    _print(evaluation, paths.folder)
    if new is not None:
        write_calibrated(new, calibrated, str(options.truth))


def _calibrated(evaluation: Evaluation) -> dict[str, Calibrated]:
    """Probabilities of every label whose events are both calls and false alarms; at least one."""
    scene, group = evaluation.scan.scene, evaluation.scan.scene.events.group
    is_call = pair(scene.events, scene.calls, evaluation.criterion).call_of >= 0
    events = {}
    for column, label in enumerate(scene.labels):
        own = group % len(scene.labels) == column
        score = evaluation.scan.results.event_table.score[own]
        events[label] = Verified(score, is_call[own], np.ones(len(score)), group[own])
    found, refused = calibrate_each(events)
    if not found:
        raise next(iter(refused.values()))
    for label, error in refused.items():
        remark = f"Note: no probability for {escape(label)}: {escape(error.what)}"
        stderr().print(remark, soft_wrap=True)
    return found


def _draw(paths: EvaluationPaths, evaluation: Evaluation) -> None:
    draw_counts(paths.counts, evaluation.tallies)
    if evaluation.curves:
        draw_thresholds(paths.thresholds, evaluation.curves)
    worst = evaluation.tallies.worst()[:GALLERY]
    if worst:
        high_hz = _high_hz(evaluation.scan.results)
        draw_gallery(paths.worst, _sheets(worst, evaluation), evaluation.criterion, high_hz=high_hz)


def _high_hz(results: Results) -> float:
    """Upper end of a spectrogram: a little above what was listened for, where events say it."""
    return 1.25 * max((high_hz for _, high_hz in results.band_hz.values()), default=6400.0)


def _sheets(worst: Sequence[int], evaluation: Evaluation) -> list[GallerySheet]:
    scan = evaluation.scan
    found = files_there(scan.results)
    table, n_labels = evaluation.tallies.of(None), len(scan.scene.labels)
    sheets = []
    for number in worst:
        one = scan.scanned[number]
        groups = number * n_labels, (number + 1) * n_labels
        sheet = GallerySheet(
            title=f"{one.name}: {table[number, 1]} counted, {table[number, 0]} true",
            path=str(found[one.name]) if one.name in found else None,
            duration_s=one.scanned_s,
            events=scan.scene.events.of_groups(*groups),
            calls=scan.scene.calls.of_groups(*groups),
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


def _best(label: str, found: ThresholdCurve) -> str:
    own, best = found.thresholds[found.own], found.thresholds[found.best]
    return (
        f"{escape(label)}: count error {found.count_error[found.own]:.3f} at threshold {own:.3g}, "
        f"least {found.count_error[found.best]:.3f} at {best:.3g}"
    )
