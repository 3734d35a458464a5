"""Cross-fitting: every source serves once as the unseen one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from counter.evaluation.rule_scoring import AnnotatedScores
from counter.evaluation.rule_search import FOR_MEAN, FOR_REAL_MEAN, STRICT
from counter.events.matching import Intervals
from counter.events.rules import EventRules
from counter.records import FloatArray
from counter.timebase import Timebase
from training.augment.levels import call_extent
from training.augment.soundscapes import (
    is_enough,
    make_clip_series,
    make_recordings,
    stands_alone,
)
from training.data.clip_set import BACKGROUND, ClipSet, KnownRecording
from training.data.clip_sources import folds
from training.fit.fit_by_kind import Model, fit
from training.fit.fitting import Progress
from training.fit.window_fitting import TrainedWindows
from training.rule_learning import Learned, learn_rules
from training.settings.front_end_settings import FrontEndSettings
from training.settings.train_settings import TrainSettings
from training.validation.clip_metrics import ClipScores
from training.validation.review_effect import ReviewedScores, score_reviewed

MADE_SEED = 11

Score = Callable[[FloatArray], FloatArray]
StageProgress = Callable[[str], Progress]


@dataclass(frozen=True)
class CrossFit:
    """Scores of models on sources that they had not met.

    Attributes
    ----------
    clips : ClipScores
        Scores of every clip by the fold that held its source out.
    scored : tuple (one per label) of tuple of AnnotatedScores
        Frame scores of recordings of held-out sources, made or annotated.
    learned : tuple of Learned
        Rules of each label; empty before ``with_rules``.
    timebase : Timebase
        Of the scores.
    reviewed : tuple of ReviewedScores
        The reviewed clips among them.
    models : tuple of Model
        Those of the folds.
    """

    clips: ClipScores
    scored: tuple[tuple[AnnotatedScores, ...], ...]
    learned: tuple[Learned, ...]
    timebase: Timebase
    reviewed: tuple[ReviewedScores, ...]
    models: tuple[Model, ...]

    @property
    def is_on_made(self) -> bool:
        """Whether made recordings are among those that the rules were learned on."""
        return any(one.is_made for scored in self.scored for one in scored)

    @property
    def cost(self) -> float:
        """Mean cost of the learned rules over labels; what models are compared by."""
        return float(np.mean([learned.error.cost for learned in self.learned]))

    def rules(self, labels: Sequence[str]) -> dict[str, EventRules]:
        """Learned rules by label."""
        return {label: one.rules for label, one in zip(labels, self.learned, strict=True)}


@dataclass(frozen=True)
class _FoldScores:
    """Scores of one fold's model on the sources that it had not met; see ``CrossFit``."""

    clips: ClipScores
    scored: list[list[AnnotatedScores]]
    reviewed: tuple[ReviewedScores, ...]


def cross_fit(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    clips: ClipSet,
    progress: StageProgress,
) -> CrossFit:
    """Train once a fold; score the held-out clips, and recordings made of them."""
    parts = folds(clips, settings.rules.folds, settings.seed)
    models: list[Model] = []
    waiting: list[Future[_FoldScores]] = []
    # Training leaves a part of the processor idle: enough to score the fold before meanwhile.
    with ThreadPoolExecutor(1, thread_name_prefix="score-fold") as pool:
        for number, (kept, held_out) in enumerate(parts, 1):
            stage = progress(f"fold {number} of {len(parts)}")
            known, unseen = clips.subset(kept), clips.subset(held_out)
            seed = settings.seed * 100 + number
            trained = fit(settings, front_end, known, validation=unseen, seed=seed, progress=stage)
            # Graphs are rings of references: without this, the windows of all folds stay in memory.
            gc.collect()
            models.append(trained)
            waiting.append(pool.submit(_score_fold, settings, trained, unseen, seed))
        found = [one.result() for one in waiting]
    scored = zip(*(one.scored for one in found), strict=True)
    return CrossFit(
        clips=joined([one.clips for one in found]),
        scored=tuple(tuple(chain.from_iterable(of_label)) for of_label in scored),
        learned=(),
        timebase=Timebase(front_end.sample_rate_hz, models[-1].frame_samples),
        reviewed=tuple(chain.from_iterable(one.reviewed for one in found)),
        models=tuple(models),
    )


