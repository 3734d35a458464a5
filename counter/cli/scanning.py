"""What ``callcount scan`` does between its flags and its files."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import click

from counter.cli.console import ScanProgress
from counter.cli.drawing import PlotKeeper
from counter.cli.finishing import Run, finish
from counter.cli.resuming import WRITTEN, is_written, resume, say_done, stamp
from counter.cli.running import ALL_SCANNED, INTERRUPTED, SOME_FAILED, stopping_on_interrupt
from counter.cli.scanplan import ScanPlan, ScanSettings, plan_scan
from counter.journal import STARTED, Journal
from counter.journalfile import remove_journal
from counter.output.paths import locked, make_folders, remove_half_written, remove_old
from counter.output.scores import logits_of
from counter.output.writing import spreadsheet_safe
from counter.pool import Pool
from counter.records import FAILED


def run_scan(
    given: Sequence[str | Path],
    output: Path,
    config: ScanSettings,
    flags: ScanSettings | None = None,
    *,
    exclude: str | None = None,
) -> int:
    """Scan what is left and write everything; ``flags`` win over ``config``; the exit code.

    ``exclude`` is the URL of a folder that holds no recordings, where the results will go.
    """
    scan_plan = plan_scan(given, output, config, flags or ScanSettings(), exclude=exclude)
    settings = scan_plan.settings
    make_folders(scan_plan.paths, plots=settings.plots)
    with (
        scan_plan.pool() as pool,
        locked(scan_plan.paths),
        spreadsheet_safe(settings.spreadsheet_safe),
    ):
        remove_half_written(scan_plan.paths)
        if settings.fresh:
            remove_journal(scan_plan.paths.journal)
        with Journal(scan_plan.paths.journal) as journal:
            return _run(scan_plan, pool, journal)


def _run(scan_plan: ScanPlan, pool: Pool, journal: Journal) -> int:
    run = Run(scan_plan, journal, started_s=time.time(), clock_s=time.perf_counter())
    left = resume(scan_plan, journal)
    if not left and is_written(scan_plan, journal):
        say_done(scan_plan, journal)
    else:
        journal.note(WRITTEN, "")
        journal.note(STARTED, repr(run.started_s))
        if _scan(run, left, pool):
            n_left = len(journal.left())
            click.echo(
                f"Interrupted: {n_left} of {len(scan_plan.recordings)} recordings are left. "
                "The same command goes on from here.",
                err=True,
            )
            return INTERRUPTED
        journal.note(WRITTEN, stamp(scan_plan))
    return SOME_FAILED if journal.statuses()[FAILED] else ALL_SCANNED


def _scan(run: Run, left: Sequence[int], pool: Pool) -> bool:
    """Scan the recordings at the positions ``left``, write all; whether it was interrupted."""
    plan, stop = run.plan, threading.Event()
    with PlotKeeper(plan, run.journal) as plots:
        remove_old(plan.paths, but=plots.file_names())
        plan.exports.remove_old()
        recordings = [plan.recordings[position] for position in left]
        n_done = len(plan.recordings) - len(left)
        with stopping_on_interrupt(stop), ScanProgress(recordings, n_done=n_done) as progress:
            pool.progress = progress.advance
            for number, result in pool.results(recordings, stop):
                kept = None if result.scores is None else logits_of(result.scores)
                run.journal.add(result, kept)
                plots.add(left[number], result)
                progress.finished(result.recording)
            missing = plots.missing()
            for number, result in pool.results([plan.recordings[one] for one in missing], stop):
                plots.draw(missing[number], result)
        pool.close()
        if stop.is_set():
            click.echo("Stopped; writing the tables. Ctrl-C again leaves them.", err=True)
        plots.wait()
        remove_old(plan.paths, but=plots.file_names())
    finish(run, plots.file_names(), is_interrupted=stop.is_set())
    return stop.is_set()
