"""Scores of clips: what a model says of each piece of sound of one length."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from counter.quiet import quiet_stderr
from counter.records import FloatArray
from training.litertrun import Score

# Scores this near to 0 and 1 are that in float32; their logits are finite so.
LEAST = 1e-7


def pooled(scores: FloatArray) -> FloatArray:
    """Clip score of frame scores, as ``Trained.clip_score`` has it of their logits.

    Parameters
    ----------
    scores : array of float32, shape (n_frames, n_labels)
        At least one frame, 0 to 1.

    Returns
    -------
    array of float32, shape (n_labels,)
        The log-mean-exp of the logits over frames, through a sigmoid: mean odds as a score.
    """
    inside = np.clip(scores.astype(np.float64), LEAST, 1 - LEAST)
    odds = np.mean(inside / (1 - inside), axis=0)
    score: FloatArray = (odds / (1 + odds)).astype(np.float32)
    return score


def clip_scorer(content: bytes) -> Score:
    """A function from a clip of the LiteRT file's own length to its scores, (n_labels,)."""
    with quiet_stderr():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def score(clip: FloatArray) -> FloatArray:
        interpreter.set_tensor(taken["index"], clip[None])
        interpreter.invoke()
        scores: FloatArray = interpreter.get_tensor(given["index"])[0]
        return scores

    return score


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
