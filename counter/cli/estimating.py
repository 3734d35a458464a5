"""What ``callcount estimate`` does between its flags and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from counter.cli.calibrating import calibrate, checked_events, write_calibrated
from counter.cli.console import stderr, stdout
from counter.cli.rebundling import NewBundle
from counter.cli.seasons import read_stretches, strata
from counter.errors import CallcountError
from counter.estimation.density import call_density
from counter.estimation.estimators import (
    Checks,
    Estimate,
    Season,
    checked_strata,
    estimate,
    strata_without_checks,
)
from counter.estimation.interval import Interval
from counter.estimation.units import Stretches, strata_codes
from counter.output.estimates import EstimateReport, check_estimate_path, write_estimate
from counter.output.reading import Results, read_results
from counter.output.sampletable import SamplePlan, planned, read_plan, read_true_calls


@dataclass(frozen=True)
class EstimateOptions:
    """Flags of ``callcount estimate``; see there."""

    by: str | None
    recordings: Path | None
    output: Path | None
    calibrated: Path | None


@dataclass(frozen=True)
class _Checked:
    """A scan and its sample, fitted to each other."""

    results: Results
    stretches: Stretches
    season: Season
    checks: Checks
    strata: tuple[str, ...]


def run_estimate(results_csv: Path, table: Path, options: EstimateOptions) -> None:
    """Read the filled-in sample, estimate, print and write."""
    output = options.output or table.parent / "estimate.csv"
    check_estimate_path(output)
    results, plan = read_results(results_csv), read_plan(table)
    path = options.calibrated
    new = NewBundle.planned(path, results) if path is not None else None
    checked = _fit_together(results, plan, read_true_calls(table, plan), table)
    report = _report(checked, plan, options)
    _print(report, output)
    write_estimate(output, report)
    if new is not None:
        events = checked_events(results, plan.label, checked.stretches, checked.checks)
        write_calibrated(new, {plan.label: calibrate(events)}, str(table))


def _fit_together(
    results: Results, plan: SamplePlan, true_calls: NDArray[np.float64], table: Path
) -> _Checked:
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
    season = Season(stretches.model_count, stratum)
    return _Checked(results, stretches, season, Checks(index, inclusion, true_calls), names)


def _report(checked: _Checked, plan: SamplePlan, options: EstimateOptions) -> EstimateReport:
    by = options.by or plan.by
    groups: Mapping[str, str] = plan.stratum_of
    if by != plan.by or options.recordings is not None:
        recordings = checked.stretches.recording
        groups = strata(checked.results, recordings, by=by, table=options.recordings)
    is_filled = ~np.isnan(checked.checks.true_calls)
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


def _overall(checked: _Checked) -> Estimate:
    """Estimate over the strata of which anything was checked."""
    season, checks = checked.season, checked.checks
    found = estimate(season, checks, checked_strata(season, checks))
    if found is not None:
        return found
    is_filled = ~np.isnan(checks.true_calls)
    if (season.model_count[checks.index[is_filled]] > 0).any():
        which, unknown = "without", "missed"
    else:
        which, unknown = "with", "made up"
    raise CallcountError(
        f"no stretch {which} detections was checked: what the model {unknown} cannot be known.",
        "Fill in more rows, from the top.",
    )


def _parts(checked: _Checked, groups: Mapping[str, str]) -> dict[str, Estimate | None]:
    """Estimate of each group; None where part of it is in a stratum without any check."""
    names, codes = strata_codes(checked.stretches, groups)
    known = checked_strata(checked.season, checked.checks)
    return {
        name: estimate(checked.season, checked.checks, codes == code)
        if known[codes == code].all()
        else None
        for code, name in enumerate(names)
    }


def _occupied(checked: _Checked) -> Interval | None:
    checks = checked.checks
    filled = ~np.isnan(checks.true_calls)
    return call_density(
        checked.stretches.score,
        checks.index[filled],
        checks.true_calls[filled] > 0,
        1 / checks.inclusion[filled],
    )


def _print(report: EstimateReport, output: Path) -> None:
    console = stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(report.by, overflow="fold")
    for title in ("counted", "corrected", "95 % interval", "correction", "checked", "to halve"):
        table.add_column(title, justify="right")
    for name, part in report.parts.items():
        if len(report.parts) > 1:
            table.add_row(*_row(name, part))
    table.add_row(*_row("all", report.overall), style="bold")
    console.print(table)
    for remark in _remarks(report):
        stderr().print(remark)
    plain = report.overall.horvitz_thompson
    console.print(f"From the checks alone (Horvitz-Thompson): {_told(plain)}.")
    if report.occupied is not None:
        shares = (report.occupied.value, report.occupied.low, report.occupied.high)
        value, low, high = (f"{100 * share:.1f}" for share in shares)
        console.print(f"Stretches that hold a call (call density): {value} % ({low} to {high}).")
    console.print(f"-> {escape(str(output))}")


def _row(name: str, part: Estimate | None) -> list[str]:
    if part is None:
        return [escape(name), *[""] * 5, "no estimate"]
    interval = f"{part.difference.low:.0f} to {part.difference.high:.0f}"
    correction = "" if part.correction is None else f"{part.correction:.2f}"
    verified = f"{part.n_checked} ({100 * part.share_verified:.1f} %)"
    cells = [f"{part.model_calls:.0f}", f"{part.difference.value:.0f}"]
    wide = f"{interval} (too wide)" if part.is_too_wide else interval
    return [escape(name), *cells, wide, correction, verified, f"{part.checks_to_halve} more"]


def _told(interval: Interval) -> str:
    return f"{interval.value:.0f} calls, {interval.low:.0f} to {interval.high:.0f}"


def _remarks(report: EstimateReport) -> list[str]:
    remarks = []
    if report.n_filled < report.n_planned:
        remarks.append(
            f"{report.n_filled} of {report.n_planned} rows are filled in; estimated from these, "
            "which is right if they were filled in from the top."
        )
    if report.left_out:
        names = escape(", ".join(report.left_out))
        remarks.append(f"Without any check, hence no estimate, nor in the sum: {names}.")
    lacking = [name for name, part in report.parts.items() if part is None]
    if rest := [name for name in lacking if name not in report.left_out]:
        remarks.append(f"Too few checks for an estimate apart: {escape(', '.join(rest))}.")
    if report.overall.is_too_wide:
        remarks.append(
            "The interval is wider than the corrected count itself: too wide to compare seasons "
            f"or sites. {report.overall.checks_to_halve} more checks would about halve it."
        )
    return remarks
