"""``callcount scan``: recordings -> results.csv, events, manifest, plots."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from counter.api import scan_folder
from counter.bundle import Bundle
from counter.cli.console import (
    ROWS_SHOWN,
    ScanProgress,
    folded_column,
    number_columns,
    plain_table,
    print_model,
    stderr,
    stdout,
)
from counter.cli.options import (
    ALL_SCANNED,
    INTERRUPTED,
    PATH,
    SOME_FAILED,
    SPREADSHEET_FLAG,
    SPREADSHEET_HELP,
    PathOrUrl,
    bundle_options,
    stopping_on_interrupt,
)
from counter.cli.report import print_report
from counter.config import read_yaml, validate
from counter.formats.writers import FORMAT_NAMES
from counter.records import FAILED, FileResult, Recording
from counter.report.report_file import WrittenReport
from counter.scanning.plan import ScanPlan, ScanSettings
from counter.scanning.run import ScanObserver, ScanSummary
from counter.storage.upload import Target
from counter.storage.urls import is_url, shown


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PathOrUrl())
@click.option(
    "-o",
    "--output",
    type=PathOrUrl(),
    default=Path("results.csv"),
    show_default=True,
    help="Table of counts; events, manifest and plots go to the folder of the same name. "
    "A URL: made below the cache folder, and put there at the end.",
)
@bundle_options("scan")
@click.option(
    "--timezone",
    metavar="ZONE",
    help="Zone of clocks that name none, and of all times written: Europe/Paris, -04:00. [none]",
)
@click.option(
    "--name-pattern",
    metavar="REGEX",
    help="How the files are named, if not as recorders do: groups date, time, site, device, ...",
)
@click.option(
    "--sites",
    type=PATH,
    metavar="FILE.csv",
    help="Table: folder or device, site, latitude, longitude (decimal degrees).",
)
@click.option("--fresh", is_flag=True, default=None, help="Forget what earlier runs have done.")
@click.option("--retry-failed", is_flag=True, default=None, help="Scan again what failed.")
@click.option(
    "--stall",
    "stall_s",
    type=float,
    metavar="SECONDS",
    help="Give up a recording of which nothing is heard for so long. [120]",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Scan on a Dask cluster: tcp://scheduler:8786, or local:4 for workers started here.",
)
@click.option("--jobs", type=int, help="Threads. [default: one per core]")
@click.option("--plots/--no-plots", default=None, help="Draw a plot a recording. [default: plots]")
@click.option(
    "--report",
    is_flag=True,
    default=None,
    help="Make report.html as well: all figures, and events to hear, in one file. See `report`.",
)
@click.option(
    "--keep-scores",
    is_flag=True,
    default=None,
    help="Keep the scores as well (60 kB an hour), so that rules can be judged without a new scan.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(FORMAT_NAMES),
    multiple=True,
    help="How to write the events besides events.csv; may be repeated. parquet needs pyarrow.",
)
@click.option("--clips", type=int, metavar="N", help="Cut out N events of each label. [0]")
@click.option(
    "--clips-by",
    type=click.Choice(["score", "random"]),
    help="Those of highest score, or drawn by chance. [score]",
)
@click.option("--clips-seed", type=int, help="Seed of clips drawn by chance. [0]")
@click.option("--clips-margin", "clips_margin_s", type=float, help="Around each event, s. [1]")
@click.option(SPREADSHEET_FLAG, "spreadsheet_safe", default=None, help=SPREADSHEET_HELP)
@click.option("--config", type=PATH, help="YAML file with any of these options; flags win over it.")
def scan(
    paths: tuple[str | Path, ...], output: str | Path, config: Path | None, **flags: Any
) -> int:
    """Count calls in PATHS: recordings, or folders searched for recordings; or URLs of either.

    Writes a table with one row per recording (results.csv), and beside it a folder with one row
    per call (events.csv), when and where each recording was made (recordings.csv), sums by site,
    day and hour of day (summary_*.csv), what was done (manifest.json) and plots; and, where asked
    for, the events for other programs (--format) and clips of them (--clips).

    A run that was stopped goes on where it was when the same command is given again: what is done
    stands in a journal beside the tables. Recordings that have changed are scanned again, and all
    of them where the model or the event rules are others.

    When and where comes from --name-pattern, else from the header (GUANO, AudioMoth, BWF), else
    from the usual forms of file names; what none of them tells stays empty.

    Event rules: those of the bundle, then of --config, then of --rules, then the single flags;
    what comes later wins. The manifest says which were used and where they came from.

    Exit code: 0 all scanned, 1 some failed (they have a row that says why), 2 usage or nothing to
    scan, 130 interrupted (what was finished is written).
    """
    from_file = read_yaml(config) if config is not None else {}
    given = {key: value for key, value in flags.items() if value not in (None, ())}
    settings = validate(ScanSettings, from_file, str(config))
    if is_url(output):
        return _scan_to(str(output), paths, settings, given)
    return run_scan(paths, Path(output), settings, **given)


def _scan_to(
    url: str, paths: Sequence[str | Path], config: ScanSettings, flags: dict[str, Any]
) -> int:
    """Scan, and put the results where a URL leads; the exit code."""
    target = Target(url)
    target.check()
    code = run_scan(paths, target.staged, config, exclude=target.folder, **flags)
    if code == INTERRUPTED:
        click.echo(f"Nothing was put to {shown(target.url)} yet.", err=True)
        return code
    n_files = target.put()
    stdout().print(f"{n_files} new or changed files put -> {escape(shown(target.url))}")
    return code


def run_scan(
    paths: Sequence[str | Path], output: Path, config: ScanSettings, **options: Any
) -> int:
    """Scan what is left, with progress, and write everything; the exit code."""
    stop = threading.Event()
    with TerminalObserver() as observer, stopping_on_interrupt(stop):
        run = scan_folder(
            paths, output=output, config=config, observer=observer, stop=stop, **options
        )
        for _ in run:
            pass
    if run.n_left:
        click.echo(
            f"Interrupted: {run.n_left} of {len(run.plan.recordings)} recordings are left. "
            "The same command goes on from here.",
            err=True,
        )
        return INTERRUPTED
    return SOME_FAILED if run.n_failed else ALL_SCANNED


class Sums:
    """Results added up as they come; the first ``ROWS_SHOWN`` with most calls are kept."""

    def __init__(self) -> None:
        self.n = self.calls = self.n_failed = 0
        self.scanned_s = 0.0
        self.failed: list[str] = []
        self._shown: list[tuple[int, int, FileResult]] = []

    def add(self, result: FileResult) -> None:
        """Add a result."""
        self.n += 1
        self.calls += result.calls()
        self.scanned_s += result.scanned_s
        self.n_failed += result.status == FAILED
        if result.status == FAILED and len(self.failed) < ROWS_SHOWN:
            self.failed.append(result.recording.name)
        keep = heapq.heappush if self.n <= ROWS_SHOWN else heapq.heappushpop
        keep(self._shown, (result.calls(), -self.n, result))

    def shown(self) -> list[FileResult]:
        """All in their order, or of many those with most calls first."""
        order = sorted(self._shown, key=lambda one: (-one[0] * (self.n > ROWS_SHOWN), -one[1]))
        return [one[2] for one in order]


class TerminalObserver(ScanObserver):
    """Shows a run of a scan: progress while it works, then its counts; a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bar: ScanProgress | None = None
        self._sums = Sums()

    def __enter__(self) -> TerminalObserver:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def begins(self, bundle: Bundle, which: str) -> None:
        """Say which bundle is used."""
        print_model(bundle, which)

    def scans(self, recordings: Sequence[Recording], n_done: int) -> None:
        """Show the bar."""
        self._bar = self._stack.enter_context(ScanProgress(recordings, n_done=n_done))

    def advances(self, recording: Recording, seconds: float, claimed_s: float) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.advance(recording, seconds, claimed_s)

    def finishes(self, result: FileResult) -> None:
        """Count the recording in the bar."""
        if self._bar is not None:
            self._bar.finished(result.recording)

    def ends(self) -> None:
        """Take the bar away."""
        self._stack.close()

    def adds(self, result: FileResult) -> None:
        """Add up what the table of counts shows."""
        self._sums.add(result)

    def writes(self, summary: ScanSummary, plan: ScanPlan) -> None:
        """Print counts, and what should be known of times and sites."""
        print_counts(self._sums, plan.bundle.spec.labels, summary, plan.paths.results)
        for remark in summary.remarks:
            click.echo(remark, err=True)

    def reports(self, report: WrittenReport) -> None:
        """Say where the report is."""
        print_report(report)

    def has_nothing_to_do(self, plan: ScanPlan, n_failed: int, sums: tuple[int, float]) -> None:
        """Say so, and what the earlier runs found."""
        n, (calls, scanned_s) = len(plan.recordings), sums
        failed = f" ({n_failed} failed; --retry-failed tries them again)" if n_failed else ""
        stderr().print(f"Nothing to do: all {n} recordings are done{failed}.")
        stdout().print(
            f"{calls} calls in {n - n_failed} recordings, "
            f"{scanned_s / 3600:.2f} h -> {escape(str(plan.paths.results))}"
        )

    def notes(self, text: str, *, is_problem: bool = False) -> None:
        """Print a line on the standard error."""
        stderr().print(text, markup=False, style="red" if is_problem else None)


