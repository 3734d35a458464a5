"""Metrics of scored clips: per label, per class, per source."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from counter.errors import CallcountError
from counter.records import FloatArray
from training.data.clip_set import ClipSet

NO_LABEL = "background"

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ClipScores:
    """Scores that a model gives the clips of one split, with the truth.

    Attributes
    ----------
    labels : tuple of str
        The model's labels, at least one; ``background`` is no label but the absence of all.
    scores : array of float32, shape (n_clips, n_labels)
        One score per clip and label, 0 to 1.
    truth : array of bool, shape (n_clips, n_labels)
        Whether the clip holds the label; a background clip is a row without any.
    sources, names : tuple of str, length n_clips
        The recording that each clip was cut from; the clip's file name.
    split : str
        ``train``, ``validation`` or ``test``.
    is_exclusive : bool
        Whether one class sounds at a time; then the scores of a clip sum to at most 1.
    has_background : bool
        Whether a clip may be without any label: of exclusive classes, whether that is one of them.

    Raises
    ------
    ValueError
        Shapes that do not fit each other, no label, a label twice or named ``background``.
    CallcountError
        A score that is not a number from 0 to 1.
    """

    labels: tuple[str, ...]
    scores: FloatArray
    truth: Bools
    sources: tuple[str, ...]
    names: tuple[str, ...]
    split: str
    is_exclusive: bool = False
    has_background: bool = True

    def __post_init__(self) -> None:
        if not self.labels or len({*self.labels, NO_LABEL}) != len(self.labels) + 1:
            raise ValueError(f"labels {self.labels} must be distinct and not '{NO_LABEL}'")
        shape = (len(self.names), len(self.labels))
        found = (self.scores.shape, self.truth.shape, len(self.sources))
        if found != (shape, shape, len(self.names)):
            raise ValueError(f"scores, truth, sources: {found} for (clips, labels) {shape}")
        inside = (self.scores >= 0) & (self.scores <= 1)
        if not inside.all():
            clip, label = np.argwhere(~inside)[0]
            raise CallcountError(
                f"clip {plain_text(self.names[clip])} has the score {self.scores[clip, label]} for "
                f"'{self.labels[label]}', which is no number from 0 to 1.",
                "Training has diverged: lower the learning rate.",
            )

    @classmethod
    def of(
        cls,
        clips: ClipSet,
        scores: Sequence[FloatArray],
        *,
        split: str,
        is_exclusive: bool,
        has_background: bool,
    ) -> ClipScores:
        """The scores of a set of clips, (n_labels,) each, in their order; there may be none."""
        n_labels = len(clips.labels)
        labels = np.array([clip.label for clip in clips.clips], dtype=int)
        return cls(
            labels=clips.labels,
            scores=np.array(scores, dtype=np.float32).reshape(-1, n_labels),
            truth=labels[:, None] == np.arange(n_labels),
            sources=tuple(clip.source for clip in clips.clips),
            names=tuple(clip.name for clip in clips.clips),
            split=split,
            is_exclusive=is_exclusive,
            has_background=has_background,
        )

    @property
    def classes(self) -> list[str]:
        """Labels, then background where there is such a class."""
        return [*self.labels, NO_LABEL] if self.has_background else [*self.labels]


def plain_text(text: str) -> str:
    """One line that any encoding of Unicode takes: white space to spaces, control to U+FFFD.

    File names may hold line breaks, and bytes that are no text arrive as lone surrogates.
    """
    line = " ".join(text.split())
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in line)


N_WORST = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MetricCurve:
    """A curve over all thresholds and its area; empty with a NaN area where a class is missing.

    Attributes
    ----------
    x, y : array of float, shape (n_points,)
        ROC: false and true positive rate. Precision-recall: recall and precision. All 0 to 1.
    area : float
        ROC: the area under it. Precision-recall: the average precision.
    """

    x: Floats
    y: Floats
    area: float


NO_METRIC_CURVE = MetricCurve(np.empty(0), np.empty(0), float("nan"))


def roc_curve(clip_scores: ClipScores, label: int) -> MetricCurve:
    """ROC of the label with this index; clips of other labels count as clips without it."""
    truth, scores = clip_scores.truth[:, label], clip_scores.scores[:, label]
    if not _both_classes(truth):
        return NO_METRIC_CURVE
    false_positive, true_positive, _ = sk.roc_curve(truth, scores)
    return MetricCurve(false_positive, true_positive, float(sk.roc_auc_score(truth, scores)))


def precision_recall_curve(clip_scores: ClipScores, label: int) -> MetricCurve:
    """Precision against recall of the label with this index, from recall 0 upwards.

    The area is ``sum((recall[n] - recall[n-1]) * precision[n])``, without interpolation.
    """
    truth, scores = clip_scores.truth[:, label], clip_scores.scores[:, label]
    if not _both_classes(truth):
        return NO_METRIC_CURVE
    precision, recall, _ = sk.precision_recall_curve(truth, scores)
    return MetricCurve(
        recall[::-1], precision[::-1], float(sk.average_precision_score(truth, scores))
    )


def classification_report(clip_scores: ClipScores, threshold: ArrayLike) -> dict[str, Any]:
    """Figures per label and the confusion of classes.

    Parameters
    ----------
    clip_scores : ClipScores
        The clips of one split; none is allowed.
    threshold : array-like of float, shape (n_labels,)
        A clip holds a label when its score is at or above; not asked of exclusive classes, whose
        ``threshold`` is then ``None``.

    Returns
    -------
    dict
        ``split``, ``clips``, ``sources``, ``accuracy`` (clips with every label right), ``labels``:
        per label ``threshold, precision, recall, f1, support, accuracy, roc_auc,
        average_precision``; ``confusion``: ``classes`` (labels, then background) and ``counts``
        (rows truth, columns predicted). Ready for JSON; undefined figures are ``None``.
    """
    limits, predicted = labels_over(clip_scores, threshold)
    right = (predicted == clip_scores.truth).all(axis=1)
    return {
        "split": clip_scores.split,
        "clips": len(clip_scores.names),
        "sources": len(set(clip_scores.sources)),
        "accuracy": _ratio(right.sum(), right.size),
        "labels": {
            label: {"threshold": limits[i]} | _label_figures(clip_scores, predicted[:, i], i)
            for i, label in enumerate(clip_scores.labels)
        },
        "confusion": {
            "classes": clip_scores.classes,
            "counts": _confusion(clip_scores, predicted).tolist(),
        },
    }


def spread_over_sources(
    clip_scores: ClipScores, threshold: ArrayLike, *, seed: int = 0, n_resamples: int = 1000
) -> dict[str, Any]:
    """How the figures differ between sources, the only independent samples that clips hold.

    The intervals are the 2.5 and 97.5 percentiles over resamples of whole sources, drawn with
    replacement (cluster bootstrap, Field and Welsh 2007). They are ``None`` with fewer than two
    sources, that of the AUC also where a label is in, or missing from, fewer than two sources.

    Parameters
    ----------
    clip_scores, threshold
        As in `classification_report`.
    seed, n_resamples : int
        Of the resampling, n_resamples > 0; the same seed gives the same intervals.

    Returns
    -------
    dict
        ``sources``: in order of name ``source, clips, accuracy``; ``median_accuracy`` and
        ``min_accuracy`` over sources; ``worst``: up to five sources with errors, worst first;
        ``accuracy`` over clips and ``roc_auc`` (mean over labels that have both classes), each
        ``value, low, high``. Ready for JSON.
    """
    _, predicted = labels_over(clip_scores, threshold)
    right = (predicted == clip_scores.truth).all(axis=1)
    names, owner = np.unique(np.array(clip_scores.sources, dtype=object), return_inverse=True)
    n_clips, n_right = np.bincount(owner), np.bincount(owner, right)
    share = n_right / n_clips
    weights: Any = None  # how often each resample (rows) draws each source
    if (n := names.size) > 1:
        weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), n_resamples) * 1.0
    resampled = None if weights is None else (weights @ n_right) / (weights @ n_clips)
    order = np.argsort(share, kind="stable")
    return {
        "sources": [
            {"source": str(name), "clips": int(n), "accuracy": _number(value)}
            for name, n, value in zip(names, n_clips, share, strict=True)
        ],
        "median_accuracy": _number(np.median(share)) if n else None,
        "min_accuracy": _number(share.min()) if n else None,
        "worst": [str(names[i]) for i in order if share[i] < 1][:N_WORST],
        "accuracy": _interval(right.mean() if right.size else float("nan"), resampled),
        "roc_auc": _auc_interval(weights, clip_scores, owner),
    }


def _both_classes(truth: Bools) -> bool:
    return bool(truth.any() and not truth.all())


def _number(value: Any) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _ratio(part: Any, whole: Any) -> float | None:
    return _number(part / whole) if whole else None


def labels_over(clip_scores: ClipScores, threshold: ArrayLike) -> tuple[list[float | None], Bools]:
    """The threshold of each label, and which labels each clip is predicted to hold.

    Parameters
    ----------
    clip_scores, threshold
        As in `classification_report`.

    Returns
    -------
    limits : list of float or None
        ``None`` for exclusive classes.
    predicted : array of bool, shape (n_clips, n_labels)
    """
    limits = np.asarray(threshold, dtype=np.float32)  # as the scores, or 0.7 is not >= 0.7
    if limits.shape != (len(clip_scores.labels),):
        raise ValueError(f"threshold {limits.shape} must have shape ({len(clip_scores.labels)},)")
    if not clip_scores.is_exclusive:
        return [_number(limit) for limit in limits], clip_scores.scores >= limits
    scores = clip_scores.scores
    if clip_scores.has_background:
        scores = np.column_stack([scores, 1 - scores.sum(axis=1)])
    highest = scores.argmax(axis=1)
    return [None] * limits.size, highest[:, None] == np.arange(limits.size)


def _label_figures(clip_scores: ClipScores, predicted: Bools, label: int) -> dict[str, Any]:
    truth = clip_scores.truth[:, label]
    hits, claimed, support = int((predicted & truth).sum()), int(predicted.sum()), int(truth.sum())
    return {
        "precision": _ratio(hits, claimed),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, claimed + support),
        "support": support,
        "accuracy": _ratio((predicted == truth).sum(), truth.size),
        "roc_auc": _number(roc_curve(clip_scores, label).area),
        "average_precision": _number(precision_recall_curve(clip_scores, label).area),
    }


def _confusion(clip_scores: ClipScores, predicted: Bools) -> NDArray[np.int64]:
    """Counts of (true, predicted) class; a clip of several labels counts once.

    Predicted is the highest of the labels at or above their thresholds; true is the predicted
    label where the clip holds it, else the first that it holds.
    """
    n_labels, truth = len(clip_scores.labels), clip_scores.truth
    highest = np.where(predicted, clip_scores.scores, -1).argmax(axis=1)
    predicted_class = np.where(predicted.any(axis=1), highest, n_labels)
    held = np.pad(truth, ((0, 0), (0, 1)))[np.arange(predicted_class.size), predicted_class]
    first = np.where(truth.any(axis=1), truth.argmax(axis=1), n_labels)
    counts = np.zeros((n_labels + 1, n_labels + 1), dtype=np.int64)
    np.add.at(counts, (np.where(held, predicted_class, first), predicted_class), 1)
    n_classes = len(clip_scores.classes)
    return counts[:n_classes, :n_classes]


def _interval(value: float, resampled: Floats | None) -> dict[str, float | None]:
    low, high = (np.nan, np.nan) if resampled is None else np.nanpercentile(resampled, (2.5, 97.5))
    return {"value": _number(value), "low": _number(low), "high": _number(high)}


def _auc_interval(
    weights: Floats | None, clip_scores: ClipScores, owner: NDArray[np.int64]
) -> dict[str, float | None]:
    truth = clip_scores.truth
    usable = [i for i in range(truth.shape[1]) if _both_classes(truth[:, i])]
    if not usable:
        return _interval(float("nan"), None)
    value = float(np.mean([roc_curve(clip_scores, i).area for i in usable]))
    sides = [owner[truth[:, i] == side] for i in usable for side in (True, False)]
    if weights is None or min(np.unique(side).size for side in sides) < 2:
        return _interval(value, None)
    scores = clip_scores.scores
    resampled = [_resampled_auc(weights, truth[:, i], scores[:, i], owner) for i in usable]
    return _interval(value, np.mean(resampled, axis=0))


def _resampled_auc(
    weights: Floats, truth: Bools, scores: FloatArray, owner: NDArray[np.int64]
) -> Floats:
    """AUC of each resample as the share of pairs (clip with, clip without) ranked rightly.

    A tie counts half (Mann and Whitney 1947); NaN where a resample holds one class only.
    """
    n_sources = weights.shape[1]
    won = np.zeros((n_sources, n_sources))
    for source in range(n_sources):
        without = np.sort(scores[~truth & (owner == source)])
        beaten = np.searchsorted(without, scores[truth], "left")
        reached = np.searchsorted(without, scores[truth], "right")
        won[:, source] = np.bincount(owner[truth], (beaten + reached) / 2, n_sources)
    n_won = ((weights @ won) * weights).sum(axis=1)
    n_with, n_without = (
        weights @ np.bincount(owner[t], minlength=n_sources) for t in (truth, ~truth)
    )
    n_pairs = n_with * n_without
    return np.divide(n_won, n_pairs, out=np.full_like(n_won, np.nan), where=n_pairs > 0)


CLIP_THRESHOLD = 0.5
