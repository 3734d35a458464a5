"""Everything that a scan writes once its recordings are done, from the journal alone."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import click

from counter import __version__
from counter.bundle import BundleSpec
from counter.cli.console import Pace, Sums, print_counts
from counter.cli.drawing import draw_sums
from counter.cli.placing import Placing, Remarks
from counter.cli.reportplace import renew_report
from counter.cli.scanplan import ScanPlan
from counter.estimation.calibration import Calibration
from counter.journal import Journal
from counter.output.eventrows import ScanEvents
from counter.output.manifest import Manifest, write_manifest
from counter.output.scores import write_scores
from counter.output.season_tables import write_season
from counter.output.tables import write_events, write_results
from counter.records import FileResult
from counter.remote.urls import shown
from counter.summary import Season


@dataclass(frozen=True)
class Run:
    """A run of a scan: what is planned, what is done, and since when it works."""

    plan: ScanPlan
    journal: Journal
    started_s: float
    clock_s: float

    def wall_s(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.clock_s


@dataclass(frozen=True)
class _Results:
    """The outcomes of a scan, placed in time and space, read anew each time they are asked for."""

    journal: Journal
    placing: Placing

    def __iter__(self) -> Iterator[FileResult]:
        return map(self.placing.placed, self.journal.results())


def finish(run: Run, plots: Sequence[str], *, is_interrupted: bool) -> None:
    """Write tables and manifest, and say what was found; ``plots`` are drawn already.

    Where a scan was interrupted there is no time for exports and pictures.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    plan, spec = run.plan, run.plan.bundle.spec
    results = _Results(run.journal, plan.placing)
    calibrations = calibrations_of(spec)
    write_results(plan.paths.results, results, spec.labels)
    write_events(plan.paths.events, results, plan.bands, calibrations)
    season, remarks, sums = Season(spec.labels), Remarks(plan.placing), Sums()
    for result in results:
        for one in (season, remarks, sums):
            one.add(result)
    write_season(plan.paths, results, season)
    if plan.settings.keep_scores:
        _write_scores(run)
    wall_s = run.wall_s()
    if not is_interrupted:
        plan.exports.write(ScanEvents(results, plan.bands, calibrations), spec.labels)
        if plan.settings.plots:
            plots = (*draw_sums(plan, results, season), *plots)
    n_earlier, audio_s = run.journal.since(run.started_s)
    pace = Pace(audio_s, wall_s)
    _write_manifest(run, plots, pace, n_earlier)
    print_counts(sums, spec.labels, pace, plan.paths.results)
    for remark in remarks.told():
        click.echo(remark, err=True)
    renew_report(plan.paths, is_wanted=plan.settings.report and not is_interrupted)


def calibrations_of(spec: BundleSpec) -> dict[str, Calibration]:
    """Calibration of each label of a bundle that has one."""
    return {
        label: Calibration(one.method, one.scores, one.probabilities)
        for label, one in spec.calibration.items()
    }


def _write_scores(run: Run) -> None:
    n_labels = len(run.plan.bundle.spec.labels)
    with write_scores(run.plan.paths.scores, run.plan.bundle) as file:
        for recording, logits in run.journal.logits():
            file.add(recording.name, logits.reshape(-1, n_labels))


def _write_manifest(run: Run, plots: Sequence[str], pace: Pace, n_earlier: int) -> None:
    plan = run.plan
    manifest = Manifest(
        command=tuple(map(shown, sys.argv)),
        versions=_versions(),
        bundle={
            "path": os.path.abspath(plan.bundle.path),
            "name": plan.bundle.spec.name,
            "hash": plan.bundle.sha256,
            "which": plan.which,
        },
        settings=plan.told(),
        inputs=plan.recordings,
        started_s=run.started_s,
        wall_s=pace.wall_s,
        audio_s=pace.audio_s,
        n_earlier=n_earlier,
        counts=run.journal.statuses(),
        plots=tuple(plots),
    )
    write_manifest(plan.paths.manifest, manifest)


def _versions() -> dict[str, str]:
    packages = ("ai-edge-litert", "numpy", "soundfile", "soxr")
    return {
        "callcount": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
