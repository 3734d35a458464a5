"""Corrected counts of a scan from a checked sample, and their table (``estimate.csv``)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counter.errors import CallcountError, OutputError
from counter.estimation.estimators import (
    Checks,
    Estimate,
    Population,
    call_density,
    checked_strata,
    estimate_total,
    strata_without_checks,
)
from counter.estimation.interval import Interval
from counter.estimation.sample_table import (
    PLAN,
    TABLE,
    SamplePlan,
    planned,
    read_plan,
    read_true_calls,
)
from counter.estimation.stretches import Stretches, read_stretches, strata, strata_codes
from counter.records import FAILED
from counter.tables.csv import MADE_BY, write_csv, write_json
from counter.tables.results import Results

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "stratum",
    "stretches",
    "checked",
    "share_verified",
    "model_calls",
    "seen_calls",
    "calls",
    "low",
    "high",
    "correction",
    "horvitz_thompson_calls",
    "horvitz_thompson_low",
    "horvitz_thompson_high",
    "too_wide",
    "checks_to_halve",
)
ALL = "all"


@dataclass(frozen=True)
class EstimateReport:
    """Corrected counts of a scan with their intervals, over all and for each stratum.

    Attributes
    ----------
    label : str
        What was counted.
    by : str
        What the parts are.
    n_filled, n_planned : int
        Checks that a person filled in, of how many.
    overall : Estimate
        Over all strata of which anything was checked.
    parts : mapping of str to Estimate or None
        Of each stratum; None where too little was checked.
    left_out : tuple of str
        Strata of the sample without any check; they are not in ``overall``.
    occupied : Interval or None
        Share of stretches that hold a call, 0 to 1 (Navine and others 2024).
    """

    label: str
    by: str
    n_filled: int
    n_planned: int
    overall: Estimate
    parts: Mapping[str, Estimate | None]
    left_out: tuple[str, ...]
    occupied: Interval | None

    @property
    def frame(self) -> pd.DataFrame:
        """Rows of ``estimate.csv``: over all, then each stratum; no number without an estimate."""
        import pandas as pd

        rows = [
            {COLUMNS[0]: name, **(_figures(part) if part is not None else {})}
            for name, part in self.rows()
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def rows(self) -> list[tuple[str, Estimate | None]]:
        """The estimate over all, then that of each stratum, with their names."""
        return [(ALL, self.overall), *self.parts.items()]


def check_estimate_path(path: Path) -> None:
    """Make sure that the table and its JSON can be written there.

    Raises
    ------
    OutputError
        The path does not end in ``.csv``, its folder is missing, or something else is there.
    """
    if path.suffix.lower() != ".csv":
        raise OutputError(f"-o {path} does not end in .csv.", f"Write -o {path}.csv.")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is no folder.", "Give another name with -o.")
    if os.path.lexists(path) and not _is_own(path):
        raise OutputError(
            f"{path} exists and is no estimate of callcount's.",
            "Move it away or give another name with -o.",
        )


def _is_own(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") == ",".join(COLUMNS)


def write_estimate(path: Path, report: EstimateReport) -> None:
    """Write ``path`` (one row over all, then one a stratum) and the ``.json`` beside it.

    A stratum without an estimate has a row with its name alone. The JSON says besides what was
    counted, how many checks were filled in and the share of stretches that hold a call.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    write_csv(path, COLUMNS, (_row(name, part) for name, part in report.rows()))
    data = {
        "made_by": MADE_BY,
        "label": report.label,
        "by": report.by,
        "checks": {"filled_in": report.n_filled, "planned": report.n_planned},
        "left_out": list(report.left_out),
        "all": _figures(report.overall),
        "strata": {name: part and _figures(part) for name, part in report.parts.items()},
        "share_of_stretches_with_calls": report.occupied and asdict(report.occupied),
    }
    write_json(path.with_suffix(".json"), data)


def _row(name: str, part: Estimate | None) -> list[str]:
    figures = _figures(part).values() if part is not None else [None] * (len(COLUMNS) - 1)
    return [name, *map(_cell, figures)]


def _figures(part: Estimate) -> dict[str, Any]:
    values = (
        part.n_stretches,
        part.n_checked,
        part.share_verified,
        part.model_calls,
        part.seen_calls,
        *(part.difference.value, part.difference.low, part.difference.high),
        part.correction,
        *(part.horvitz_thompson.value, part.horvitz_thompson.low, part.horvitz_thompson.high),
        part.is_too_wide,
        part.checks_to_halve,
    )
    return dict(zip(COLUMNS[1:], values, strict=True))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


