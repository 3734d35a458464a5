"""Compare recipes, trained on the same grouped folds of the same clips; table and picture."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

from counter import __version__
from counter.errors import ClipError, ConfigError
from counter.plots.style import BLUE, ORANGE, figure_for
from counter.records import FloatArray
from counter.tables.csv import write_csv, write_json
from training.data.clip_set import BACKGROUND, ClipSet
from training.data.clip_sources import folds, read_clips
from training.export.litert_export import float32_file
from training.fit.fit_by_kind import Model, fit
from training.fit.window_fitting import check_windows
from training.models.litert_run import scorer, times_real_time
from training.settings.front_end_settings import FrontEndSettings
from training.settings.train_settings import ClipSettings, TrainSettings
from training.validation.clip_metrics import NO_LABEL, plain_text

DEFAULT_FOLDS = 5
# The group of clips.source_pattern that says which published fold a clip is in.
FOLD_GROUP = "fold"
Sources = tuple[str, ...]


@dataclass(frozen=True)
class RecipeModel:
    """A model to compare."""

    name: str  # as tables and pictures call it
    settings: TrainSettings
    model: str  # which of ``settings.models``

    @property
    def front_end(self) -> FrontEndSettings:
        """Its front end."""
        return self.settings.models[self.model]


def recipe_models(recipes: Sequence[tuple[str, TrainSettings]]) -> list[RecipeModel]:
    """Every model of every recipe; a recipe of several models gives ``recipe-model`` each.

    Raises
    ------
    ConfigError
        Two have one name.
    """
    made = [
        RecipeModel(name if len(settings.models) == 1 else f"{name}-{model}", settings, model)
        for name, settings in recipes
        for model in settings.models
    ]
    for number, one in enumerate(made):
        if one.name in [other.name for other in made[:number]]:
            raise ConfigError(
                f"two recipes are named '{one.name}'.", "Name the files differently, or give one."
            )
    return made


class Comparison:
    """The clips that all candidates, one at least, are judged on, in the same folds.

    Parameters
    ----------
    n_folds : int or None
        Folds of sources; ``None`` for those in the names (a group ``fold`` in
        ``clips.source_pattern``), else ``DEFAULT_FOLDS``.
    seed : int
        Of the folds, where they are dealt.

    Raises
    ------
    ClipError
        Clips that cannot be used, are not the same for all, or do not fit the folds.
    ConfigError
        ``n_folds`` where names have the folds.
    """

    def __init__(self, models: Sequence[RecipeModel], n_folds: int | None, seed: int) -> None:
        self._sets: dict[tuple[str, int, bool], ClipSet] = {}
        first = models[0]
        for one in models:
            clips = self.clips(one)
            check_windows(one.settings, one.front_end, clips)
            _check_same(first, self.clips(first), one, clips)
        self.folds = _folds(first.settings.clips, self.clips(first), n_folds, seed)

    def clips(self, candidate: RecipeModel) -> ClipSet:
        """All clips at the candidate's rate."""
        settings, rate_hz = candidate.settings, candidate.front_end.sample_rate_hz
        needs_background = not settings.has_windows
        key = settings.clips.model_dump_json(), rate_hz, needs_background
        if key not in self._sets:
            self._sets[key] = read_clips(settings.clips, rate_hz, needs_background=needs_background)
        return self._sets[key]


def _check_same(first: RecipeModel, clips: ClipSet, other: RecipeModel, its: ClipSet) -> None:
    def named(one: ClipSet) -> list[tuple[str, str, str]]:
        return [(clip.name, clip.source, one.named(clip.label)) for clip in one.clips]

    if named(clips) != named(its):
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
    """The folds that the clips' names have, in order of name.

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


# Sound that scoring speed is measured on.
SPEED_S = 60.0
# Of independent labels, a clip whose scores are all lower is background.
CLIP_THRESHOLD = 0.5

FoldProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FoldScores:
    """What one fold's model predicted for the clips that it had not met."""

    names: tuple[str, ...]
    sources: tuple[str, ...]
    true: NDArray[np.int64]  # index into the classes, shape (n_clips,)
    predicted: NDArray[np.int64]
    train_cpu_s: float  # processor seconds of training, of all threads

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
    """A model's figures."""

    candidate: RecipeModel
    classes: tuple[str, ...]  # labels, then ``background`` where there are such clips
    folds: tuple[FoldScores, ...]
    size_bytes: int  # of its LiteRT file in float32, front end included
    times_real_time: float  # sound scored in a second of one processor by that file

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
    models: Sequence[RecipeModel], comparison: Comparison, progress: FoldProgress
) -> Iterator[Compared]:
    """Train every candidate once a fold and hear the clips held out; one after the other.

    ``progress`` gets the candidate's name, the fold that begins, and how many there are.
    """
    for candidate in models:
        clips = comparison.clips(candidate)
        folds = []
        for number, (kept, held_out) in enumerate(comparison.folds):
            progress(candidate.name, number + 1, len(comparison.folds))
            seed = candidate.settings.seed * 100 + number + 1
            before = time.process_time()
            model = fit(candidate.settings, candidate.front_end, clips.subset(kept), seed=seed)
            spent_s = time.process_time() - before
            scores = _class_scores(candidate.settings, model, clips, held_out)
            folds.append(_fold_scores(scores, clips.subset(held_out), spent_s))
        content = float32_file(model)
        speed = _speed(model, content, clips)
        yield Compared(candidate, classes_of(clips), tuple(folds), len(content), speed)


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


