"""Run of a scan: recordings to journal to tables and plots, in one direction; its observer."""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from counter import __version__
from counter.bundle import Bundle
from counter.errors import output_errors
from counter.metadata.sites import PlacementRemarks
from counter.plots.counts_plot import draw_overview
from counter.plots.recording_plot import PlotSettings, RecordingPlotter
from counter.plots.season_plot import draw_season
from counter.records import FAILED, FileResult, Recording
from counter.report.report_file import ReportOptions, WrittenReport, write_scan_report
from counter.report.report_page import is_own_report
from counter.scanning.journal import STARTED, Journal, remove_journal
from counter.scanning.outputs import locked, make_folders, remove_half_written, remove_old
from counter.scanning.plan import ScanPlan
from counter.scanning.pool import Pool
from counter.storage.urls import shown
from counter.tables.csv import spreadsheet_safe, write_json
from counter.tables.event_rows import ScanEvents
from counter.tables.manifest import Manifest, plot_names
from counter.tables.result_tables import ResultTables
from counter.tables.results import Results, ResultsCollector, ScanFacts, read_results
from counter.tables.scores import logits_of, write_scores
from counter.tables.season import Season, sums_of

# Name of the fact that all tables of a finished scan are written; its value is the stamp.
WRITTEN = "written"
_NOT_IN_FILES = ("jobs", "cluster", "stall_s", "paths", "rules_from")
_PACKAGES = ("ai-edge-litert", "numpy", "soundfile", "soxr")


@dataclass(frozen=True)
class ScanSummary:
    """What a run has done, and what is done in all."""

    # sound that this run scanned, and how long it took, seconds
    audio_s: float
    wall_s: float
    remarks: tuple[str, ...]  # what should be known of times and sites, a line each


class ScanObserver:
    """What a run tells while it works; each does nothing here, for runs that nobody watches."""

    def begins(self, bundle: Bundle, which: str) -> None:
        """The bundle is chosen, and why that one."""

    def scans(self, recordings: Sequence[Recording], n_done: int) -> None:
        """These are left to scan; so many are done already."""

    def advances(self, recording: Recording, seconds: float, claimed_s: float) -> None:
        """More of a recording was decoded, of so many seconds that it claims to hold."""

    def finishes(self, result: FileResult) -> None:
        """One more recording is done."""

    def adds(self, result: FileResult) -> None:
        """A row of the tables, of this run or an earlier one, in order."""

    def writes(self, summary: ScanSummary, plan: ScanPlan) -> None:
        """The tables are written."""

    def has_nothing_to_do(self, plan: ScanPlan, n_failed: int, sums: tuple[int, float]) -> None:
        """All was done before; ``sums`` are the calls and the seconds scanned."""

    def reports(self, report: WrittenReport) -> None:
        """The HTML report is written."""

    def notes(self, text: str, *, is_problem: bool = False) -> None:
        """Something a person should know."""

    def ends(self) -> None:
        """No more recordings are scanned."""


