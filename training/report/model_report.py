"""Model report: from a trained model to what its report and card need."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counter import __version__
from counter.evaluation.rule_scoring import RuleScorer
from counter.evaluation.rule_search import THRESHOLDS
from training.data.clip_set import BACKGROUND, Clip, ClipSet
from training.data.clip_sources import Split
from training.export.litert_export import ExportedForm, ExportedForms
from training.fit.fit_by_kind import Model
from training.fit.window_fitting import TrainedWindows
from training.models.front_ends import (
    CENTRE_DB,
    UNIT_DB,
    LogBands,
    band_centres_hz,
    spectrogram_like,
)
from training.report.card import (
    ANNOTATED,
    IN_A_ROW,
    LAID,
    CardData,
    ExpectedCounts,
    Parity,
    SplitCount,
    how_expected,
    how_rules,
    model_card,
)
from training.report.training_plots import ClipWaveform, Features
from training.report.training_report import ReportData, RuleFit, split_reports, write_report
from training.report.trust import LabelTrust, trust_of
from training.rule_learning import MATCH, CountError, count_error
from training.settings.front_end_settings import BandSettings, FrontEndSettings
from training.settings.train_settings import TrainSettings
from training.validation.clip_metrics import CLIP_THRESHOLD
from training.validation.cross_fit import CrossFit, score_clips
from training.validation.review_effect import Change, changes, score_reviewed


@dataclass(frozen=True)
class ModelRun:
    """One model, trained, cross-fitted and exported.

    Attributes
    ----------
    name : str
    front_end : FrontEndSettings
    clips : ClipSet
        All clips at the model's rate.
    split : Split
    cross_fit : CrossFit
    trained : Model
        The final model.
    is_mean : bool
        Whether that is the mean of the folds' models; else it was trained on the training sources.
    exports : ExportedForms
    chosen : ExportedForm
        What the bundle holds.
    export_costs : mapping from variant to cost on made recordings of validation sources
    """

    name: str
    front_end: FrontEndSettings
    clips: ClipSet
    split: Split
    cross_fit: CrossFit
    trained: Model
    is_mean: bool
    exports: ExportedForms
    chosen: ExportedForm
    export_costs: Mapping[str, float]

    def trust(self) -> tuple[LabelTrust, ...]:
        """What speaks against counting with it, for each label."""
        return trust_of(self.cross_fit, self.clips)

    def changes(self) -> tuple[Change, ...]:
        """What reviewed clips changed; clips kept for testing are scored by the final model."""
        reviewed = self.cross_fit.reviewed
        reviewed += score_reviewed(self.trained.scores, self.clips.subset(self.split.test))
        learned = dict(zip(self.clips.labels, self.cross_fit.learned, strict=True))
        return changes(reviewed, learned, self.cross_fit.timebase)


CARD_FILE = "model_card.md"
# Example clips of each label; of more labels than this, one each.
N_EXAMPLES, MOST_WITH_SEVERAL = 3, 3


def provenance(settings: TrainSettings, run: ModelRun, command: str) -> dict[str, Any]:
    """How a bundle came about, as plain values for ``bundle.yaml``."""
    return {
        "command": command,
        "seed": settings.seed,
        "front_end": run.front_end.model_dump(mode="json"),
        "network": settings.network.model_dump(mode="json"),
        "classes": settings.classes,
        "window_s": settings.fit.window_s,
        "origins": [dict(origin) for origin in run.clips.origins],
        "sources": {
            side: len(getattr(run.split, side)) for side in ("train", "validation", "test")
        },
        "variant": run.chosen.variant,
        "parity": {one.variant: round(one.largest_difference, 6) for one in run.exports.variants},
        "validation_cost": {name: round(cost, 4) for name, cost in run.export_costs.items()},
        "rules_learned_on": {
            label: {
                "recordings": learned.error.n_recordings,
                "calls": learned.error.n_calls,
                "count_error": round(learned.error.count_error, 4),
                "bias": round(learned.error.bias, 4),
                "f1": round(learned.error.f1, 4),
                "total_error": _rounded(learned.error.total_error),
            }
            for label, learned in zip(run.clips.labels, run.cross_fit.learned, strict=True)
        },
        "unfit": [one.why_unfit for one in run.trust() if one.is_unfit],
        "versions": versions(),
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def versions() -> dict[str, str]:
    """Versions that training depends on, of packages that are installed."""
    names = ("tensorflow", "keras", "tensorflow-io", "librosa", "numpy", "soundfile", "soxr")
    found = {"callcount": __version__, "python": platform.python_version()}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def write_model_report(folder: Path, run: ModelRun, data: ReportData) -> None:
    """Write the report of one model beside its bundle, and the rules that were tried."""
    write_report(folder, data)
    tried = [
        {"label": label, "rule": one.rule, "value": one.value, "cost": one.cost}
        for label, learned in zip(run.clips.labels, run.cross_fit.learned, strict=True)
        for one in learned.tried
    ]
    pd.DataFrame(tried).to_csv(folder / "rules_tried.csv", index=False, lineterminator="\n")


def report_data(settings: TrainSettings, run: ModelRun) -> ReportData:
    """What the report and the card of one model show; scores the test clips."""
    labels, classes = run.clips.labels, run.clips.classes()
    return ReportData(
        model=run.name,
        validation=run.cross_fit.clips,
        test=score_clips(run.trained, run.clips.subset(run.split.test), "test"),
        thresholds=np.full(len(labels), CLIP_THRESHOLD),
        history=pd.DataFrame(run.trained.history),
        waveforms=tuple(
            ClipWaveform(f"{clip.name}", clip.samples, run.clips.sample_rate_hz)
            for label in classes
            for clip in _examples(run.clips, label)
        ),
        positive=tuple(
            _features(run, clip)
            for label in range(len(labels))
            for clip in _examples(run.clips, label)
        ),
        negative=tuple(_features(run, clip) for clip in _examples(run.clips, BACKGROUND)),
        clip_lengths_s={
            "background" if label == BACKGROUND else labels[label]: _lengths_s(run.clips, label)
            for label in classes
        },
        rule_fit=_rule_fit(run),
        changes=run.changes(),
        origins=tuple(run.clips.described_origins()),
        seed=settings.seed,
    )


def _lengths_s(clips: ClipSet, label: int) -> NDArray[np.float64]:
    return np.array([len(clip.samples) / clips.sample_rate_hz for clip in clips.of(label)])


def _examples(clips: ClipSet, label: int) -> list[Clip]:
    """The first clip of each of the first few sources; of many labels, of one."""
    firsts = {clip.source: clip for clip in reversed(clips.of(label))}
    n_examples = N_EXAMPLES if len(clips.labels) <= MOST_WITH_SEVERAL else 1
    return [firsts[source] for source in sorted(firsts)[:n_examples]]


def _features(run: ModelRun, clip: Clip) -> Features:
    """What the network sees of a clip; where that is no picture, its spectrogram."""
    shown = run.front_end
    if not isinstance(shown, BandSettings):
        shown = spectrogram_like(shown)
    hop = shown.hop_samples
    whole = np.pad(clip.samples, (0, -len(clip.samples) % hop))
    values = np.asarray(LogBands(shown.model_dump())(whole[None]))[0]
    return Features(
        clip.name,
        values * UNIT_DB + CENTRE_DB,
        hop / shown.sample_rate_hz,
        band_centres_hz(shown),
        "dB",
    )


def _rule_fit(run: ModelRun) -> RuleFit:
    rows, sweep, chosen = [], [], {}
    crossed = run.cross_fit
    for label, scored, learned in zip(
        run.clips.labels, crossed.scored, crossed.learned, strict=True
    ):
        rules = learned.rules
        chosen[label] = rules.threshold
        scorer = RuleScorer(scored, crossed.timebase, MATCH)
        rows += [(label, *both) for both in scorer.table(rules)[:, :2].tolist()]
        for threshold in THRESHOLDS:
            table = scorer.table(rules.changed(threshold=threshold))
            sweep.append((label, threshold, CountError.of(table).count_error))
    return RuleFit(
        recordings=pd.DataFrame(rows, columns=["label", "true_calls", "counted_calls"]),
        sweep=pd.DataFrame(sweep, columns=["label", "threshold", "count_error"]),
        chosen=chosen,
    )


def write_card(
    folder: Path,
    settings: TrainSettings,
    runs: Mapping[str, tuple[ModelRun, ReportData]],
    *,
    default: str,
    command: str,
) -> None:
    """Write one card for the run: every model, the default one first."""
    order = sorted(runs, key=lambda name: name != default)
    cards = [model_card(_card_data(settings, *runs[name], command)) for name in order]
    (folder / CARD_FILE).write_text("\n".join(cards), encoding="utf-8", newline="\n")


def _card_data(settings: TrainSettings, run: ModelRun, data: ReportData, command: str) -> CardData:
    return CardData(
        name=f"{settings.name}-{run.name}",
        description=_description(settings, run),
        labels=run.clips.labels,
        command=command,
        seed=settings.seed,
        counts=_split_counts(run),
        data_licence=settings.clips.licence,
        origins=run.clips.described_origins(),
        changes=data.changes,
        reports=split_reports(data),
        rules=_named_rules(run),
        rules_how=how_rules(_learned_on(run), is_mean=run.is_mean),
        expected=_expected(run),
        parity=_parity(run),
        versions=versions(),
        skipped=[f"{broken.path}: {broken.reason}" for broken in run.clips.broken],
        warnings=[text for one in run.trust() for text in one.said],
    )


def _parity(run: ModelRun) -> list[Parity]:
    return [
        Parity(
            one.variant,
            one.n_clips,
            one.largest_difference,
            one.tolerance,
            one.variant == run.chosen.variant,
        )
        for one in run.exports.variants
    ]


def _learned_on(run: ModelRun) -> str:
    """What kind of recordings the event rules were learned on."""
    if not run.cross_fit.is_on_made:
        return ANNOTATED
    return LAID if run.clips.of(BACKGROUND) else IN_A_ROW


def _description(settings: TrainSettings, run: ModelRun) -> str:
    front_end, trained = run.front_end, run.trained
    n_weights, n_networks = trained.network.count_params(), len(run.cross_fit.models)
    network = (
        f"the mean of {n_networks} fully convolutional networks of {n_weights // n_networks} "
        "weights, each trained without one fold of the train and validation sources"
    )
    if isinstance(trained, TrainedWindows):
        window_s = trained.window_samples / front_end.sample_rate_hz
        kind = f"a network ({settings.network.kind}) of {n_weights} weights"
        network = f"windows of {window_s:g} s, {settings.classes} classes, {kind}"
    return (
        f"{front_end.kind} front end ({front_end.describe()} from {front_end.low_hz:g} to "
        f"{front_end.high_hz:g} Hz at {front_end.sample_rate_hz} Hz), {network}; one score every "
        f"{1000 * trained.frame_samples / front_end.sample_rate_hz:g} ms."
    )


def _named_rules(run: ModelRun) -> dict[str, float]:
    """Rules of all labels in one table; with several labels, the label stands before."""
    return {
        f"{label}.{key}" if len(run.clips.labels) > 1 else key: value
        for label, rules in run.cross_fit.rules(run.clips.labels).items()
        for key, value in rules.model_dump().items()
    }


def _split_counts(run: ModelRun) -> list[SplitCount]:
    counts = []
    for side in ("train", "validation", "test"):
        part = run.clips.subset(getattr(run.split, side))
        for label in run.clips.classes():
            name = "background" if label == BACKGROUND else run.clips.labels[label]
            counts.append(SplitCount(side, name, len(part.of(label)), len(part.sources_of(label))))
    return counts


def _expected(run: ModelRun) -> ExpectedCounts:
    crossed = run.cross_fit
    n_recordings = max(len(scored) for scored in crossed.scored)
    n_silent, n_false = 0, 0
    frames = max(sum(len(one.scores) for one in scored) for scored in crossed.scored)
    hours = frames * crossed.timebase.frame_s / 3600
    for scored, learned in zip(crossed.scored, crossed.learned, strict=True):
        silent = [one for one in scored if not one.calls]
        if silent:
            n_silent += sum(len(one.scores) for one in silent)
            n_false += count_error(silent, learned.rules, crossed.timebase).n_events
    silent_h = n_silent * crossed.timebase.frame_s / 3600
    return ExpectedCounts(
        how=how_expected(_learned_on(run), is_mean=run.is_mean),
        recordings=n_recordings,
        calls=sum(learned.error.n_calls for learned in crossed.learned),
        hours=hours,
        background_hours=silent_h,
        found=sum(learned.error.n_events for learned in crossed.learned),
        total_error=tuple(
            (label, learned.error.total_error)
            for label, learned in zip(run.clips.labels, crossed.learned, strict=True)
        ),
        is_on_made=crossed.is_on_made,
        count_error=float(np.mean([one.error.count_error for one in crossed.learned])),
        recording_s=hours * 3600 / n_recordings,
        false_events_per_hour=n_false / silent_h if silent_h else None,
    )
