"""Clips that a model has scored, beside the truth."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.errors import CallcountError
from counter.records import FloatArray
from training.clipset import ClipSet

NO_LABEL = "background"

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ClipScores:
    """What a model says of the clips of one split, beside the truth.

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