FILE = "estimate.json"


@dataclass(frozen=True)
class Corrected:
    """A corrected count with its 95 % interval."""

    counted: float  # what the model counted there
    # the corrected count and its interval
    calls: float
    low: float
    high: float
    # stretches that a person checked, of how many
    n_checked: int
    n_stretches: int
    is_too_wide: bool  # whether the interval is wider than the count

    @property
    def text(self) -> str:
        """``71 (68 to 75)``."""
        return f"{self.calls:.0f} ({self.low:.0f} to {self.high:.0f})"


@dataclass(frozen=True)
class LeftEstimate:
    """What one run of ``callcount estimate`` left."""

    # what was counted, and what the parts are
    label: str
    by: str
    overall: Corrected  # over all strata of which anything was checked
    parts: Mapping[str, Corrected | None]  # of each stratum; None where too little was checked
    left_out: tuple[str, ...]  # strata that are not in ``overall``


def find_estimates(results: Results) -> list[Path]:
    """Estimates in folders beside the results that are of this very scan: the newest of a label."""
    folder = results.files.folder
    near = {*folder.glob(f"*/{FILE}"), *results.files.results.parent.glob(f"*/{FILE}")}
    near |= {folder / FILE} if (folder / FILE).is_file() else set()
    found: dict[str, Path] = {}
    for path in sorted(near, key=lambda one: (one.stat().st_mtime_ns, one)):
        if (label := _label_of(results, path)) is not None:
            found[label] = path
    return list(found.values())


def _label_of(results: Results, path: Path) -> str | None:
    """What an estimate is about, if its sample was drawn from these results; else None."""
    if not (path.parent / PLAN).is_file():
        return None
    try:
        plan, one = read_plan(path.parent / TABLE), _read(path)
    except CallcountError:
        return None
    scanned = {row.name for row in results.recordings if row.status != FAILED and row.scanned_s > 0}
    is_of = plan.bundle_hash == results.facts.bundle["hash"] and set(plan.stratum_of) == scanned
    if not is_of or one.label not in results.labels:
        return None
    n_calls = _n_calls(results, one.label)
    # with other event rules the same recordings hold other counts
    is_same = one.overall.counted <= n_calls if one.left_out else one.overall.counted == n_calls
    return one.label if is_same else None


def read_estimates(results: Results, paths: Iterable[Path]) -> tuple[LeftEstimate, ...]:
    """Read estimates, one a label at most.

    Raises
    ------
    CallcountError
        A file is no estimate of callcount's, or is about another label or more calls than were
        counted; or two are about one label.
    """
    found: dict[str, LeftEstimate] = {}
    for path in paths:
        one = _read(path.with_suffix(".json"))
        if one.label not in results.labels:
            known = ", ".join(results.labels)
            raise CallcountError(f"{path} is about {one.label!r}; the results hold only: {known}.")
        if one.overall.counted > _n_calls(results, one.label):
            raise CallcountError(
                f"{path} is of another scan: it holds {one.overall.counted:.0f} calls of "
                f"{one.label}, the results only {_n_calls(results, one.label)}.",
                "Name the estimate that was made from these results.",
            )
        if one.label in found:
            raise CallcountError(
                f"there are two estimates of {one.label}, the second is {path}.",
                "Name the one to show with --estimate.",
            )
        found[one.label] = one
    return tuple(found.values())


def _n_calls(results: Results, label: str) -> int:
    return int((results.event_table.label == results.labels.index(label)).sum())


def _read(path: Path) -> LeftEstimate:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["made_by"] != MADE_BY:
            raise KeyError("made_by")
        return LeftEstimate(
            label=data["label"],
            by=data["by"],
            overall=_corrected(data["all"]),
            parts={name: one and _corrected(one) for name, one in data["strata"].items()},
            left_out=tuple(data["left_out"]),
        )
    except FileNotFoundError as error:
        raise CallcountError(f"there is no estimate at {path}.", "Check the path.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CallcountError(
            f"{path} is no estimate of callcount's: {error!r}.",
            f"Name the {FILE} or .csv that callcount estimate wrote.",
        ) from error


