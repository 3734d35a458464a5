"""``callcount tune``: event rules chosen on annotated recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.cli.tableoption import spreadsheet_option


@click.command(short_help="Choose the event rules on annotated recordings.")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    required=True,
    type=click.Path(path_type=Path),
    help="Annotated calls: CSV (recording,start_s,end_s[,label]), a Raven selection table, "
    "Audacity labels, or a folder of the latter two.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="New bundle with the rules. [default: tuned, in the folder of RESULTS]",
)
@click.option(
    "--folds",
    "n_folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Parts that the recordings are dealt into; each is left out once.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Decides which recordings go into which part.",
)
@click.option(
    "--partial", is_flag=True, help="Leave out truth about recordings that were not scanned."
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Fit probabilities as well: Platt's curve, from 1,000 events on isotonic steps.",
)
@spreadsheet_option
def tune(results: Path, truth: Path, output: Path | None, **options: Any) -> None:
    """Choose event rules by the annotated calls of RESULTS, a scan with --keep-scores.

    Tries thresholds, smoothing, gaps, durations and parting, and takes what costs least: the
    count error of a recording, and half a call for every event without a call and every call
    without an event (IoU 0.3). Writes a new bundle, and the rules alone as rules.yaml for
    `scan --rules`; the old bundle stays as it is. Durations are tried around the length of the
    annotated calls, so mark calls from start to end.

    The figure that counts is the one `left out`: each recording counted with rules that were
    chosen without it. Every scanned recording counts; one without a row in the truth holds no call.
    """
    from counter.cli.tuning import TuneOptions, run_tune

    run_tune(results, TuneOptions(truth=truth, output=output, **options))
