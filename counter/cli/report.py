"""``callcount report``: a scan as one HTML file, to look at, listen to and hand over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(short_help="Make one HTML file of a scan, to look and listen.")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="File to write. [default: report.html in the folder of the results]",
)
@click.option("--title", help="Heading of the report. [default: labels and name of the table]")
@click.option(
    "--top",
    type=click.IntRange(0, 500),
    default=24,
    show_default=True,
    help="Events of highest score to show, shared out among the labels.",
)
@click.option(
    "--random",
    type=click.IntRange(0, 500),
    default=24,
    show_default=True,
    help="Events drawn by chance to show, shared out likewise.",
)
@click.option(
    "--near",
    type=click.IntRange(0, 500),
    default=24,
    show_default=True,
    help="Events just above the threshold to show, shared out likewise.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of what is drawn by chance; equal seeds draw equal events.",
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="Folder that the recordings are in now. [default: where they were scanned]",
)
@click.option(
    "--estimate",
    "estimates",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE.csv",
    help="What `callcount estimate` wrote; may be repeated, once a label. [default: those of this "
    "scan in folders beside the results]",
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Threads. [default: one per core]")
def report(results: Path, output: Path | None, title: str | None, **options: Any) -> None:
    """Make one HTML file of the scan RESULTS that opens anywhere, without a server or a network.

    It shows what was scanned and what failed, counts by recording, site, day and hour (with
    intervals, where `callcount estimate` gave some), maps of hours and days, the scores, events to
    see and hear, the model's card, settings, versions and hashes.

    Where a recording is gone, its events are shown without picture and sound.
    """
    from counter.cli.reporting import ReportOptions, run_report

    run_report(results, output, ReportOptions(title, **options))
