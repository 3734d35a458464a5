"""``callcount sample``: which stretches of a finished scan a person should check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.cli.tableoption import spreadsheet_option


@click.command(short_help="Draw stretches of a scan to check by ear.")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "-n",
    "--checks",
    "n_checks",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="How many stretches to check.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("sample"),
    show_default=True,
    help="New folder for the table, the clips and their spectrograms.",
)
@click.option(
    "--by",
    default="folder",
    show_default=True,
    help="Strata: folder, recording, or a column of the --recordings table, as site or day.",
)
@click.option(
    "--recordings",
    type=click.Path(path_type=Path),
    help="Table with a column `recording` and the column named by --by. "
    "[default: the scan's own, with site, device and day]",
)
@click.option("--label", help="What to count. [default: the only label there is]")
@click.option(
    "--stretch",
    "stretch_s",
    type=click.FloatRange(1, 600),
    default=10.0,
    show_default=True,
    help="Longest stretch, s; well above the length of a call.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="Folder that the recordings are in now. [default: where they were scanned]",
)
@spreadsheet_option
def sample(results: Path, output: Path, by: str, recordings: Path | None, **options: Any) -> None:
    """Draw stretches of the scan RESULTS for a person to check.

    Half of them are drawn where the model found calls, in proportion to how many; the other half
    where it found none, since missed calls would never show otherwise. Cuts the clips (FLAC),
    draws their spectrograms and writes sample.csv: fill in `true_calls`, the calls whose middle
    lies in the stretch, then run `callcount estimate RESULTS sample/sample.csv`. The rows are in
    random order; check them from the top, and stop early if need be.
    """
    from counter.cli.sampling import SampleOptions, Strata, run_sample

    run_sample(results, output, SampleOptions(strata=Strata(by, recordings), **options))
