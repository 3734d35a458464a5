"""What ``callcount tune`` shows in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from counter.cli.calibrating import Calibrated
from counter.cli.console import measure_cells, stderr, stdout
from counter.cli.rulefile import RULES_FILE
from counter.evaluation.comparison import KINDS
from counter.evaluation.rulesearch import FLAT_CALLS, FLAT_SHARE, RULE_OF
from counter.evaluation.season import table_costs
from counter.output.tuning_tables import WAYS, TunedLabel, Tuning, figures

_WAY_TITLES = {"before": "as scanned", "left_out": "left out", "fitted": "fitted"}
_ROWS = {
    "cost": "cost",
    "count_error": "count error",
    "count_bias": "count bias",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
}
_LEGEND = (
    "Left out: each recording counted with rules chosen without it. Fitted: with the rules below, "
    "on the recordings that they were chosen on; too good. Cost, error and bias: calls a recording."
)


def print_tuning(tuning: Tuning, calibrated: Mapping[str, Calibrated], bundle: Path) -> None:
    """Figures before and after, the rules with how flat the cost is, and where they are."""
    console = stdout()
    for one in tuning.labels:
        console.print(_title(one))
        console.print(_figures(one))
        console.print(_LEGEND, soft_wrap=True)
        console.print(_verdict(one), soft_wrap=True)
        console.print()
        console.print(_rules(one))
        console.print(
            f"Near the least: at most {FLAT_SHARE:.0%} and {FLAT_CALLS} calls a recording above "
            "the least cost, the other rules as tuned.",
            soft_wrap=True,
        )
        if one.label in calibrated:
            console.print(escape(calibrated[one.label].text(one.label)), soft_wrap=True)
        console.print()
    console.print(
        f"-> {escape(str(bundle))}: for scan --model; {escape(str(bundle / RULES_FILE))}: for "
        "scan --rules",
        soft_wrap=True,
    )
    for remark in tuning.remarks:
        stderr().print(f"Note: {escape(remark.rstrip('.'))}.", soft_wrap=True)


def _title(one: TunedLabel) -> str:
    true = one.tuned.before[:, KINDS.index("true")]
    n_folds = len(one.tuned.fold_rules)
    return escape(f"{one.label}: {len(true)} recordings, {true.sum()} calls, {n_folds} folds")


def _figures(one: TunedLabel) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    found = {way: figures(getattr(one.tuned, way)) for way in WAYS}
    for way in WAYS:
        table.add_column(_WAY_TITLES[way], justify="right")
        if way != "fitted":  # an interval would make it look like a result
            table.add_column("95 %", justify="right")
    for name, row in _ROWS.items():
        cells = [cell for way in WAYS for cell in measure_cells(found[way][name])]
        table.add_row(row, *cells[:-1])
    return table


def _verdict(one: TunedLabel) -> str:
    """Whether tuning helps, by recordings left out: the rules of the scan never saw them."""
    before, after = table_costs(one.tuned.before), table_costs(one.tuned.left_out)
    nearer, farther = int((after < before).sum()), int((after > before).sum())
    said = (
        f"On recordings left out, tuned rules cost {after.mean():.3f}, those of the scan "
        f"{before.mean():.3f}: less in {nearer} recordings, more in {farther}, the same in "
        f"{len(before) - nearer - farther}."
    )
    if after.mean() < before.mean():
        return said
    return f"{said} Tuning does not help here: keep the rules of the scan."


def _rules(one: TunedLabel) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule")
    for title in ("as scanned", "tuned", "without a fold", "near the least (of tried)"):
        table.add_column(title, justify="right")
    for rule in RULE_OF.values():
        folds = [getattr(rules, rule) for rules in one.tuned.fold_rules]
        tried = [value for value in one.tuned.tried if value.rule == rule]
        near = [value.value for value in tried if value.is_near]
        table.add_row(
            rule,
            f"{getattr(one.before, rule):g}",
            f"{getattr(one.tuned.rules, rule):g}",
            _span(folds),
            f"{_span(near)} ({len(near)}/{len(tried)})",
        )
    return table


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
