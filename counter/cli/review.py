"""``callcount review``: events to see, hear and answer on a page of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counter.cli.tableoption import spreadsheet_option


@click.command(short_help="Check events by eye and ear on a local page.")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    metavar="SAMPLE.csv",
    help="Ask for the number of calls in the stretches that `callcount sample` drew, instead of "
    "about events.",
)
@click.option(
    "--mined",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Ask about the clips that `callcount mine` picked, instead of about events.",
)
@click.option(
    "--reviewer",
    help="Who answers; with --export, whose answers count. [default: the user's name; with "
    "--export, the newest answer of anybody]",
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="Folder that the recordings are in now. [default: where they were scanned]",
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="Address of this machine to serve at. Any but 127.0.0.1 needs --token.",
)
@click.option(
    "--token",
    envvar="CALLCOUNT_TOKEN",
    help="What every visitor has to give first; it is sent as it is, so use a network that you "
    "trust. [default: the environment's CALLCOUNT_TOKEN]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to serve at. [default: first free one from 8501 on]",
)
@click.option("--browser/--no-browser", default=True, help="Open a browser. [default: open it]")
@click.option("--compare", is_flag=True, help="Print how far reviewers agree, and serve nothing.")
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the answers to a new folder, for other commands and Raven, and serve nothing.",
)
@spreadsheet_option
def review(results: Path, **options: Any) -> None:
    """Serve a page on this machine to see, hear and answer the events of the scan RESULTS.

    One key each: Y yes, N no, U unsure, O other label, B back; digits for the number of calls in a
    stretch of a sample. Each answer is stored at once in review.sqlite in the folder of RESULTS,
    with who gave it and when. Ctrl-C ends the page; started again, it goes on where it was.
    """
    from counter.cli.reviewing import ReviewOptions, run_review

    run_review(results, ReviewOptions(**options))
