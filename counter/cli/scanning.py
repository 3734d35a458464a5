"""What ``callcount scan`` does between its flags and its files."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from pydantic import Field, field_validator

from counter import __version__
from counter.bundle import Bundle, BundleSpec, choose_bundle
from counter.cli.console import ScanProgress, print_counts, stderr
from counter.cli.drawing import Pictures, draw_plots
from counter.cli.exporting import Exports, ExportSettings, plan_exports
from counter.cli.placing import PlaceSettings, Placing, plan_placing, remarks
from counter.cli.rulefile import RuleLayers
from counter.cli.running import (
    ALL_SCANNED,
    INTERRUPTED,
    SOME_FAILED,
    n_threads,
    stopping_on_interrupt,
)
from counter.config import EventRules
from counter.detector import Detector
from counter.estimation.calibration import Calibration
from counter.files import find_recordings
from counter.output.eventrows import ScanEvents
from counter.output.manifest import Manifest, write_manifest
from counter.output.paths import OutputPaths, plan, prepare
from counter.output.scores import write_scores
from counter.output.season_tables import write_season
from counter.output.tables import write_events, write_results
from counter.output.writing import spreadsheet_safe
from counter.records import FAILED, FileResult, Recording
from counter.scan import ScanJob, scan_recordings
from counter.summary import Season

_RULE_OPTIONS = {"threshold", "gap_s", "min_duration_s", "max_duration_s"}


class ScanSettings(PlaceSettings, ExportSettings):
    """Settings of a scan; what is None comes from the bundle."""

    model: Path | None = Field(None, description="bundle")
    rules: Path | None = Field(None, description="file with event rules")
    threshold: float | None = Field(None, gt=0, lt=1, description="score that starts an event")
    gap_s: float | None = Field(None, ge=0, description="pauses bridged")
    min_duration_s: float | None = Field(None, ge=0, description="shortest event")
    max_duration_s: float | None = Field(None, gt=0, description="longest event")
    jobs: int | None = Field(None, ge=1, le=1024, description="threads")
    plots: bool = Field(True, description="draw a plot a recording")
    keep_scores: bool = Field(False, description="keep the frame scores")

    @field_validator("model", "rules", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    def single_rules(self) -> dict[str, float]:
        """The event rules that are given one by one."""
        return self.model_dump(include=_RULE_OPTIONS, exclude_none=True)


@dataclass(frozen=True)
class ScanPlan:
    """All that is known before the work begins."""

    bundle: Bundle
    which: str
    rules: dict[str, EventRules]
    rules_from: list[str]
    recordings: list[Recording]
    placing: Placing
    paths: OutputPaths
    exports: Exports
    n_threads: int
    plots: bool
    keep_scores: bool
    given: tuple[Path, ...]


def run_scan(
    given: Sequence[Path], output: Path, config: ScanSettings, flags: ScanSettings | None = None
) -> int:
    """Scan and write everything; ``flags`` win over ``config``; the exit code."""
    scan_plan = _plan(given, output, config, flags or ScanSettings())
    started_s, clock_s = time.time(), time.perf_counter()
    results, interrupted = _scan(scan_plan)
    with spreadsheet_safe(scan_plan.exports.settings.spreadsheet_safe):
        wall_s = _write(
            scan_plan, results, started_s=started_s, clock_s=clock_s, interrupted=interrupted
        )
    print_counts(
        results, scan_plan.bundle.spec.labels, wall_s=wall_s, output=scan_plan.paths.results
    )
    for remark in remarks(scan_plan.placing, results):
        click.echo(remark, err=True)
    if interrupted:
        left = len(scan_plan.recordings) - len(results)
        click.echo(f"Interrupted: {left} recordings were not scanned and have no row.", err=True)
        return INTERRUPTED
    return SOME_FAILED if any(r.status == FAILED for r in results) else ALL_SCANNED


def _plan(
    given: Sequence[Path], output: Path, config: ScanSettings, flags: ScanSettings
) -> ScanPlan:
    settings = config.model_copy(update=flags.model_dump(exclude_unset=True))
    paths = plan(output)
    recordings = find_recordings(given, exclude=paths.folder)
    bundle, which = choose_bundle(settings.model, Path("artifacts"))
    layers = RuleLayers(config.single_rules(), settings.rules, flags.single_rules())
    rules, rules_from = layers.over(bundle.spec.rules)
    stderr().print(f"Model {bundle.spec.name} ({which}: {bundle.path})", soft_wrap=True)
    return ScanPlan(
        bundle=bundle,
        which=which,
        rules=rules,
        rules_from=rules_from,
        recordings=recordings,
        placing=plan_placing(settings, recordings),
        paths=paths,
        exports=plan_exports(settings, paths.folder, recordings),
        n_threads=n_threads(settings.jobs),
        plots=settings.plots,
        keep_scores=settings.keep_scores,
        given=tuple(given),
    )


def _scan(scan_plan: ScanPlan) -> tuple[list[FileResult], bool]:
    """Scan all; the results in order, and whether it was interrupted."""
    stop = threading.Event()
    gathered: list[FileResult] = []
    with (
        stopping_on_interrupt(stop),
        ScanProgress(scan_plan.recordings) as progress,
        Detector(scan_plan.bundle, scan_plan.n_threads) as detector,
    ):
        prepare(scan_plan.paths, plots=scan_plan.plots)
        scan_plan.exports.remove_old()
        job = ScanJob(
            detector=detector,
            rules=scan_plan.rules,
            pictures=scan_plan.plots,
            progress=progress.advance,
            stop=stop,
            scores=scan_plan.keep_scores,
            origin_of=scan_plan.placing.origin,
        )
        pictures = Pictures()
        with _keeping_scores(scan_plan) as keep:
            for result in scan_recordings(scan_plan.recordings, job, scan_plan.n_threads):
                gathered.append(pictures.kept(keep(result), gathered))
                progress.finished()
    return gathered, stop.is_set()


@contextmanager
def _keeping_scores(scan_plan: ScanPlan) -> Iterator[Callable[[FileResult], FileResult]]:
    """A function that writes a result's scores, where they are wanted, and lets go of them."""
    if not scan_plan.keep_scores:
        yield lambda result: result
        return
    with write_scores(scan_plan.paths.scores, scan_plan.bundle) as scores:

        def keep(result: FileResult) -> FileResult:
            if result.scores is not None:
                scores.add(result.recording.name, result.scores)
            return replace(result, scores=None)

        yield keep


