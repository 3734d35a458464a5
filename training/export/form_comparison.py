"""Comparison of a bundle's forms (float32, float16, int8) on validation clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from counter.bundle import Bundle
from counter.errors import BundleError, CallcountError
from counter.records import FloatArray
from training.data.clip_set import BACKGROUND, ClipSet
from training.data.clip_sources import read_clips, split_sources
from training.export.bundle_export import float32_model, int8_model, proof_sounds
from training.models.litert_graph import to_float16
from training.models.litert_run import (
    SAVED_FILE,
    Score,
    clip_score,
    clip_windows,
    on_whole_sounds,
    runner,
    saved_model_runner,
    times_real_time,
    unpacked,
)
from training.settings.network_settings import WindowShape
from training.settings.train_settings import TrainSettings
from training.validation.clip_metrics import (
    CLIP_THRESHOLD,
    ClipScores,
    labels_over,
    spread_over_sources,
)

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class FormFigures:
    """How one form does."""

    name: str  # ``keras``, ``float32``, ``float16`` or ``int8``
    n_bytes: int  # size of its file
    agreement: float  # share of clips of which it says what the first form says, 0 to 1
    accuracy: float | None  # share of clips of which it says what is true
    accuracy_low: float | None  # its 95 % interval over sources
    accuracy_high: float | None
    largest_difference: float  # of a frame's score to the first form's, over all clips
    speed_x: float  # seconds of sound scored in a second of one processor


def validation_clips(bundle: Bundle, settings: TrainSettings) -> ClipSet:
    """The clips that a bundle was validated on, found again by the settings it was trained with.

    Raises
    ------
    CallcountError
        Clips are missing, or are others than those that the bundle was trained on.
    """
    needs_background = bundle.spec.window_samples is None
    rate_hz = bundle.spec.sample_rate_hz
    clips = read_clips(settings.clips, rate_hz, needs_background=needs_background)
    split = split_sources(clips, settings.clips, settings.seed)
    found = {side: len(getattr(split, side)) for side in SIDES}
    known = bundle.spec.provenance.get("sources", found)
    if clips.labels != bundle.spec.labels or found != known:
        raise CallcountError(
            f"these are not the clips of bundle {bundle.spec.name}: "
            f"{_sources_text(clips.labels, found)}, "
            f"where it was trained on {_sources_text(bundle.spec.labels, known)}.",
            "Name its settings with --config, and where its clip folders are with --clips.",
        )
    return clips.subset(split.validation)


def _sources_text(labels: tuple[str, ...], sources: dict[str, int]) -> str:
    train, validation, test = (sources.get(side, 0) for side in SIDES)
    counts = f"{train} to train, {validation} to validate and {test} to test on"
    return f"{', '.join(labels)} in sources of {counts}"


def _forms(bundle: Bundle) -> Iterator[tuple[str, int, Score]]:
    """All forms of a bundle's model, the one that the others are compared with first.

    Of each the name, the size of its file, and what ``on_whole_sounds`` takes.
    """
    n_samples = bundle.spec.window_samples or bundle.spec.frame_samples
    saved = bundle.companion(SAVED_FILE)
    if saved is not None:
        files = unpacked(saved, SAVED_FILE)
        yield "keras", sum(map(len, files.values())), saved_model_runner(files)
    name, float32 = float32_model(bundle)
    yield "float32", len(float32), runner(float32, n_samples)
    try:
        half = to_float16(float32, name)
        yield "float16", len(half), runner(half, n_samples)
    except BundleError:
        pass  # nothing to be made float16
    quantised = int8_model(bundle)
    if quantised is not None:
        yield "int8", len(quantised[1]), runner(quantised[1], n_samples)


def compare_forms(bundle: Bundle, clips: ClipSet) -> list[FormFigures]:
    """Every form's figures on the clips; agreement and difference are to the first form."""
    spec, figures, first = bundle.spec, [], None
    sound = np.concatenate(proof_sounds(spec.sample_rate_hz, spec.low_hz, spec.high_hz))
    threshold = np.full(len(clips.labels), CLIP_THRESHOLD)
    for name, n_bytes, run in _forms(bundle):
        score = on_whole_sounds(run, spec.frame_samples, spec.window_samples)
        frames = [score(clip.samples) for clip in clips.clips]
        scores = _clip_scores(bundle, clips, run)
        _, labels = labels_over(scores, threshold)
        first = (frames, labels) if first is None else first
        accuracy = spread_over_sources(scores, threshold, seed=0)["accuracy"]
        figures.append(
            FormFigures(
                name=name,
                n_bytes=n_bytes,
                agreement=float((labels == first[1]).all(axis=1).mean()),
                accuracy=accuracy["value"],
                accuracy_low=accuracy["low"],
                accuracy_high=accuracy["high"],
                largest_difference=_largest(frames, first[0]),
                speed_x=times_real_time(score, sound, spec.sample_rate_hz),
            )
        )
    return figures


def _largest(frames: list[FloatArray], others: list[FloatArray]) -> float:
    pairs = zip(frames, others, strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def _clip_scores(bundle: Bundle, clips: ClipSet, run: Score) -> ClipScores:
    spec = bundle.spec
    is_exclusive = spec.provenance.get("classes") == "exclusive"

    def scores_of(samples: FloatArray) -> FloatArray:
        if spec.window_samples is None:
            return on_whole_sounds(run, spec.frame_samples, None)(samples)
        return run(clip_windows(samples, WindowShape(spec.window_samples, spec.frame_samples)))

    scores = [clip_score(scores_of(one.samples), is_exclusive=is_exclusive) for one in clips.clips]
    return ClipScores.of(
        clips,
        scores,
        split="validation",
        is_exclusive=is_exclusive,
        has_background=bool(clips.of(BACKGROUND)),
    )