@dataclass
class ScanRun:
    """A planned scan; iterating over it scans what is left and writes all outputs at the end.

    Parameters
    ----------
    plan : ScanPlan
        What is scanned, how, and where it goes.
    observer : ScanObserver
        Told what goes on.
    stop : threading.Event
        When set, what is not finished is given up; the tables of what is done are written.

    Attributes
    ----------
    n_failed, n_left : int
        Recordings that failed, and that are left; known at the end.
    results : Results
        The finished scan; to be asked for at the end.
    """

    plan: ScanPlan
    observer: ScanObserver = field(default_factory=ScanObserver)
    stop: threading.Event = field(default_factory=threading.Event)
    n_failed: int = 0
    n_left: int = 0
    # the outputs' folder, where they go with the run
    scratch: tempfile.TemporaryDirectory[str] | None = None

    def __iter__(self) -> Iterator[FileResult]:
        """Each result as it is there, placed in time and space; of earlier runs none."""
        plan, settings = self.plan, self.plan.settings
        self._started_s, self._clock_s = time.time(), time.perf_counter()
        self.observer.begins(plan.bundle, plan.which)
        make_folders(plan.paths, plots=settings.plots)
        with ExitStack() as stack:
            pool = stack.enter_context(plan.pool())
            stack.enter_context(locked(plan.paths))
            stack.enter_context(spreadsheet_safe(settings.spreadsheet_safe))
            remove_half_written(plan.paths)
            if settings.fresh:
                remove_journal(plan.paths.journal)
            journal = stack.enter_context(Journal(plan.paths.journal))
            yield from self._work(pool, journal)
            self.n_failed, self.n_left = journal.statuses()[FAILED], len(journal.left())

    @cached_property
    def results(self) -> Results:
        """What the run has found, by its tables."""
        results = read_results(self.plan.paths.results)
        if self.scratch is not None:  # the results may outlive the tables
            assert len(results.counts) == len(results.effort)
            _ = results.events
        return results

    def _work(self, pool: Pool, journal: Journal) -> Iterator[FileResult]:
        left = self._resume(journal)
        if not left and self._is_written(journal):
            self.observer.has_nothing_to_do(self.plan, journal.statuses()[FAILED], journal.sums())
            return
        journal.note(WRITTEN, "")
        journal.note(STARTED, repr(self._started_s))
        with PlotQueue(self.plan, journal) as plots:
            yield from self._scan(pool, journal, plots, left)
        is_interrupted = self.stop.is_set()
        self._write(journal, plots.file_names(), is_interrupted=is_interrupted)
        if not is_interrupted:
            journal.note(WRITTEN, self._stamp())

    def _resume(self, journal: Journal) -> list[int]:
        """Positions of the recordings that are left to scan; tells what is done, and why not."""
        plan, settings = self.plan, self.plan.settings
        changes = journal.begin(plan.recordings, plan.deciding(), earlier=plan.deciding_earlier())
        n_failed = journal.forget(failed=True) if settings.retry_failed else 0
        n_without = journal.forget(without_scores=True) if settings.keep_scores else 0
        journal.place(plan.placement.placed, plan.placed_by())
        left = journal.left()
        if changes.is_of_earlier:
            self.observer.notes("The journal is of an earlier callcount, which counted alike.")
        differ = f" ({', '.join(changes.settings)})" if changes.settings else ""
        again = "and are scanned again"
        counts = (
            (len(plan.recordings) - len(left) if left else 0, "are done already"),
            (changes.n_files, f"have changed since they were scanned, {again}"),
            (changes.n_settings, f"were scanned with other settings{differ}, {again}"),
            (n_failed, "failed and are tried again"),
            (n_without, "are scanned again to keep their scores"),
        )
        for n, what in counts:
            if n:
                self.observer.notes(f"{n} of {len(plan.recordings)} recordings {what}.")
        return left

    def _scan(
        self, pool: Pool, journal: Journal, plots: PlotQueue, left: Sequence[int]
    ) -> Iterator[FileResult]:
        """Scan the recordings at the positions ``left``; each result is placed, then kept."""
        plan = self.plan
        remove_old(plan.paths, but=plots.file_names())
        plan.exports.remove_old()
        recordings = [plan.recordings[position] for position in left]
        self.observer.scans(recordings, len(plan.recordings) - len(left))
        pool.progress = self.observer.advances
        for number, scanned in pool.results(recordings, self.stop):
            result = plan.placement.placed(scanned)
            journal.add(result, None if result.scores is None else logits_of(result.scores))
            plots.add(left[number], result)
            self.observer.finishes(result)
            yield result
        missing = plots.missing()
        for number, result in pool.results([plan.recordings[at] for at in missing], self.stop):
            plots.draw(missing[number], result)
        pool.close()
        self.observer.ends()
        if self.stop.is_set():
            self.observer.notes("Stopped; writing the tables. Ctrl-C again leaves them.")
        plots.wait()
        remove_old(plan.paths, but=plots.file_names())

    def _write(self, journal: Journal, plots: Sequence[str], *, is_interrupted: bool) -> None:
        """Write tables, manifest and what else is wanted, from one pass over the journal.

        Where a scan was interrupted there is no time for exports and pictures.
        """
        plan, spec = self.plan, self.plan.bundle.spec
        wants_report = plan.settings.report and not is_interrupted
        collector = ResultsCollector(plan.paths, spec.labels, plan.bands) if wants_report else None
        remarks = PlacementRemarks(plan.placement)
        tables = ResultTables(
            plan.paths, spec.labels, plan.bands, spec.calibration, collector=collector
        )
        with tables:
            for result in journal:
                tables.add(result)
                remarks.add(result)
                self.observer.adds(result)
        if plan.settings.keep_scores:
            self._write_scores(journal)
        wall_s = time.perf_counter() - self._clock_s
        if not is_interrupted:
            plots = (*self._write_more(journal, tables.season), *plots)
        n_earlier, audio_s = journal.since(self._started_s)
        manifest = self._manifest(journal, plots, (audio_s, wall_s), n_earlier)
        write_json(plan.paths.manifest, manifest.data())
        self.observer.writes(ScanSummary(audio_s, wall_s, tuple(remarks.lines())), plan)
        if collector is not None:
            self._write_report(collector, manifest, tables.season)
        else:
            self._remove_report()

    def _write_more(self, journal: Journal, season: Season) -> tuple[str, ...]:
        """Write exports and pictures of the whole; the file names of the pictures."""
        plan, spec = self.plan, self.plan.bundle.spec
        events = ScanEvents(journal, plan.bands, spec.calibration)
        names, problems = plan.exports.write(events, spec.labels)
        for problem in problems:
            self.observer.notes(f"no clip: {problem}", is_problem=True)
        if names:
            self.observer.notes(f"Also in {plan.paths.folder}: {', '.join(names)}")
        if not plan.settings.plots:
            return ()
        draw_overview(plan.paths.overview, journal, spec.labels)
        if len(plan.recordings) > MAX_PLOTS:
            n = len(plan.recordings)
            self.observer.notes(f"Drew the {MAX_PLOTS} recordings with most calls of {n}.")
        return (plan.paths.overview.name, *draw_season(plan.paths.plots, season))

    def _write_scores(self, journal: Journal) -> None:
        n_labels = len(self.plan.bundle.spec.labels)
        with write_scores(self.plan.paths.scores, self.plan.bundle) as add:
            for recording, logits in journal.logits():
                add(recording.name, logits.reshape(-1, n_labels))

    def _manifest(
        self, journal: Journal, plots: Sequence[str], pace: tuple[float, float], n_earlier: int
    ) -> Manifest:
        plan, bundle = self.plan, self.plan.bundle
        audio_s, wall_s = pace
        packages = {name: version(name) for name in _PACKAGES}
        return Manifest(
            command=tuple(map(shown, sys.argv)),
            versions={
                "callcount": __version__,
                "python": platform.python_version(),
                **packages,
            },
            bundle={
                "path": os.path.abspath(bundle.path),
                "name": bundle.spec.name,
                "hash": bundle.sha256,
                "which": plan.which,
            },
            settings=plan.facts(),
            inputs=plan.recordings,
            started_s=self._started_s,
            wall_s=wall_s,
            audio_s=audio_s,
            n_earlier=n_earlier,
            counts=journal.statuses(),
            plots=tuple(plots),
        )

    def _write_report(
        self, collector: ResultsCollector, manifest: Manifest, season: Season
    ) -> None:
        data = manifest.data()
        data["inputs"] = list(data["inputs"])
        facts = ScanFacts.of(json.loads(json.dumps(data)), self.plan.paths.manifest)
        results = collector.finish(facts)
        report = write_scan_report(
            results, self.plan.paths.report, ReportOptions(), sums=sums_of(season)
        )
        self.observer.reports(report)

    def _remove_report(self) -> None:
        """Remove the report of an earlier scan: it would tell what is no longer so."""
        path = self.plan.paths.report
        with output_errors(path):
            if is_own_report(path):
                path.unlink()

    def _is_written(self, journal: Journal) -> bool:
        """Whether an earlier run has finished, and all its files are there as they would be."""
        plan, paths = self.plan, self.plan.paths
        files = [paths.results, paths.events, paths.recordings, paths.manifest]
        files += [paths.summary(of) for of in ("site", "day", "hour")]
        files += [paths.overview] if plan.settings.plots else []
        files += [paths.scores] if plan.settings.keep_scores else []
        files += [paths.report] if plan.settings.report else []
        files += plan.exports.files()
        return journal.fact(WRITTEN) == self._stamp() and all(file.exists() for file in files)

    def _stamp(self) -> str:
        """What the files of a finished scan depend on besides its outcomes."""
        facts = self.plan.facts()
        wanted = {name: value for name, value in facts.items() if name not in _NOT_IN_FILES}
        digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode())
        digest.update(self.plan.placed_by().encode())
        for one in self.plan.recordings:
            digest.update(os.fsencode(one.path) + f"\0{one.size_bytes} {one.modified_s}\0".encode())
        return digest.hexdigest()


