"""``callcount tune``: event rules chosen on annotated recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from counter import __version__
from counter.bundle import MODEL_FILE
from counter.cli.console import measure_cells, stderr, stdout
from counter.cli.derived_bundle import NewBundle, draw_reliabilities
from counter.cli.options import partial_option, spreadsheet_option, truth_option
from counter.errors import CallcountError
from counter.estimation.calibration import Calibrated, Verified, calibrate_each
from counter.evaluation.comparison import KINDS
from counter.evaluation.rule_scoring import RuleScorer, table_costs
from counter.evaluation.rule_search import FLAT_CALLS, FLAT_SHARE, RULE_OF
from counter.evaluation.truth import AnnotatedScan, annotated_scores, read_truth, scores_of
from counter.evaluation.tuning import (
    PICTURE_FILE,
    REPORT_FILE,
    WAYS,
    Tuned,
    TunedLabel,
    Tuning,
    brief,
    deal_folds,
    figures,
    left_out_events,
    n_ticks,
    tune_rules,
    write_tuning,
)
from counter.events.matching import Criterion, IntArray, Scene
from counter.events.rules import RULES_FILE, rules_text
from counter.formats.annotations import tables_at
from counter.plots.evaluation_plot import draw_tuning
from counter.tables.results import Results, read_results
from counter.tables.scores import KeptScores


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@truth_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="New bundle with the rules. [default: tuned, in the folder of RESULTS]",
)
@click.option(
    "--folds",
    "n_folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Parts that the recordings are dealt into; each is left out once.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Decides which recordings go into which part.",
)
@partial_option
@click.option(
    "--calibrate",
    is_flag=True,
    help="Fit probabilities as well: Platt's curve, from 1,000 events on isotonic steps.",
)
@spreadsheet_option
def tune(results: Path, truth: Path, output: Path | None, **options: Any) -> None:
    """Choose event rules by the annotated calls of RESULTS, a scan with --keep-scores.

    Tries thresholds, smoothing, gaps, durations and parting, and takes what costs least: the
    count error of a recording, and half a call for every event without a call and every call
    without an event (IoU 0.3). Writes a new bundle, and the rules alone as rules.yaml for
    `scan --rules`; the old bundle stays as it is. Durations are tried around the length of the
    annotated calls, so mark calls from start to end.

    The figure that counts is the one `left out`: each recording counted with rules that were
    chosen without it. Every scanned recording counts; one without a row in the truth holds no call.
    """

    run_tune(results, TuneOptions(truth=truth, output=output, **options))


CRITERION = Criterion()


@dataclass(frozen=True)
class TuneOptions:
    """The flags of ``callcount tune``; see there."""

    truth: Path
    output: Path | None
    n_folds: int
    seed: int
    partial: bool
    calibrate: bool


@dataclass(frozen=True)
class _Task:
    """What is known before the work.

    Attributes
    ----------
    scan, kept
        The scan with the truth about it, and its scores.
    folds : mapping of str to array of int64
        Of each label that can be tuned, the fold of each recording.
    remarks : tuple of str
        What the reader should know.
    """

    scan: AnnotatedScan
    kept: KeptScores
    folds: Mapping[str, IntArray]
    remarks: tuple[str, ...]


def run_tune(results_csv: Path, options: TuneOptions) -> None:
    """Choose rules, write the bundle with them, print what they are worth."""
    results = read_results(results_csv)
    output = options.output or results.files.folder / "tuned"
    new = NewBundle.planned(output, results, REPORT_FILE)
    task = _task(results, options)
    tuned: list[TunedLabel] = []
    verified: dict[str, Verified] = {}
    with _ticking(len(task.folds) * n_ticks(options.n_folds)) as tick:
        for label, fold in task.folds.items():
            scores = annotated_scores(task.kept, task.scan, label)
            scorer = RuleScorer(scores, task.kept.timebase, CRITERION)
            before = results.facts.rules[label]
            tuned.append(TunedLabel(label, before, tune_rules(scorer, before, fold, tick)))
            if options.calibrate:
                verified[label] = _verified(scorer, tuned[-1].tuned)
    calibrated, refused = calibrate_each(verified)
    remarks = [*task.remarks, *_remarks(new, tuned, verified)]
    remarks += [f"no probability for {label}: {why.what}" for label, why in refused.items()]
    about = _about(results, options)
    tuning = Tuning(about, task.scan.scene.recordings, tuple(tuned), tuple(remarks))
    _write(new, tuning, calibrated)
    print_tuning(tuning, calibrated, new.path)


def _task(results: Results, options: TuneOptions) -> _Task:
    kept = scores_of(results)
    if kept is None:
        raise CallcountError(
            f"{results.files.results} was scanned without keeping the scores.",
            "Scan again with --keep-scores.",
        )
    scan = read_truth(results, options.truth, partial=options.partial)
    calls = scan.scene.calls
    has_length = calls.end_s > calls.start_s
    if not has_length.any():
        none = "no call" if not len(calls) else "no call with a length"
        raise CallcountError(
            f"{options.truth} marks {none} in the recordings of {results.files.results}.",
            "Rules are chosen by calls that are marked from start to end.",
        )
    remarks = list(scan.remarks)
    if not has_length.all():
        remarks.append(f"{(~has_length).sum()} calls have no length and cannot be found")
    folds = _folds(scan.scene, calls.group[has_length], options, remarks)
    return _Task(scan, kept, folds, tuple(remarks))


def _folds(
    scene: Scene, groups: IntArray, options: TuneOptions, remarks: list[str]
) -> dict[str, IntArray]:
    """Folds of each label that can be tuned, at least one; ``groups`` are those of its calls."""
    n_labels = len(scene.labels)
    folds: dict[str, IntArray] = {}
    refused: list[CallcountError] = []
    for column, label in enumerate(scene.labels):
        own = groups[groups % n_labels == column] // n_labels
        n_calls = np.bincount(own, minlength=len(scene.recordings))
        try:
            folds[label] = deal_folds(n_calls, options.n_folds, options.seed)
        except CallcountError as error:
            refused.append(error)
            remarks.append(f"{label} keeps its rules: {error.what.rstrip('.')}")
    if not folds:
        raise refused[0]
    return folds


@contextmanager
def _ticking(total: int) -> Iterator[Callable[[], None]]:
    """A function that moves a bar on a terminal; nothing in a pipe."""
    console = stderr()
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        bar_of = bar.add_task("trying rules", total=total)
        yield lambda: bar.advance(bar_of)


def _verified(scorer: RuleScorer, tuned: Tuned) -> Verified:
    """Events of every recording with rules that were chosen without it; a fold is a group."""
    found = left_out_events(scorer, tuned)
    return Verified(
        score=np.concatenate([one.score for one in found]),
        is_call=np.concatenate([one.is_call for one in found]),
        weight=np.ones(sum(len(one.score) for one in found)),
        group=np.repeat(np.arange(len(found)), [len(one.score) for one in found]),
    )


def _remarks(
    new: NewBundle, tuned: list[TunedLabel], verified: Mapping[str, Verified]
) -> Iterator[str]:
    spec = new.old.spec
    for one in tuned:
        if one.before != spec.rules[one.label]:
            yield f"the scan counted {one.label} with other rules than its bundle's"
        if one.label in spec.calibration and one.label not in verified:
            yield (
                f"the probabilities of {one.label} held for the old rules and are left out; "
                "--calibrate fits new ones"
            )


def _about(results: Results, options: TuneOptions) -> dict[str, Any]:
    return {
        "version": __version__,
        "results": str(results.files.results),
        "bundle": {key: results.facts.bundle[key] for key in ("name", "hash")},
        "truth": str(options.truth),
        "truth_sha256": _digest(options.truth),
        "criterion": CRITERION.text,
        "folds": options.n_folds,
        "seed": options.seed,
    }


def _digest(truth: Path) -> str:
    """Hash of a table; of a folder, the hash of its tables' hashes, in order."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in tables_at(truth)]
    if not truth.is_dir():
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _write(new: NewBundle, tuning: Tuning, calibrated: Mapping[str, Calibrated]) -> None:
    spec = new.old.spec
    is_tuned = {one.label for one in tuning.labels}
    rules = {**spec.rules, **{one.label: one.tuned.rules for one in tuning.labels}}
    old = {label: one for label, one in spec.calibration.items() if label not in is_tuned}
    changes = {
        "name": spec.name if spec.name.endswith("-tuned") else f"{spec.name}-tuned",
        "rules": {label: one.model_dump() for label, one in rules.items()},
        "calibration": {
            **{label: one.model_dump() for label, one in old.items()},
            **{label: one.calibration.model_dump() for label, one in calibrated.items()},
        },
        "provenance": _provenance(spec.provenance, tuning, calibrated),
    }
    with new.written(changes, [MODEL_FILE]) as folder:
        write_tuning(folder, tuning)
        (folder / RULES_FILE).write_text(rules_text(rules), encoding="utf-8", newline="\n")
        draw_tuning(folder / PICTURE_FILE, tuning.labels)
        draw_reliabilities(folder, calibrated, spec.labels)


