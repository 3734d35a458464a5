"""What ``callcount tune`` does between its flags and its files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from counter import __version__
from counter.bundle import MODEL_FILE
from counter.calltables import tables_at
from counter.cli.calibrating import Calibrated, Verified, calibrate_each, draw_reliabilities
from counter.cli.console import stderr
from counter.cli.keptscores import heard, scores_of
from counter.cli.rebundling import NewBundle
from counter.cli.rulefile import RULES_FILE, rules_text
from counter.cli.truth import Beside, lay_beside
from counter.cli.tuningprint import print_tuning
from counter.errors import CallcountError
from counter.evaluation.records import Criterion, IntArray, Scene
from counter.evaluation.season import ScoredSeason
from counter.evaluation.tuning import Tuned, deal, found_left_out, n_searches, tune
from counter.output.reading import Results, read_results
from counter.output.scores import KeptScores
from counter.output.tuning_picture import draw_tuning
from counter.output.tuning_tables import (
    PICTURE_FILE,
    REPORT_FILE,
    TunedLabel,
    Tuning,
    brief,
    write_tuning,
)

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
    results, beside, kept
        The scan, the truth about it, and its scores.
    folds : mapping of str to array of int64
        Of each label that can be tuned, the fold of each recording.
    remarks : tuple of str
        What the reader should know.
    """

    results: Results
    beside: Beside
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
    with _ticking(len(task.folds) * n_searches(options.n_folds)) as tick:
        for label, fold in task.folds.items():
            season = ScoredSeason(
                heard(task.kept, task.beside, label), task.kept.timebase, CRITERION
            )
            before = results.facts.rules[label]
            tuned.append(TunedLabel(label, before, tune(season, before, fold, tick)))
            if options.calibrate:
                verified[label] = _verified(season, tuned[-1].tuned)
    calibrated, refused = calibrate_each(verified)
    remarks = [*task.remarks, *_remarks(new, tuned, verified)]
    remarks += [f"no probability for {label}: {why.what}" for label, why in refused.items()]
    about = _about(results, options)
    tuning = Tuning(about, task.beside.scene.recordings, tuple(tuned), tuple(remarks))
    _write(new, tuning, calibrated)
    print_tuning(tuning, calibrated, new.path)


def _task(results: Results, options: TuneOptions) -> _Task:
    kept = scores_of(results)
    if kept is None:
        raise CallcountError(
            f"{results.files.results} was scanned without keeping the scores.",
            "Scan again with --keep-scores.",
        )
    beside = lay_beside(results, options.truth, partial=options.partial)
    calls = beside.scene.calls
    has_length = calls.end_s > calls.start_s
    if not has_length.any():
        none = "no call" if not len(calls) else "no call with a length"
        raise CallcountError(
            f"{options.truth} marks {none} in the recordings of {results.files.results}.",
            "Rules are chosen by calls that are marked from start to end.",
        )
    remarks = list(beside.remarks)
    if not has_length.all():
        remarks.append(f"{(~has_length).sum()} calls have no length and cannot be found")
    folds = _folds(beside.scene, calls.group[has_length], options, remarks)
    return _Task(results, beside, kept, folds, tuple(remarks))


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
            folds[label] = deal(n_calls, options.n_folds, options.seed)
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


def _verified(season: ScoredSeason, tuned: Tuned) -> Verified:
    """Events of every recording with rules that were chosen without it; a fold is a group."""
    found = found_left_out(season, tuned)
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
            **{label: asdict(one.calibration) for label, one in calibrated.items()},
        },
        "provenance": _provenance(spec.provenance, tuning, calibrated),
    }
    with new.written(changes, [MODEL_FILE]) as folder:
        write_tuning(folder, tuning)
        (folder / RULES_FILE).write_text(rules_text(rules), encoding="utf-8")
        draw_tuning(folder / PICTURE_FILE, tuning.labels)
        draw_reliabilities(folder, calibrated, spec.labels)


def _provenance(
    old: Mapping[str, Any], tuning: Tuning, calibrated: Mapping[str, Calibrated]
) -> dict[str, Any]:
    """How the rules came about; what was said of the old ones goes below ``tuning``."""
    is_tuned = {one.label for one in tuning.labels}
    kept = {key: value for key, value in old.items() if key != "calibrated_from"}
    before: dict[str, Any] = {}
    for key in ("rules_learned_on", "calibration"):
        said = kept.pop(key, None)
        if not isinstance(said, Mapping):
            said = {}
        if rest := {label: value for label, value in said.items() if label not in is_tuned}:
            kept[key] = rest
        before[key] = {label: value for label, value in said.items() if label in is_tuned}
    told = {one.label: brief(one) for one in tuning.labels}
    for label, said in before["rules_learned_on"].items():
        told[label]["rules_before_learned_on"] = said
    if calibrated:
        new = {label: one.told(str(tuning.about["truth"])) for label, one in calibrated.items()}
        kept["calibration"] = {**kept.get("calibration", {}), **new}
    about = {**tuning.about, "recordings": len(tuning.recordings), "labels": told}
    return {**kept, "tuning": about}
