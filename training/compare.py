"""``callcount compare``: recipes trained on the same grouped folds of the same clips."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

from counter.errors import ClipError, ConfigError
from counter.records import FloatArray
from training.clips import BACKGROUND, ClipSet, folds, read_clips
from training.export import float32_file
from training.fitting import Model, fit
from training.litertrun import scorer
from training.settings import ClipSettings, FrontEndSettings, TrainSettings
from training.windowfit import check_windows

DEFAULT_FOLDS = 5
# The group of clips.source_pattern that says which published fold a clip is in.
FOLD_GROUP = "fold"
# Sound that scoring speed is measured on, and how often: the fastest counts.
TIMED_S, TIMES = 60.0, 3
# Of independent labels, a clip whose scores are all lower is background.
CLIP_THRESHOLD = 0.5

FoldProgress = Callable[[str, int, int], None]
Sources = tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """A model to compare.

    Attributes
    ----------
    name : str
        As tables and pictures call it.
    settings : TrainSettings
    model : str
        Which of ``settings.models``.
    """

    name: str
    settings: TrainSettings
    model: str

    @property
    def front_end(self) -> FrontEndSettings:
        """Its front end."""
        return self.settings.models[self.model]


@dataclass(frozen=True)
class Heard:
    """What one fold's model said of the clips that it had not met.

    Attributes
    ----------
    names, sources : tuple of str, length n_clips
    true, predicted : array of int, shape (n_clips,)
        Index into the classes.
    train_cpu_s : float
        Processor seconds of training, of all threads.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    train_cpu_s: float

    @property
    def accuracy(self) -> float:
        """Share of clips with the right class, 0 to 1."""
        return float(np.mean(self.true == self.predicted))

    @property
    def macro_f1(self) -> float:
        """F1 of each class that is held out or predicted here, averaged, 0 to 1."""
        return float(f1_score(self.true, self.predicted, average="macro", zero_division=0.0))


@dataclass(frozen=True)
class Compared:
    """A model's figures.

    Attributes
    ----------
    candidate : Candidate
    classes : tuple of str
        Labels, then ``background`` where there are such clips.
    folds : tuple of Heard
    size_bytes : int
        Of its LiteRT file in float32, front end included.
    times_real_time : float
        Sound scored in a second of one processor by that file.
    """

    candidate: Candidate
    classes: tuple[str, ...]
    folds: tuple[Heard, ...]
    size_bytes: int
    times_real_time: float

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Of each fold, shape (n_folds,)."""
        return np.array([fold.accuracy for fold in self.folds])

    @property
    def macro_f1(self) -> NDArray[np.float64]:
        """Of each fold, shape (n_folds,)."""
        return np.array([fold.macro_f1 for fold in self.folds])

    @property
    def train_cpu_s(self) -> float:
        """Processor seconds of training, mean over folds."""
        return float(np.mean([fold.train_cpu_s for fold in self.folds]))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Clips by true class (rows) and predicted class, over all folds."""
        true = np.concatenate([fold.true for fold in self.folds])
        predicted = np.concatenate([fold.predicted for fold in self.folds])
        counts: NDArray[np.int64] = confusion_matrix(
            true, predicted, labels=np.arange(len(self.classes))
        )
        return counts


def candidates(recipes: Sequence[tuple[str, TrainSettings]]) -> list[Candidate]:
    """Every model of every recipe; a recipe of several models gives ``recipe-model`` each.

    Raises
    ------
    ConfigError
        Two have one name.
    """
    made = [
        Candidate(name if len(settings.models) == 1 else f"{name}-{model}", settings, model)
        for name, settings in recipes
        for model in settings.models
    ]
    for number, one in enumerate(made):
        if one.name in [other.name for other in made[:number]]:
            raise ConfigError(
                f"two recipes are named '{one.name}'.", "Name the files differently, or give one."
            )
    return made


class Arena:
    """The clips that all candidates are judged on, in the same folds.

    Parameters
    ----------
    entrants : sequence of Candidate
        One at least.
    n_folds : int or None
        Folds of sources; ``None`` for those that names tell (a group ``fold`` in
        ``clips.source_pattern``), else ``DEFAULT_FOLDS``.
    seed : int
        Of the folds, where they are dealt.

    Raises
    ------
    ClipError
        Clips that cannot be used, are not the same for all, or do not fit the folds.
    ConfigError
        ``n_folds`` where names tell the folds.
    """

    def __init__(self, entrants: Sequence[Candidate], n_folds: int | None, seed: int) -> None:
        self._sets: dict[tuple[str, int, bool], ClipSet] = {}
        first = entrants[0]
        for one in entrants:
            clips = self.clips(one)
            check_windows(one.settings, one.front_end, clips)
            _check_same(first, self.clips(first), one, clips)
        self.folds = _folds(first.settings.clips, self.clips(first), n_folds, seed)

    def clips(self, candidate: Candidate) -> ClipSet:
        """All clips at the candidate's rate."""
        settings, rate_hz = candidate.settings, candidate.front_end.sample_rate_hz
        needs_background = not settings.has_windows
        key = settings.clips.model_dump_json(), rate_hz, needs_background
        if key not in self._sets:
            self._sets[key] = read_clips(settings.clips, rate_hz, needs_background=needs_background)
        return self._sets[key]


def _check_same(first: Candidate, clips: ClipSet, other: Candidate, its: ClipSet) -> None:
    def told(one: ClipSet) -> list[tuple[str, str, str]]:
        return [(clip.name, clip.source, one.named(clip.label)) for clip in one.clips]

    if told(clips) != told(its):
        raise ClipError(
            f"'{first.name}' and '{other.name}' name different clips, labels or sources.",
            "Give the same clips to all, with --clips or --set clips....",
        )