def _score_fold(settings: TrainSettings, trained: Model, unseen: ClipSet, seed: int) -> _FoldScores:
    made = made_of(unseen, trained.front_end, settings, [MADE_SEED, seed])
    return _FoldScores(
        clips=score_clips(trained, unseen, "cross-validation"),
        scored=score_made(trained.scores, made, len(unseen.labels)),
        reviewed=score_reviewed(trained.scores, unseen),
    )


def with_rules(
    crossed: CrossFit,
    final: list[list[AnnotatedScores]] | None,
    lengths_s: Sequence[Sequence[float]],
) -> CrossFit:
    """The cross-fit with the rules learned on it and on what a final model scored.

    Folds show many unseen sources, the final model's own recordings show the scores that the rules
    will meet: both stand for unseen sources, so both are learned on. ``final`` is ``None`` where
    that model is the folds' mean, to which nothing but the test sources is unseen: its threshold is
    a lower one of those that do equally well (``FOR_MEAN``, ``FOR_REAL_MEAN``). ``lengths_s``
    holds the lengths of each label's calls.
    """
    scored = crossed.scored
    if final is not None:
        scored = tuple((*one, *more) for one, more in zip(scored, final, strict=True))
    depths = STRICT if final is not None else FOR_MEAN if crossed.is_on_made else FOR_REAL_MEAN
    learned = tuple(
        learn_rules(one, lengths, crossed.timebase, depths)
        for one, lengths in zip(scored, lengths_s, strict=True)
    )
    return replace(crossed, scored=scored, learned=learned)


def made_of(
    clips: ClipSet, front_end: FrontEndSettings, settings: TrainSettings, seed: Sequence[int]
) -> list[KnownRecording]:
    """Recordings with known calls: those annotated that ``clips`` were cut from, and made ones.

    None are made where enough is annotated, and where there are only calls, or only background;
    but where no background is to be had at all, clips stand one after another.
    """
    if stands_alone(settings.clips):
        return make_clip_series(clips, settings.rules, seed=seed)
    annotated = list(clips.recordings)
    is_mixed = 0 < len(clips.of(BACKGROUND)) < len(clips.clips)
    if is_enough(clips) or not is_mixed:
        return annotated
    n = settings.rules.recordings_per_fold
    scale = 1.0 if settings.has_windows else front_end.time_scale
    made = make_recordings(
        clips, front_end, settings.rules, n_recordings=n, seed=seed, time_scale=scale
    )
    return annotated + made


def score_made(
    score: Score, made: Sequence[KnownRecording], n_labels: int
) -> list[list[AnnotatedScores]]:
    """Frame scores of made recordings, a list per label."""
    result: list[list[AnnotatedScores]] = [[] for _ in range(n_labels)]
    for recording in made:
        scores = score(recording.samples)
        for label, one in enumerate(result):
            calls = [(start, stop) for which, start, stop in recording.calls if which == label]
            own = AnnotatedScores(scores[:, label], Intervals.of(calls), is_made=recording.is_made)
            one.append(own)
    return result


def call_lengths_s(clips: ClipSet, label: int, front_end: FrontEndSettings) -> list[float]:
    """Lengths of one label's calls, as they stand in their clips; without background, of clips."""
    if not clips.of(BACKGROUND):
        return [len(clip.samples) / clips.sample_rate_hz for clip in clips.of(label)]
    ends = [call_extent(clip.samples, front_end) for clip in clips.of(label)]
    return [(stop - start) / clips.sample_rate_hz for start, stop in ends]


def score_clips(trained: Model, clips: ClipSet, split: str) -> ClipScores:
    """Whole-clip scores of a model."""
    windowed = trained if isinstance(trained, TrainedWindows) else None
    return ClipScores.of(
        clips,
        [trained.clip_score(clip.samples) for clip in clips.clips],
        split=split,
        is_exclusive=windowed is not None and windowed.is_exclusive,
        has_background=windowed is None or windowed.has_background,
    )


def joined(parts: Sequence[ClipScores]) -> ClipScores:
    """Clip scores of several folds as one."""
    return replace(
        parts[0],
        scores=np.concatenate([part.scores for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        sources=tuple(source for part in parts for source in part.sources),
        names=tuple(name for part in parts for name in part.names),
    )
