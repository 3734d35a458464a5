"""``callcount estimate``: the corrected count of a scan with its interval."""

from __future__ import annotations

from pathlib import Path

import click

from counter.cli.tableoption import spreadsheet_option


@click.command(short_help="Correct counts by a checked sample, with an interval.")
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("sample", type=click.Path(path_type=Path))
@click.option(
    "--by",
    help="What to estimate apart: folder, recording, or a column of the --recordings table. "
    "[default: the strata of the sample]",
)
@click.option(
    "--recordings",
    type=click.Path(path_type=Path),
    help="Table with a column `recording` and the column named by --by. "
    "[default: the scan's own, with site, device and day]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Table to write; a .json of that name goes beside it. "
    "[default: estimate.csv beside the sample]",
)
@click.option(
    "--calibrate",
    "calibrated",
    type=click.Path(path_type=Path),
    metavar="NEW_BUNDLE",
    help="Write a copy of the scan's bundle that also gives probabilities, fitted on the checks.",
)
@spreadsheet_option
def estimate(
    results: Path,
    sample: Path,
    by: str | None,
    recordings: Path | None,
    output: Path | None,
    calibrated: Path | None,
) -> None:
    """Estimate the true number of calls in the scan RESULTS from the filled-in table SAMPLE.

    Prints the corrected count with its 95 % interval, over all and for each stratum, how much was
    verified, and how many further checks would halve the interval.
    """
    from counter.cli.estimating import EstimateOptions, run_estimate

    run_estimate(results, sample, EstimateOptions(by, recordings, output, calibrated))
