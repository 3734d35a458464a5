"""``callcount estimate``: the corrected count of a scan with its interval."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from counter.api import estimate as estimate_counts
from counter.cli.console import folded_column, number_columns, plain_table, stderr, stdout
from counter.cli.derived_bundle import NewBundle, write_calibrated
from counter.cli.options import PATH, spreadsheet_option, strata_option
from counter.estimation.calibration import calibrate, checked_events
from counter.estimation.corrected_counts import (
    EstimateReport,
    check_estimate_path,
    read_checks,
    write_estimate,
)
from counter.estimation.estimators import Estimate
from counter.estimation.interval import Interval
from counter.tables.results import read_results


@click.command()
@click.argument("results", type=PATH)
@click.argument("sample", type=PATH)
@click.option(
    "--by",
    help="What to estimate apart: folder, recording, or a column of the --recordings table. "
    "[default: the strata of the sample]",
)
@strata_option
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Table to write; a .json of that name goes beside it. "
    "[default: estimate.csv beside the sample]",
)
@click.option(
    "--calibrate",
    "calibrated",
    type=PATH,
    metavar="NEW_BUNDLE",
    help="Write a copy of the scan's bundle that also gives probabilities, fitted on the checks.",
)
@spreadsheet_option
def estimate(
    results: Path,
    sample: Path,
    by: str | None,
    recordings: Path | None,
    output: Path | None,
    calibrated: Path | None,
) -> None:
    """Estimate the true number of calls in the scan RESULTS from the filled-in table SAMPLE.

    Prints the corrected count with its 95 % interval, over all and for each stratum, how much was
    verified, and how many further checks would halve the interval.
    """
    output = output or sample.parent / "estimate.csv"
    check_estimate_path(output)
    scan = read_results(results)
    new = NewBundle.planned(calibrated, scan) if calibrated is not None else None
    report = estimate_counts(scan, sample, by=by, recordings=recordings)
    _print(report, output)
    write_estimate(output, report)
    if new is not None:
        checked = read_checks(scan, sample)
        label = checked.plan.label
        events = checked_events(scan, label, checked.stretches, checked.checks)
        write_calibrated(new, {label: calibrate(events)}, str(sample))


def _print(report: EstimateReport, output: Path) -> None:
    console = stdout()
    titles = ("counted", "corrected", "95 % interval", "correction", "checked", "to halve")
    table = plain_table(folded_column(report.by), *number_columns(*titles))
    for name, part in report.parts.items():
        if len(report.parts) > 1:
            table.add_row(*_row(name, part))
    table.add_row(*_row("all", report.overall), style="bold")
    console.print(table)
    for remark in _remarks(report):
        stderr().print(remark)
    plain = report.overall.horvitz_thompson
    console.print(f"From the checks alone (Horvitz-Thompson): {_interval(plain)}.")
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


def _interval(interval: Interval) -> str:
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
