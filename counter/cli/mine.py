"""``callcount mine``: the clips of recordings that are most worth a person's ear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.cli.pathtypes import PathOrUrl
from counter.cli.tableoption import spreadsheet_option


@click.command(short_help="Pick the clips most worth a person's ear.")
@click.argument("paths", metavar="RECORDINGS...", nargs=-1, required=True, type=PathOrUrl())
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Bundle to scan with. [default: trained last under ./artifacts, else the one shipped]",
)
@click.option(
    "-n",
    "--clips",
    "n_clips",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many clips to pick.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("mined"),
    show_default=True,
    help="New folder for the table, the clips and their spectrograms.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of what is drawn by chance; equal seeds pick equal clips.",
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Threads. [default: one per core]")
@spreadsheet_option
@click.pass_context
def mine(
    context: click.Context, paths: tuple[str | Path, ...], output: Path, **options: Any
) -> None:
    """Pick the clips of RECORDINGS (files, folders, URLs) that a model would learn most from.

    Two fifths are events just above the threshold, two fifths near misses just below it, and a
    fifth events that the model does not doubt but that sound unlike the others; spread over sounds
    and recordings, and never overlapping. Each is cut as FLAC with 3 s on either side and drawn as
    a spectrogram. Fill in the column `label` of mine.csv as HOW_TO.txt says, then run
    `callcount train --reviewed OUTPUT` with the settings of before.

    Exit code: 0 done, 1 some recordings could not be read (they are named), 2 usage or nothing to
    pick from, 130 interrupted (nothing is written).
    """
    from counter.cli.mining import MineOptions, run_mine

    context.exit(run_mine(paths, output, MineOptions(**options)))