def _folds(
    settings: ClipSettings, clips: ClipSet, n_folds: int | None, seed: int
) -> list[tuple[Sources, Sources]]:
    """Pairs (sources to train on, sources held out)."""
    pattern = re.compile(settings.source_pattern)
    if FOLD_GROUP not in pattern.groupindex:
        return folds(clips, n_folds or DEFAULT_FOLDS, seed)
    if n_folds is not None:
        raise ConfigError(
            "clips.source_pattern has a group 'fold', which tells the folds.", "Leave out --cv."
        )
    return published_folds(pattern, clips)


def published_folds(pattern: re.Pattern[str], clips: ClipSet) -> list[tuple[Sources, Sources]]:
    """The folds that the clips' names tell, in order of name.

    Raises
    ------
    ClipError
        A name tells none, a source stands in two, there is one fold only, or a class is all in one.
    """
    fold_of: dict[str, str] = {}
    for clip in clips.clips:
        found = pattern.match(Path(clip.name).stem)
        if found is None or found[FOLD_GROUP] is None:
            raise ClipError(f"clip {clip.name} has no group 'fold' by clips.source_pattern.")
        if fold_of.setdefault(clip.source, found[FOLD_GROUP]) != found[FOLD_GROUP]:
            raise ClipError(
                f"source {clip.source} stands in the folds {fold_of[clip.source]} and "
                f"{found[FOLD_GROUP]}.",
                "Correct the names or clips.source_pattern: one source on both sides of a test "
                "makes every model look better than it is.",
            )
    pairs = []
    for fold in sorted(set(fold_of.values())):
        kept = tuple(sorted(source for source, of in fold_of.items() if of != fold))
        known = {clip.label for clip in clips.subset(kept).clips}
        for label in sorted({clip.label for clip in clips.clips} - known):
            raise ClipError(
                f"all clips of {clips.named(label)} are in fold {fold}: none is left to train on."
            )
        pairs.append((kept, tuple(sorted(source for source, of in fold_of.items() if of == fold))))
    return pairs


def compare(
    entrants: Sequence[Candidate], arena: Arena, progress: FoldProgress
) -> Iterator[Compared]:
    """Train every candidate once a fold and hear the clips held out; one after the other.

    ``progress`` is told the candidate's name, the fold that begins, and how many there are.
    """
    for candidate in entrants:
        clips = arena.clips(candidate)
        heard = []
        for number, (kept, held_out) in enumerate(arena.folds):
            progress(candidate.name, number + 1, len(arena.folds))
            seed = candidate.settings.seed * 100 + number + 1
            before = time.process_time()
            model = fit(candidate.settings, candidate.front_end, clips.subset(kept), seed=seed)
            spent_s = time.process_time() - before
            heard.append(hear(candidate.settings, model, clips.subset(held_out), spent_s))
        content = float32_file(model)
        speed = _times_real_time(model, content, clips)
        yield Compared(candidate, classes_of(clips), tuple(heard), len(content), speed)


def classes_of(clips: ClipSet) -> tuple[str, ...]:
    """Labels, then ``background`` where there are such clips."""
    return clips.labels + (("background",) if clips.of(BACKGROUND) else ())


def hear(settings: TrainSettings, model: Model, clips: ClipSet, spent_s: float) -> Heard:
    """The class of each clip: that of the highest score."""
    scores = np.array([model.clip_score(clip.samples) for clip in clips.clips], dtype=np.float64)
    labels = np.array([clip.label for clip in clips.clips])
    has_background = BACKGROUND in labels
    if has_background:
        is_exclusive = settings.classes == "exclusive"
        rest = 1 - scores.sum(axis=1) if is_exclusive else _none_of(scores)
        scores = np.column_stack([scores, rest])
    return Heard(
        names=tuple(clip.name for clip in clips.clips),
        sources=tuple(clip.source for clip in clips.clips),
        true=np.where(labels == BACKGROUND, len(clips.labels), labels),
        predicted=scores.argmax(axis=1),
        train_cpu_s=spent_s,
    )


def _none_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score of background beside independent labels: highest where none is over threshold."""
    return np.where(scores.max(axis=1) >= CLIP_THRESHOLD, -1.0, 2.0)


def _times_real_time(model: Model, content: bytes, clips: ClipSet) -> float:
    """Seconds of sound that the file scores in a second of one processor."""
    n_samples = int(TIMED_S * clips.sample_rate_hz)
    sound: FloatArray = np.resize(
        np.concatenate([clip.samples for clip in clips.clips]), n_samples
    ).astype(np.float32)
    score = scorer(content, model.frame_samples, model.window_samples)
    spent_s = []
    for _ in range(TIMES):
        before = time.process_time()
        score(sound)
        spent_s.append(time.process_time() - before)
    return TIMED_S / max(min(spent_s), 1e-6)


def figures(compared: Compared) -> Mapping[str, object]:
    """A model's figures as plain values, for JSON."""
    candidate = compared.candidate
    return {
        "recipe": candidate.name,
        "front_end": candidate.front_end.kind,
        "network": candidate.settings.network.kind,
        "accuracy": _spread(compared.accuracy),
        "macro_f1": _spread(compared.macro_f1),
        "size_bytes": compared.size_bytes,
        "train_cpu_s": round(compared.train_cpu_s, 3),
        "times_real_time": round(compared.times_real_time, 1),
        "confusion": {
            "classes": list(compared.classes),
            "counts": compared.confusion.tolist(),
        },
        "settings": candidate.settings.model_dump(mode="json"),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, object]:
    """Mean and standard deviation over folds, and each fold."""
    return {
        "mean": round(float(values.mean()), 6),
        "sd": round(float(values.std(ddof=1)), 6),
        "folds": [round(float(value), 6) for value in values],
    }