def _write(
    scan_plan: ScanPlan,
    results: list[FileResult],
    *,
    started_s: float,
    clock_s: float,
    interrupted: bool,
) -> float:
    """Write tables, exports, plots and manifest; the seconds the scan took to its tables."""
    spec = scan_plan.bundle.spec
    bands = {label: (spec.low_hz, spec.high_hz) for label in spec.labels}
    events = ScanEvents(results, bands, calibrations_of(spec))
    write_results(scan_plan.paths.results, results, spec.labels)
    write_events(scan_plan.paths.events, results, bands, calibrations_of(spec))
    season = Season.of(results, spec.labels)
    write_season(scan_plan.paths, results, season)
    wall_s = time.perf_counter() - clock_s
    scan_plan.exports.write(events, spec.labels, with_clips=not interrupted)
    plots = draw_plots(scan_plan, results, bands, season) if scan_plan.plots else ()
    manifest = Manifest(
        command=tuple(sys.argv),
        versions=_versions(),
        bundle=_bundle_facts(scan_plan),
        settings=_settings(scan_plan),
        inputs=tuple(scan_plan.recordings),
        started_s=started_s,
        wall_s=wall_s,
        audio_s=sum(result.scanned_s for result in results),
        counts=Counter(result.status for result in results),
        plots=plots,
    )
    write_manifest(scan_plan.paths.manifest, manifest)
    return wall_s


def _settings(scan_plan: ScanPlan) -> dict[str, Any]:
    return {
        "jobs": scan_plan.n_threads,
        "plots": scan_plan.plots,
        "keep_scores": scan_plan.keep_scores,
        "paths": [os.path.abspath(path) for path in scan_plan.given],
        "rules": {label: rules.model_dump() for label, rules in scan_plan.rules.items()},
        "rules_from": scan_plan.rules_from,
        **scan_plan.placing.settings.told(),
        **scan_plan.exports.told(),
    }


def calibrations_of(spec: BundleSpec) -> dict[str, Calibration]:
    """Calibration of each label of a bundle that has one."""
    return {
        label: Calibration(one.method, one.scores, one.probabilities)
        for label, one in spec.calibration.items()
    }


def _versions() -> dict[str, str]:
    packages = ("ai-edge-litert", "numpy", "soundfile", "soxr")
    return {
        "callcount": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _bundle_facts(scan_plan: ScanPlan) -> dict[str, str]:
    return {
        "path": os.path.abspath(scan_plan.bundle.path),
        "name": scan_plan.bundle.spec.name,
        "hash": scan_plan.bundle.sha256,
        "which": scan_plan.which,
    }
