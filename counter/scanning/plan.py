"""Plan of a scan: its settings, and all that is known before the work begins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from counter.bundle import Bundle, choose_bundle
from counter.config import n_threads
from counter.errors import CallcountError
from counter.events.rules import SINGLE_RULES, EventRules, RuleLayers
from counter.formats.writers import ExportSettings, ExtraOutputs, plan_exports
from counter.metadata.sites import Placement, PlaceSettings, plan_placement
from counter.records import Recording
from counter.report.report_page import check_report_path
from counter.scanning.outputs import plan_outputs
from counter.scanning.pool import STALL_S, Pool, ScanPool
from counter.scanning.recording import ScanOrder
from counter.storage.inputs import find_recordings
from counter.storage.urls import absolute
from counter.tables.event_rows import Bands
from counter.tables.manifest import OutputPaths

# Another number whenever the same recording, model and rules may give another outcome.
COUNTING = 1
# What 0.1.0 wrote in its place; it counts alike.
_EARLIER = {"version of callcount": "0.1.0"}
_LOCAL = "local"
_MOST_WORKERS = 1024


def parse_cluster(text: str) -> str | int:
    """An address of a Dask scheduler as it is, or the number of workers of ``local:N``.

    Raises
    ------
    ValueError
        It is neither.
    """
    kind, _, rest = text.partition(":")
    if kind == _LOCAL:
        if not rest.isdecimal() or not 1 <= int(rest) <= _MOST_WORKERS:
            raise ValueError(f"{text!r} names no number of workers, as local:4 does")
        return int(rest)
    if not rest.startswith("//") or len(rest) < 3:
        raise ValueError(f"{text!r} is no address such as tcp://scheduler:8786, nor local:4")
    return text


class ScanSettings(PlaceSettings, ExportSettings):
    """Settings of a scan; what is None comes from the bundle."""

    model: Path | None = Field(None, description="folder of a bundle, or of a training run")
    rules: Path | None = Field(None, description="YAML file with event rules")
    threshold: float | None = Field(None, gt=0, lt=1, description="score that starts an event")
    gap_s: float | None = Field(None, ge=0, description="pauses shorter than this are bridged, s")
    min_duration_s: float | None = Field(None, ge=0, description="shortest event, s")
    max_duration_s: float | None = Field(None, gt=0, description="longest event, s")
    jobs: int | None = Field(None, ge=1, le=1024, description="threads; one a core by default")
    plots: bool = Field(True, description="draw a plot a recording, and of the season")
    report: bool = Field(False, description="make report.html as well")
    keep_scores: bool = Field(False, description="keep the frame scores, for tune and evaluate")
    fresh: bool = Field(False, description="forget what earlier runs did")
    retry_failed: bool = Field(False, description="scan again what failed in an earlier run")
    cluster: str | None = Field(None, description="address of a Dask scheduler, or local:N")
    stall_s: float = Field(STALL_S, ge=1, description="seconds without progress to give up after")

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
    """All that is known before the work begins; made by ``plan_scan``."""

    bundle: Bundle  # the model, and in ``which`` how it was chosen
    which: str
    rules: dict[str, EventRules]  # of each label, and in ``rules_from`` where they come from
    rules_from: list[str]
    recordings: list[Recording]  # what is scanned, in order; ``given`` is what they were found by
    placement: Placement  # how they are placed in time and space
    paths: OutputPaths  # where the outputs go
    exports: ExtraOutputs  # what is written besides the tables
    settings: ScanSettings  # what the user asked for
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
            from counter.scanning.cluster import ClusterPool
        except ImportError as error:
            fix = "Install it with pip install 'callcount[cluster]'."
            raise CallcountError(f"--cluster needs Dask: {error}.", fix) from error
        return ClusterPool(self.order(), parse_cluster(self.settings.cluster), stall_s=stall_s)

    def deciding(self) -> dict[str, Any]:
        """All that decides what is found in a recording, by a name for the user."""
        return {**self._model_and_rules(), "way of counting": COUNTING}

    def deciding_earlier(self) -> dict[str, Any]:
        """The same as 0.1.0 wrote it into its journals."""
        return {**self._model_and_rules(), **_EARLIER}

    def _model_and_rules(self) -> dict[str, Any]:
        return {
            "model": self.bundle.sha256,
            "rules": {label: rules.model_dump() for label, rules in self.rules.items()},
        }

    def placed_by(self) -> str:
        """All that decides when and where recordings were made, as a digest."""
        digest = hashlib.sha256(repr(sorted(self.placement.settings.facts().items())).encode())
        if self.settings.sites is not None:
            digest.update(self.settings.sites.read_bytes())
        return digest.hexdigest()

    def facts(self) -> dict[str, Any]:
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
            **self.placement.settings.facts(),
            **self.exports.facts(),
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
    paths = plan_outputs(output)
    if settings.report:
        check_report_path(paths.report)
    recordings = find_recordings(given, exclude=exclude or paths.folder)
    bundle, which = choose_bundle(settings.model, Path("artifacts"))
    layers = RuleLayers(config.single_rules(), settings.rules, flags.single_rules())
    rules, rules_from = layers.over(bundle.spec.rules)
    return ScanPlan(
        bundle=bundle,
        which=which,
        rules=rules,
        rules_from=rules_from,
        recordings=recordings,
        placement=plan_placement(settings, recordings),
        paths=paths,
        exports=plan_exports(settings, paths.folder, recordings),
        settings=settings,
        given=tuple(given),
    )