def print_counts(sums: Sums, labels: Sequence[str], summary: ScanSummary, output: Path) -> None:
    """Table of counts, those that failed, and the sum; of many recordings those with most calls."""
    console = stdout()
    numbers = number_columns("calls", *(labels if len(labels) > 1 else ()), "scanned s")
    table = plain_table(folded_column("recording"), *numbers, "status")
    for result in sums.shown():
        style = "red" if result.status == FAILED else None
        table.add_row(*_cells(result, labels), style=style)
    console.print(table)
    if sums.n > ROWS_SHOWN:
        console.print(f"... and {sums.n - ROWS_SHOWN} more in {escape(str(output))}")
    console.print(
        f"{sums.calls} calls in {sums.n - sums.n_failed} recordings, "
        f"{sums.scanned_s / 3600:.2f} h, {_pace(summary, sums.scanned_s)} -> {escape(str(output))}"
    )
    if sums.n_failed:
        more = f" and {sums.n_failed - len(sums.failed)} more" * (sums.n_failed > len(sums.failed))
        names = ", ".join(map(escape, sums.failed))
        stderr().print(f"{sums.n_failed} failed: {names}{more}", style="red")


def _pace(summary: ScanSummary, total_s: float) -> str:
    """How fast a run was, in words; ``total_s`` is what all runs have scanned."""
    part = "" if summary.audio_s == total_s else f"{summary.audio_s / 3600:.2f} h of them "
    speed = summary.audio_s / max(summary.wall_s, 1e-9)
    return f"{part}scanned in {summary.wall_s:.1f} s ({speed:,.0f} x real time)"


def _cells(result: FileResult, labels: Sequence[str]) -> list[str]:
    name = escape("".join(c if c.isprintable() else "?" for c in result.recording.name))
    is_failed = result.status == FAILED
    split = [result.calls(label) for label in labels] if len(labels) > 1 else []
    counts = ["" if is_failed else str(n) for n in (result.calls(), *split)]
    message = f": {result.remarks}" if result.remarks else ""
    return [name, *counts, f"{result.scanned_s:.1f}", escape(result.status + message)]
