"""Scores of clips: what a model says of a whole one, and of each piece of a sound of one length."""

from __future__ import annotations

import numpy as np

from counter.records import FloatArray
from training.litertrun import Score

# Scores nearer to 0 or 1 have no logit to be pooled.
LEAST_SCORE = 1e-6


def clip_score(scores: FloatArray, *, is_exclusive: bool) -> FloatArray:
    """Score of a clip per label, of the scores of its frames or windows.

    Parameters
    ----------
    scores : array of float32, shape (n_frames, n_labels)
        At least one frame, 0 to 1.
    is_exclusive : bool
        Whether one class sounds at a time: then the mean is taken. Of independent labels, the
        log-mean-exp of the logits through a sigmoid: the mean odds as a score.

    Returns
    -------
    array of float32, shape (n_labels,)
    """
    if is_exclusive:
        return np.asarray(scores.mean(axis=0, dtype=np.float64), dtype=np.float32)
    kept = np.clip(scores.astype(np.float64), LEAST_SCORE, 1 - LEAST_SCORE)
    odds = (kept / (1 - kept)).mean(axis=0)
    return np.asarray(odds / (1 + odds), dtype=np.float32)


def each_clip(score: Score, n_samples: int) -> Score:
    """A function from a sound to the scores of its clips of so many samples, one after another.

    Silence fills the last one; the result has shape (n_clips, n_labels).
    """

    def scores(samples: FloatArray) -> FloatArray:
        n_clips = max(1, -(-len(samples) // n_samples))
        padded = np.zeros(n_clips * n_samples, dtype=np.float32)
        padded[: len(samples)] = samples
        return np.stack([score(clip) for clip in padded.reshape(n_clips, n_samples)])

    return scores
