"""``callcount evaluate``: the counts and events of a scan beside the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.cli.tableoption import spreadsheet_option


@click.command(short_help="Compare a scan with annotated calls.")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    required=True,
    type=click.Path(path_type=Path),
    help="Annotated calls: CSV (recording,start_s,end_s[,label]), a Raven selection table, "
    "Audacity labels, or a folder of the latter two.",
)
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
@click.option(
    "--partial", is_flag=True, help="Leave out truth about recordings that were not scanned."
)
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
    from counter.cli.evaluating import EvaluateOptions, run_evaluate
    from counter.evaluation.records import Criterion

    if iou is not None and collar_s is not None:
        raise click.UsageError("--iou and --collar exclude each other; give one.")
    criterion = Criterion(iou or 0.3, collar_s)
    run_evaluate(results, EvaluateOptions(truth=truth, criterion=criterion, **options))
