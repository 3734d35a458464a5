"""The forms that a bundle's model can be had in, compared on the clips it was validated on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from counter.bundle import Bundle
from counter.errors import BundleError, CallcountError
from counter.records import FloatArray
from training.clips import BACKGROUND, ClipSet, read_clips, split_sources
from training.clipscores import clip_score
from training.exports import float32_model, int8_model
from training.halved import halved
from training.litertrun import Score, on_whole_sounds, runner, times_real_time
from training.metrics import said_labels, spread_over_sources
from training.proofsounds import proof_sounds
from training.reporting import CLIP_THRESHOLD
from training.savedmodel import SAVED_FILE, saved_model_runner, unpacked
from training.scoredclips import ClipScores
from training.settings import TrainSettings, WindowShape
from training.windows import clip_windows

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Form:
    """One form of a model.

    Attributes
    ----------
    name : str
        ``keras``, ``float32``, ``float16`` or ``int8``.
    n_bytes : int
        Size of its file.
    run : callable
        From the model's own input to its scores; see ``litertrun.on_whole_sounds``.
    """

    name: str
    n_bytes: int
    run: Score


@dataclass(frozen=True)
class FormFigures:
    """How one form does.

    Attributes
    ----------
    name : str
    n_bytes : int
        Size of its file.
    agreement : float
        Share of clips of which it says what the first form says, 0 to 1.
    accuracy, accuracy_low, accuracy_high : float or None
        Share of clips of which it says what is true, and its 95 % interval over sources.
    largest_difference : float
        Of a frame's score to the first form's, over all clips.
    speed_x : float
        Seconds of sound scored in a second of one processor.
    """

    name: str
    n_bytes: int
    agreement: float
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    largest_difference: float
    speed_x: float


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
            f"these are not the clips of bundle {bundle.spec.name}: {_told(clips.labels, found)}, "
            f"where it was trained on {_told(bundle.spec.labels, known)}.",
            "Name its settings with --config, and where its clip folders are with --clips.",
        )
    return clips.subset(split.validation)


def _told(labels: tuple[str, ...], sources: dict[str, int]) -> str:
    counts = (sources.get(side, 0) for side in SIDES)
    return "{} in sources of {} to train, {} to validate and {} to test on".format(
        ", ".join(labels), *counts
    )


def forms_of(bundle: Bundle) -> Iterator[Form]:
    """All forms of a bundle's model, the one that the others are compared with first."""
    n_samples = bundle.spec.window_samples or bundle.spec.frame_samples
    saved = bundle.companion(SAVED_FILE)
    if saved is not None:
        files = unpacked(saved, SAVED_FILE)
        yield Form("keras", sum(map(len, files.values())), saved_model_runner(files))
    name, float32 = float32_model(bundle)
    yield Form("float32", len(float32), runner(float32, n_samples))
    try:
        half = halved(float32, name)
        yield Form("float16", len(half), runner(half, n_samples))
    except BundleError:
        pass  # nothing to be halved
    quantised = int8_model(bundle)
    if quantised is not None:
        yield Form("int8", len(quantised[1]), runner(quantised[1], n_samples))


def compare_forms(bundle: Bundle, clips: ClipSet) -> list[FormFigures]:
    """Every form's figures on the clips; agreement and difference are to the first form."""
    spec, figures, first = bundle.spec, [], None
    sound = np.concatenate(proof_sounds(spec.sample_rate_hz, spec.low_hz, spec.high_hz))
    threshold = np.full(len(clips.labels), CLIP_THRESHOLD)
    for form in forms_of(bundle):
        score = on_whole_sounds(form.run, spec.frame_samples, spec.window_samples)
        frames = [score(clip.samples) for clip in clips.clips]
        scores = _clip_scores(bundle, clips, form.run)
        _, said = said_labels(scores, threshold)
        first = (frames, said) if first is None else first
        accuracy = spread_over_sources(scores, threshold, seed=0)["accuracy"]
        figures.append(
            FormFigures(
                name=form.name,
                n_bytes=form.n_bytes,
                agreement=float((said == first[1]).all(axis=1).mean()),
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