def _provenance(
    old: Mapping[str, Any], tuning: Tuning, calibrated: Mapping[str, Calibrated]
) -> dict[str, Any]:
    """How the rules came about; what stood there of the old ones goes below ``tuning``."""
    is_tuned = {one.label for one in tuning.labels}
    kept = {key: value for key, value in old.items() if key != "calibrated_from"}
    before: dict[str, Any] = {}
    for key in ("rules_learned_on", "calibration"):
        noted = kept.pop(key, None)
        if not isinstance(noted, Mapping):
            noted = {}
        if rest := {label: value for label, value in noted.items() if label not in is_tuned}:
            kept[key] = rest
        before[key] = {label: value for label, value in noted.items() if label in is_tuned}
    labels = {one.label: brief(one) for one in tuning.labels}
    for label, noted in before["rules_learned_on"].items():
        labels[label]["rules_before_learned_on"] = noted
    if calibrated:
        new = {
            label: one.provenance(str(tuning.about["truth"])) for label, one in calibrated.items()
        }
        kept["calibration"] = {**kept.get("calibration", {}), **new}
    about = {**tuning.about, "recordings": len(tuning.recordings), "labels": labels}
    return {**kept, "tuning": about}


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
        console.print(_conclusion(one), soft_wrap=True)
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


def _conclusion(one: TunedLabel) -> str:
    """Whether tuning helps, by recordings left out: the rules of the scan never saw them."""
    before, after = table_costs(one.tuned.before), table_costs(one.tuned.left_out)
    nearer, farther = int((after < before).sum()), int((after > before).sum())
    text = (
        f"On recordings left out, tuned rules cost {after.mean():.3f}, those of the scan "
        f"{before.mean():.3f}: less in {nearer} recordings, more in {farther}, the same in "
        f"{len(before) - nearer - farther}."
    )
    if after.mean() < before.mean():
        return text
    return f"{text} Tuning does not help here: keep the rules of the scan."


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
