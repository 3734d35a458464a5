"""What is to be scanned, how, and where it goes: known before the work begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from counter import __version__
from counter.bundle import Bundle, choose_bundle
from counter.cli.console import print_model
from counter.cli.exporting import Exports, ExportSettings, plan_exports
from counter.cli.placing import PlaceSettings, Placing, plan_placing
from counter.cli.reportplace import check_report
from counter.cli.rulefile import RuleLayers
from counter.cli.ruleoptions import SINGLE_RULES
from counter.cli.running import n_threads
from counter.config import EventRules
from counter.errors import CallcountError
from counter.files import find_recordings
from counter.output.eventrows import Bands
from counter.output.paths import OutputPaths, plan
from counter.pool import STALL_S, Pool, ScanPool
from counter.records import Recording
from counter.remote.urls import absolute
from counter.where import parse_cluster
from counter.worker import ScanOrder


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
    report: bool = Field(False, description="make an HTML report")
    keep_scores: bool = Field(False, description="keep the frame scores")
    fresh: bool = Field(False, description="forget what earlier runs did")
    retry_failed: bool = Field(False, description="scan again what failed")
    cluster: str | None = Field(None, description="Dask scheduler, or local:N")
    stall_s: float = Field(STALL_S, ge=1, description="give up what makes no progress")

    @field_validator("model", "rules", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("cluster")
    @classmethod
    def _cluster(cls, value: str | None) -> str | None:
        if value is not None:
            parse_cluster(value)
        return value

    def single_rules(self) -> dict[str, float]:
        """The event rules that are given one by one."""
        return self.model_dump(include=set(SINGLE_RULES), exclude_none=True)


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
    settings: ScanSettings
    given: tuple[str | Path, ...]

    @property
    def n_threads(self) -> int:
        """Threads that scan."""
        return n_threads(self.settings.jobs)

    @property
    def bands(self) -> Bands:
        """Band that each label is listened for in."""
        spec = self.bundle.spec
        return {label: (spec.low_hz, spec.high_hz) for label in spec.labels}

    def order(self) -> ScanOrder:
        """What the scanning process is told."""
        return ScanOrder(
            bundle=self.bundle,
            rules=self.rules,
            n_threads=self.n_threads,
            pictures=self.settings.plots,
            scores=self.settings.keep_scores,
        )

    def pool(self) -> Pool:
        """What scans: a process of this machine, or a cluster.

        Raises
        ------
        CallcountError
            A cluster is wanted and Dask is not installed.
        """
        stall_s = self.settings.stall_s
        if self.settings.cluster is None:
            return ScanPool(self.order(), stall_s=stall_s)
        try:
            from counter.cluster import ClusterPool
        except ImportError as error:
            fix = "Install it with pip install 'callcount[cluster]'."
            raise CallcountError(f"--cluster needs Dask: {error}.", fix) from error
        return ClusterPool(self.order(), parse_cluster(self.settings.cluster), stall_s=stall_s)

    def deciding(self) -> dict[str, Any]:
        """All that decides what is found in a recording, by a name for the user."""
        return {
            "model": self.bundle.sha256,
            "rules": {label: rules.model_dump() for label, rules in self.rules.items()},
            "version of callcount": __version__,
        }

    def told(self) -> dict[str, Any]:
        """The settings for the manifest."""
        return {
            "jobs": self.n_threads,
            "plots": self.settings.plots,
            "report": self.settings.report,
            "keep_scores": self.settings.keep_scores,
            "stall_s": self.settings.stall_s,
            "cluster": self.settings.cluster,
            "paths": [absolute(path) for path in self.given],
            "rules": {label: rules.model_dump() for label, rules in self.rules.items()},
            "rules_from": self.rules_from,
            **self.placing.settings.told(),
            **self.exports.told(),
        }


def plan_scan(
    given: Sequence[str | Path],
    output: Path,
    config: ScanSettings,
    flags: ScanSettings,
    *,
    exclude: str | None = None,
) -> ScanPlan:
    """Find every mistake before the work; ``flags`` win over ``config``.

    ``exclude`` is a folder not to search, where it is not the one of the outputs.

    Raises
    ------
    CallcountError
        Settings, paths or a bundle that are wrong, or outputs that clash.
    """
    settings = config.model_copy(update=flags.model_dump(exclude_unset=True))
    paths = plan(output)
    if settings.report:
        check_report(paths)
    recordings = find_recordings(given, exclude=exclude or paths.folder)
    bundle, which = choose_bundle(settings.model, Path("artifacts"))
    layers = RuleLayers(config.single_rules(), settings.rules, flags.single_rules())
    rules, rules_from = layers.over(bundle.spec.rules)
    print_model(bundle, which)
    return ScanPlan(
        bundle=bundle,
        which=which,
        rules=rules,
        rules_from=rules_from,
        recordings=recordings,
        placing=plan_placing(settings, recordings),
        paths=paths,
        exports=plan_exports(settings, paths.folder, recordings),
        settings=settings,
        given=tuple(given),
    )
