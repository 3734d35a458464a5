"""``callcount status``: how far a scan is."""

from __future__ import annotations

from pathlib import Path

import click

from counter.cli.pathtypes import PathOrUrl


@click.command(short_help="Say how far a scan is.")
@click.argument("results", type=PathOrUrl())
@click.pass_context
def status(context: click.Context, results: str | Path) -> None:
    """Say what of the scan of RESULTS (results.csv) is done, failed and left, by folder.

    The scan may be at work, stopped or finished. The rate is that of its last run.

    Exit code: 0 all scanned, 1 some failed or are left, 2 there is no such scan.
    """
    from counter.cli.stating import print_state
    from counter.remote.putting import Target

    made = results if isinstance(results, Path) else Target(results).staged
    context.exit(print_state(made))
