"""``callcount review``: events to see, hear and answer on a page of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(short_help="Check events by eye and ear on a local page.")
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--reviewer", help="Who answers. [default: name of the user]")
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
    help="What every visitor has to give first. [default: the environment's CALLCOUNT_TOKEN]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to serve at. [default: first free one from 8501 on]",
)
@click.option("--browser/--no-browser", default=True, help="Open a browser. [default: open it]")
def review(results: Path, **options: Any) -> None:
    """Serve a page on this machine to see, hear and answer the events of the scan RESULTS."""
    from counter.cli.reviewing import ReviewOptions, run_review

    run_review(results, ReviewOptions(**options))