def _corrected(figures: Mapping[str, Any]) -> Corrected:
    return Corrected(
        counted=float(figures["model_calls"]),
        calls=float(figures["calls"]),
        low=float(figures["low"]),
        high=float(figures["high"]),
        n_checked=int(figures["checked"]),
        n_stretches=int(figures["stretches"]),
        is_too_wide=bool(figures["too_wide"]),
    )


@dataclass(frozen=True)
class CheckedSample:
    """A scan and the filled-in sample of it, fitted to each other; made by ``read_checks``."""

    results: Results
    plan: SamplePlan
    stretches: Stretches
    season: Population
    checks: Checks
    strata: tuple[str, ...]


def read_checks(results: Results, table: Path) -> CheckedSample:
    """Read a filled-in sample and fit it to the scan that it was drawn from.

    Raises
    ------
    CallcountError
        The table or its plan cannot be read, is not filled in, or is of other results.
    """
    plan = read_plan(table)
    true_calls = read_true_calls(table, plan)
    if results.facts.bundle["hash"] != plan.bundle_hash:
        raise CallcountError(
            f"{results.files.results} and {table} are of different bundles "
            f"({results.facts.bundle['hash'][:8]} and {plan.bundle_hash[:8]}).",
            "Name the results that the sample was drawn from.",
        )
    if np.isnan(true_calls).all():
        raise CallcountError(f"{table} is not filled in: true_calls is empty in every row.")
    stretches = read_stretches(results, plan.label, plan.stretch_s)
    index, inclusion = planned(plan, stretches.recording)
    drawn = np.array([check.model_calls for check in plan.checks])
    changed = set(stretches.recording) != set(plan.stratum_of)
    if changed or (stretches.model_count[index] != drawn).any():
        raise CallcountError(
            f"{results.files.results} has changed since {table} was drawn from it.",
            "Name the results that the sample was drawn from, or draw again.",
        )
    names, stratum = strata_codes(stretches, plan.stratum_of)
    season = Population(stretches.model_count, stratum)
    checks = Checks(index, inclusion, true_calls)
    return CheckedSample(results, plan, stretches, season, checks, names)


def correct_counts(
    checked: CheckedSample, *, by: str | None = None, recordings: Path | None = None
) -> EstimateReport:
    """Corrected counts with their intervals, over all and for each stratum.

    Strata are those of the sample, or ``by``: ``folder``, ``recording`` or a column of the table
    ``recordings``, which is the scan's own by default.

    Raises
    ------
    CallcountError
        Too little was checked for any estimate, or the table lacks a column or a recording.
    """
    plan = checked.plan
    by = by or plan.by
    groups: Mapping[str, str] = plan.stratum_of
    if by != plan.by or recordings is not None:
        names = checked.stretches.recording
        groups = strata(checked.results, names, by=by, table=recordings)
    is_filled = checked.checks.is_filled
    return EstimateReport(
        label=plan.label,
        by=by,
        n_filled=int(is_filled.sum()),
        n_planned=len(is_filled),
        overall=_overall(checked),
        parts=_parts(checked, groups),
        left_out=tuple(strata_without_checks(checked.season, checked.checks, checked.strata)),
        occupied=_occupied(checked),
    )


def _overall(checked: CheckedSample) -> Estimate:
    """Estimate over the strata of which anything was checked."""
    season, checks = checked.season, checked.checks
    found = estimate_total(season, checks, checked_strata(season, checks))
    if found is not None:
        return found
    if (season.model_count[checks.index[checks.is_filled]] > 0).any():
        which, unknown = "without", "missed"
    else:
        which, unknown = "with", "made up"
    raise CallcountError(
        f"no stretch {which} detections was checked: what the model {unknown} cannot be known.",
        "Fill in more rows, from the top.",
    )


def _parts(checked: CheckedSample, groups: Mapping[str, str]) -> dict[str, Estimate | None]:
    """Estimate of each group; None where part of it is in a stratum without any check."""
    names, codes = strata_codes(checked.stretches, groups)
    known = checked_strata(checked.season, checked.checks)
    return {
        name: estimate_total(checked.season, checked.checks, codes == code)
        if known[codes == code].all()
        else None
        for code, name in enumerate(names)
    }


def _occupied(checked: CheckedSample) -> Interval | None:
    checks = checked.checks
    filled = checks.is_filled
    return call_density(
        checked.stretches.score,
        checks.index[filled],
        checks.true_calls[filled] > 0,
        1 / checks.inclusion[filled],
    )
