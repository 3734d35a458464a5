"""``callcount status``: how far a scan is."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from counter.cli.console import ROWS_SHOWN, folded_column, number_columns, plain_table, stdout
from counter.cli.options import PathOrUrl
from counter.scanning.journal import ScanState, Share, read_state
from counter.scanning.outputs import is_at_work
from counter.tables.manifest import OutputPaths


@click.command()
@click.argument("results", type=PathOrUrl())
def status(results: str | Path) -> int:
    """Say what of the scan of RESULTS (results.csv) is done, failed and left, by folder.

    The scan may be at work, stopped or finished. The rate is that of its last run.

    Exit code: 0 all scanned, 1 some failed or are left, 2 there is no such scan.
    """
    from counter.storage.upload import Target

    paths = OutputPaths(results if isinstance(results, Path) else Target(results).staged)
    state = read_state(paths.journal)
    total = state.total
    console = stdout()
    titles = ("recordings", "done", "failed", "left", "scanned h")
    table = plain_table(folded_column("folder"), *number_columns(*titles))
    # Of many folders those with most work left.
    shown = sorted(state.by_folder.items(), key=lambda one: -one[1].n_left)[:ROWS_SHOWN]
    for folder, share in [one for one in state.by_folder.items() if one in shown]:
        table.add_row(escape(folder), *_cells(share))
    if len(state.by_folder) != 1:
        table.add_row("all", *_cells(total), style="bold")
    console.print(table)
    if len(shown) < len(state.by_folder):
        console.print(f"... {len(state.by_folder) - len(shown)} more folders")
    console.print(_now(state, is_at_work=is_at_work(paths)))
    return 1 if total.n_failed or total.n_left else 0


def _cells(share: Share) -> list[str]:
    counts = (share.n, share.n_done, share.n_failed, share.n_left)
    return [*map(str, counts), f"{share.scanned_s / 3600:.2f}"]


def _now(state: ScanState, *, is_at_work: bool) -> str:
    lately, lasted_s = state.lately, state.lately_s
    text = "at work" if is_at_work else "stopped" if state.total.n_left else "finished"
    if lately.n and lasted_s > 0:
        text += f"; the last run: {lately.n / lasted_s * 60:,.0f} recordings a minute, "
        text += f"{lately.scanned_s / lasted_s:,.0f} x real time"
        if state.total.n_left:
            text += f", {_duration(state.total.n_left * lasted_s / lately.n)} to go"
    return text


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
