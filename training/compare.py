"""``callcount compare``: recipes trained on the same grouped folds of the same clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

from counter.records import FloatArray
from training.arena import Arena, Candidate, Sources
from training.clips import BACKGROUND, ClipSet
from training.export import float32_file
from training.fitting import Model, fit
from training.litertrun import scorer, times_real_time
from training.scoredclips import NO_LABEL
from training.settings import TrainSettings

# Sound that scoring speed is measured on.
SPEED_S = 60.0
# Of independent labels, a clip whose scores are all lower is background.
CLIP_THRESHOLD = 0.5

FoldProgress = Callable[[str, int, int], None]


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
            scores = _class_scores(candidate.settings, model, clips, held_out)
            heard.append(_heard(scores, clips.subset(held_out), spent_s))
        content = float32_file(model)
        speed = _speed(model, content, clips)
        yield Compared(candidate, classes_of(clips), tuple(heard), len(content), speed)


def classes_of(clips: ClipSet) -> tuple[str, ...]:
    """Labels, then ``background`` where there are such clips."""
    return clips.labels + ((NO_LABEL,) if clips.of(BACKGROUND) else ())


def _class_scores(
    settings: TrainSettings, model: Model, clips: ClipSet, held_out: Sources
) -> NDArray[np.float64]:
    """What the model says of the clips held out, (n_clips, n_classes), as ``classes_of`` has them.

    Background is a class wherever there is any, though none of it is held out.
    """
    unseen = clips.subset(held_out).clips
    scores = np.array([model.clip_score(clip.samples) for clip in unseen], dtype=np.float64)
    if not clips.of(BACKGROUND):
        return scores
    is_exclusive = settings.classes == "exclusive"
    rest = 1 - scores.sum(axis=1) if is_exclusive else _none_of(scores)
    return np.column_stack([scores, rest])


def _heard(scores: NDArray[np.float64], clips: ClipSet, spent_s: float) -> Heard:
    """The class of each clip: that of the highest score."""
    labels = np.array([clip.label for clip in clips.clips])
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


def _speed(model: Model, content: bytes, clips: ClipSet) -> float:
    """Times real time of the file on one processor, on the clips end to end, so many seconds."""
    sound: FloatArray = np.concatenate([clip.samples for clip in clips.clips])
    sound = np.resize(sound, int(SPEED_S * clips.sample_rate_hz))
    score = scorer(content, model.frame_samples, model.window_samples)
    return times_real_time(score, sound, clips.sample_rate_hz)


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
