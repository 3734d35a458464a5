"""``callcount report``: a scan as one HTML file, to look at, listen to and hand over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from counter.cli.console import stderr, stdout, tracked
from counter.cli.options import PATH, audio_option, seed_option
from counter.report.report_file import ReportOptions, WrittenReport, write_scan_report
from counter.report.report_page import check_report_path
from counter.tables.results import read_results

_N_EVENTS: dict[str, Any] = {"type": click.IntRange(0, 500), "default": 24, "show_default": True}


@click.command()
@click.argument("results", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE.html",
    help="File to write. [default: report.html in the folder of the results]",
)
@click.option("--title", help="Heading of the report. [default: labels and name of the table]")
@click.option(
    "--top", **_N_EVENTS, help="Events of highest score to show, shared out among the labels."
)
@click.option("--random", **_N_EVENTS, help="Events drawn by chance to show, shared out likewise.")
@click.option(
    "--near", **_N_EVENTS, help="Events just above the threshold to show, shared out likewise."
)
@seed_option("Seed of what is drawn by chance; equal seeds draw equal events.")
@audio_option
@click.option(
    "--estimate",
    "estimates",
    type=PATH,
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
    scan = read_results(results)
    path = output if output is not None else scan.files.report
    check_report_path(path)
    chosen = ReportOptions(title, **options)
    print_report(write_scan_report(scan, path, chosen, progress=tracked("cutting events")))


# Mail and shared folders take this; more is said, since it can be had smaller.
_LARGE_BYTES = 15_000_000


def print_report(report: WrittenReport) -> None:
    """Say where a report is, how large, and what of it cannot be seen and heard."""
    found, n_bytes = report.media, report.n_bytes
    n_audible = sum(not isinstance(one, str) for one in found.values())
    stdout().print(
        f"{n_audible} of {len(found)} events to hear, {n_bytes / 1e6:.1f} MB "
        f"-> {escape(str(report.path))}"
    )
    if n_bytes > _LARGE_BYTES:
        stderr().print("That is large to hand over; fewer events with --top, --random and --near.")
    if reasons := sorted({one for one in found.values() if isinstance(one, str)}):
        text = f"{len(found) - n_audible} events have no picture and sound: {reasons[0]}"
        stderr().print(text, style="yellow", markup=False)