def _fold_scores(scores: NDArray[np.float64], clips: ClipSet, spent_s: float) -> FoldScores:
    """The class of each clip: that of the highest score."""
    labels = np.array([clip.label for clip in clips.clips])
    return FoldScores(
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


HEADER = (
    "recipe",
    "front_end",
    "network",
    "folds",
    "clips",
    "accuracy",
    "accuracy_sd",
    "macro_f1",
    "macro_f1_sd",
    "size_bytes",
    "train_cpu_s",
    "times_real_time",
)
CLIP_HEADER = ("recipe", "fold", "clip", "source", "true", "predicted")
ROW_IN = 0.6
# Right ends of the figures that have no axis, in shares of their room.
COLUMN_ENDS = (0.24, 0.56, 1.0)


def write_comparison(folder: Path, compared: Sequence[Compared]) -> None:
    """Write ``compare.csv``, ``clips.csv``, ``compare.json`` and ``compare.png`` to a folder."""
    write_csv(folder / "compare.csv", HEADER, [_row(one) for one in compared])
    write_csv(
        folder / "clips.csv", CLIP_HEADER, (row for one in compared for row in _clip_rows(one))
    )
    data = {"callcount": __version__, "recipes": [figures(one) for one in compared]}
    write_json(folder / "compare.json", data)
    draw_comparison(folder / "compare.png", compared)


def _row(one: Compared) -> list[object]:
    return [
        one.candidate.name,
        one.candidate.front_end.kind,
        one.candidate.settings.network.kind,
        len(one.folds),
        sum(len(fold.names) for fold in one.folds),
        *_mean_and_sd(one.accuracy),
        *_mean_and_sd(one.macro_f1),
        one.size_bytes,
        f"{one.train_cpu_s:.2f}",
        f"{one.times_real_time:.1f}",
    ]


def _mean_and_sd(values: NDArray[np.float64]) -> tuple[str, str]:
    return f"{values.mean():.4f}", f"{values.std(ddof=1):.4f}"


def _clip_rows(one: Compared) -> list[list[object]]:
    return [
        [one.candidate.name, number, name, source, one.classes[true], one.classes[predicted]]
        for number, fold in enumerate(one.folds, 1)
        for name, source, true, predicted in zip(
            fold.names, fold.sources, fold.true, fold.predicted, strict=True
        )
    ]


def draw_comparison(path: Path, compared: Sequence[Compared]) -> None:
    """Accuracy and macro F1 of every fold, a row a recipe; its other figures beside them."""
    rows = np.arange(len(compared))[::-1]
    with figure_for(path, 1.6 + ROW_IN * len(compared)) as figure:
        dots, table = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
        for name, colour, up in (("accuracy", BLUE, 0.16), ("macro F1", ORANGE, -0.16)):
            for row, one in zip(rows, compared, strict=True):
                values = 100 * (one.accuracy if name == "accuracy" else one.macro_f1)
                shown: Any = {"color": colour, "zorder": 2}
                dots.scatter(values, np.full(len(values), row + up), s=16, alpha=0.6, **shown)
                dots.scatter(values.mean(), row + up, s=160, marker="|", **shown)
            dots.scatter([], [], s=16, color=colour, label=f"{name} of a fold; | the mean")
        dots.set(xlabel="of held-out clips, %", ylim=(-0.5, len(compared) - 0.3))
        dots.set_yticks(rows, [plain_text(one.candidate.name) for one in compared])
        figure.legend(loc="outside upper center", ncols=2)
        table.axis("off")
        for right, (title, cells) in zip(COLUMN_ENDS, _columns(compared), strict=True):
            at: Any = {"ha": "right", "transform": table.get_yaxis_transform()}
            table.text(right, len(compared) - 0.45, title, va="bottom", **at)
            for row, cell in zip(rows, cells, strict=True):
                table.text(right, row, cell, va="center", **at)


def _columns(compared: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """Titles and cells of the figures that have no axis."""
    return [
        ("size\nkB", [f"{one.size_bytes / 1000:,.0f}" for one in compared]),
        ("training\nCPU s", [f"{one.train_cpu_s:,.1f}" for one in compared]),
        ("scoring\n× real time", [f"{one.times_real_time:,.0f}" for one in compared]),
    ]
