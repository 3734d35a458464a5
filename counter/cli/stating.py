"""What ``callcount status`` says."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from counter.cli.console import ROWS_SHOWN, stdout
from counter.output.paths import OutputPaths, is_at_work
from counter.scanstate import ScanState, Share, read_state

NOT_ALL = 1


def print_state(results: Path) -> int:
    """Print the state of a scan; the exit code."""
    paths = OutputPaths(results)
    state = read_state(paths.journal)
    total = state.total
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("folder", overflow="fold")
    for title in ("recordings", "done", "failed", "left", "scanned h"):
        table.add_column(title, justify="right")
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
    return NOT_ALL if total.n_failed or total.n_left else 0


def _cells(share: Share) -> list[str]:
    counts = (share.n, share.n_done, share.n_failed, share.n_left)
    return [*map(str, counts), f"{share.scanned_s / 3600:.2f}"]


def _now(state: ScanState, *, is_at_work: bool) -> str:
    lately, lasted_s = state.lately, state.lately_s
    told = "at work" if is_at_work else "stopped" if state.total.n_left else "finished"
    if lately.n and lasted_s > 0:
        told += f"; the last run: {lately.n / lasted_s * 60:,.0f} recordings a minute, "
        told += f"{lately.scanned_s / lasted_s:,.0f} x real time"
        if state.total.n_left:
            told += f", {_duration(state.total.n_left * lasted_s / lately.n)} to go"
    return told


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
