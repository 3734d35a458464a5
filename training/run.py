"""Training run: settings to a folder of bundles, reports and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml

from counter.bundle import DEFAULT_FILE, MODEL_FILE, write_bundle
from counter.evaluation.rule_scoring import AnnotatedScores
from counter.storage.atomic import check_replaceable, new_folder
from training.data.clip_set import ClipSet
from training.data.clip_sources import read_clips, split_sources
from training.export.bundle_export import CONFIG_FILE
from training.export.litert_export import ExportedForm, export
from training.fit.fit_by_kind import Model, fit, mean_of
from training.fit.fitting import Progress
from training.fit.window_fitting import TrainedWindows, check_windows
from training.models.litert_run import SAVED_FILE, scorer
from training.models.networks import context_frames
from training.report.model_report import (
    ModelRun,
    provenance,
    report_data,
    write_card,
    write_model_report,
)
from training.rule_learning import count_error
from training.settings.front_end_settings import FrontEndSettings
from training.settings.network_settings import NetworkSettings
from training.settings.train_settings import TrainSettings, of_kind
from training.validation.cross_fit import (
    CrossFit,
    StageProgress,
    call_lengths_s,
    cross_fit,
    made_of,
    score_made,
    with_rules,
)
from training.validation.review_effect import Change

VALIDATION_SEED = 12

RunProgress = Callable[[str, str], Progress]


@dataclass(frozen=True)
class RunResult:
    """What a training run left.

    Attributes
    ----------
    folder : Path
        The run's folder.
    default : str
        Name of the better model.
    runs : mapping from model name to ModelRun
    changes : tuple of Change
        What reviewed clips changed for the better model.
    """

    folder: Path
    default: str
    runs: dict[str, ModelRun]
    changes: tuple[Change, ...]


def train_all(
    settings: TrainSettings, output: Path, *, command: str, progress: RunProgress
) -> RunResult:
    """Train every configured model and write everything to ``output/settings.name`` in one move.

    Raises
    ------
    ClipError
        The clips are missing, too few or mostly broken.
    OutputError
        Something that is no training run is in the way.
    CallcountError
        An export does not do what the trained model does.
    """
    folder = output / settings.name
    check_replaceable(folder, DEFAULT_FILE)
    clip_sets = {
        rate: read_clips(settings.clips, rate, needs_background=not settings.has_windows)
        for rate in {front_end.sample_rate_hz for front_end in settings.models.values()}
    }
    for front_end in settings.models.values():
        check_windows(settings, front_end, clip_sets[front_end.sample_rate_hz])
    with new_folder(folder, DEFAULT_FILE) as made:
        runs, shown = {}, {}
        for name, front_end in settings.models.items():
            clips = clip_sets[front_end.sample_rate_hz]
            runs[name] = train_one(settings, name, clips, progress=progress)
            _write_bundle(made, settings, runs[name], command)
            data = report_data(settings, runs[name])
            write_model_report(made / name, runs[name], data)
            shown[name] = (runs[name], data)
        default = min(runs, key=lambda name: runs[name].cross_fit.cost)
        _write_run(made, settings, runs, default=default)
        write_card(made, settings, shown, default=default, command=command)
    return RunResult(folder, default, runs, shown[default][1].changes)


def train_one(
    settings: TrainSettings, name: str, clips: ClipSet, *, progress: RunProgress
) -> ModelRun:
    """Train, cross-fit and export one model; the bundle's choices are made, nothing is written."""
    front_end = settings.models[name]
    split = split_sources(clips, settings.clips, settings.seed)
    known = clips.subset([*split.train, *split.validation])

    def stage(text: str) -> Progress:
        return progress(name, text)

    crossed = cross_fit(settings, front_end, known, stage)
    training, validation = clips.subset(split.train), clips.subset(split.validation)
    mean = mean_of(settings, crossed.models)
    trained = mean or _one_more(settings, front_end, (training, validation), stage)
    sounds = ([clip.samples for clip in side.clips] for side in (validation, training))
    exports = export(trained, *sounds)
    scored = _score_validation(settings, trained, exports.variants, validation)
    lengths_s = [call_lengths_s(known, label, front_end) for label in range(len(clips.labels))]
    crossed = with_rules(crossed, scored["float32"] if mean is None else None, lengths_s)
    chosen, costs = _choose(exports.variants, scored, crossed)
    return ModelRun(
        name=name,
        front_end=front_end,
        clips=clips,
        split=split,
        cross_fit=crossed,
        trained=trained,
        is_mean=mean is not None,
        exports=exports,
        chosen=chosen,
        export_costs=costs,
    )