# Above this many recordings only those with most calls are drawn.
MAX_PLOTS = 200
_WAITING = 8  # pictures held until they are drawn


class PlotQueue:
    """Draws the ``MAX_PLOTS`` recordings with most calls, each as soon as it is scanned.

    Of recordings with as many calls the first ones are drawn, whatever is scanned when; plots that
    the journal knows are kept. Where no plots are wanted, nothing is drawn. A context manager.
    """

    def __init__(self, plan: ScanPlan, journal: Journal) -> None:
        self._plan = plan
        self._names: dict[str, str] = {}
        self._kept: list[tuple[int, int]] = []  # a heap of calls and minus the position
        self._drawing: dict[int, Future[None]] = {}
        if plan.settings.plots:
            self._begin(journal)

    def _begin(self, journal: Journal) -> None:
        plan = self._plan
        threshold = min(rules.threshold for rules in plan.rules.values())
        settings = PlotSettings(plan.bands, threshold, plan.bundle.spec.sample_rate_hz / 2)
        self._plotter = RecordingPlotter(settings)
        self._names = plot_names(one.name for one in plan.recordings)
        self._kept = [(calls, -at) for calls, at in journal.most_calls(MAX_PLOTS)]
        heapq.heapify(self._kept)

    def __enter__(self) -> PlotQueue:
        self._pool = ThreadPoolExecutor(self._plan.n_threads, thread_name_prefix="draw")
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=error[0] is not None)

    def add(self, position: int, result: FileResult) -> None:
        """Draw a result if it is among those with most calls by now; another may leave them."""
        if not self._names or result.status == FAILED:
            return
        entry = (result.calls(), -position)
        if len(self._kept) < MAX_PLOTS:
            heapq.heappush(self._kept, entry)
        else:
            leaving = heapq.heappushpop(self._kept, entry)
            if leaving == entry:
                return
            self._wait_for(-leaving[1])
            self._file(-leaving[1]).unlink(missing_ok=True)
        self.draw(position, result)

    def draw(self, position: int, result: FileResult) -> None:
        """Draw a result that carries what is needed; one that failed has none."""
        if result.picture is None:
            return
        while len(self._drawing) >= _WAITING:
            self._wait_for(next(iter(self._drawing)))
        self._drawing[position] = self._pool.submit(
            self._plotter.draw, result, self._file(position)
        )

    def wait(self) -> None:
        """Until all that was begun is drawn.

        Raises
        ------
        OutputError
            A file could not be written.
        """
        for position in list(self._drawing):
            self._wait_for(position)

    def missing(self) -> list[int]:
        """Positions of recordings whose plot is wanted and not there, once all others are drawn."""
        self.wait()
        return [at for at in self._positions() if not self._file(at).exists()]

    def file_names(self) -> list[str]:
        """File names of the plots wanted by now, in the order of the recordings."""
        return [self._file(position).name for position in self._positions()]

    def _positions(self) -> list[int]:
        return sorted(-entry[1] for entry in self._kept)

    def _file(self, position: int) -> Path:
        return self._plan.paths.plots / self._names[self._plan.recordings[position].name]

    def _wait_for(self, position: int) -> None:
        if drawing := self._drawing.pop(position, None):
            drawing.result()