def _one_more(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    sides: tuple[ClipSet, ClipSet],
    stage: StageProgress,
) -> Model:
    """A model trained on all training sources, of a kind that has no mean."""
    training, validation = sides
    seed, progress = settings.seed * 100, stage("final")
    return fit(settings, front_end, training, validation=validation, seed=seed, progress=progress)


def _score_validation(
    settings: TrainSettings, trained: Model, exports: Sequence[ExportedForm], validation: ClipSet
) -> dict[str, list[list[AnnotatedScores]]]:
    """What each variant says of recordings made of the validation sources, a list per label."""
    seed = [VALIDATION_SEED, settings.seed]
    made = made_of(validation, trained.front_end, settings, seed)
    return {
        one.variant: score_made(
            scorer(one.content, trained.frame_samples, trained.window_samples),
            made,
            len(validation.labels),
        )
        for one in exports
    }


def _choose(
    exports: Sequence[ExportedForm],
    scored: dict[str, list[list[AnnotatedScores]]],
    crossed: CrossFit,
) -> tuple[ExportedForm, dict[str, float]]:
    """The variant for the bundle: int8 only where it counts as float32 does on validation."""
    costs = {}
    for variant, made in scored.items():
        errors = [
            count_error(one, learned.rules, crossed.timebase).cost
            for one, learned in zip(made, crossed.learned, strict=True)
        ]
        costs[variant] = sum(errors) / len(errors)
    by_variant = {exported.variant: exported for exported in exports}
    small = by_variant.get("int8")
    is_equal = small is not None and small.is_within and costs["int8"] <= costs["float32"]
    return by_variant["int8" if is_equal else "float32"], costs


def _write_bundle(folder: Path, settings: TrainSettings, run: ModelRun, command: str) -> None:
    labels = run.clips.labels
    spec = {
        "name": f"{settings.name}-{run.name}",
        "trained_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "labels": labels,
        "sample_rate_hz": run.front_end.sample_rate_hz,
        "frame_samples": run.trained.frame_samples,
        "context_frames": _context_frames(settings, run.trained),
        "window_samples": run.trained.window_samples,
        "low_hz": run.front_end.low_hz,
        "high_hz": run.front_end.high_hz,
        "rules": run.cross_fit.rules(labels),
        "provenance": provenance(settings, run, command),
    }
    usable = [one for one in run.exports.variants if one.is_within]
    others = {f"model-{one.variant}.tflite": one.content for one in usable}
    if run.exports.saved is not None:
        others[SAVED_FILE] = run.exports.saved
    write_bundle(folder / run.name, spec, {MODEL_FILE: run.chosen.content, **others})


def _context_frames(settings: TrainSettings, trained: Model) -> int:
    """Frames on either side that a score depends on."""
    if isinstance(trained, TrainedWindows):
        return -(-trained.shape.context_samples // trained.frame_samples)
    return context_frames(of_kind(settings.network, NetworkSettings))


def _write_run(
    folder: Path, settings: TrainSettings, runs: dict[str, ModelRun], *, default: str
) -> None:
    chosen = yaml.safe_dump({"model": default})
    resolved = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    for name, text in ((DEFAULT_FILE, chosen), (CONFIG_FILE, resolved)):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
