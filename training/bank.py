"""All sounds that training windows are made of in one tensor, and the odds of drawing each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from counter.records import FloatArray
from training.clips import BACKGROUND, Clip
from training.levels import band_level, call_extent
from training.settings import FrontEndSettings

# Odds of a clip that must not be drawn.
NEVER = 1e-30


@dataclass(frozen=True)
class Bank:
    """Clips end to end in one tensor, so that a graph can cut them at random.

    Attributes
    ----------
    samples : tensor of float32, shape (total,)
    starts, lengths : tensor of int32, shape (n_clips,)
    call_starts, call_stops : tensor of int32, shape (n_clips,)
        Where in it the call stands; background is taken whole.
    levels : tensor of float32, shape (n_clips,)
        Root mean square inside the model's band.
    labels : tensor of int32, shape (n_clips,)
    call_odds, bed_odds, other_odds : tensor of float32, shape (n_clips,)
        Logarithms of the odds to be drawn as a call, as bed, or as another sound laid over it: the
        root of a source's clips is its share, so that a source of many clips does not drown the
        others. Invented sounds are never a bed.
    """

    samples: Any
    starts: Any
    lengths: Any
    call_starts: Any
    call_stops: Any
    levels: Any
    labels: Any
    call_odds: Any
    bed_odds: Any
    other_odds: Any


def make_bank(
    clips: Sequence[Clip],
    invented: Sequence[FloatArray],
    front_end: FrontEndSettings,
    *,
    longest_call: int,
    invented_share: float,
) -> Bank:
    """Put clips and invented sounds end to end.

    A call longer than ``longest_call`` samples is cut to its middle; ``invented_share`` is how much
    of the other sounds is invented.
    """
    cut = [
        clip.samples if clip.label == BACKGROUND else _middle(clip.samples, longest_call)
        for clip in clips
    ] + list(invented)
    lengths = np.array([len(x) for x in cut], dtype=np.int32)
    labels = [clip.label for clip in clips] + [BACKGROUND] * len(invented)
    extents = np.array(
        [
            (0, len(x)) if label == BACKGROUND else call_extent(x, front_end)
            for x, label in zip(cut, labels, strict=True)
        ],
        dtype=np.int32,
    )
    calls, beds = _source_odds(clips)
    none = np.zeros(len(invented))
    made = np.concatenate([beds * (1 - invented_share), none + invented_share / max(len(none), 1)])
    return Bank(
        samples=tf.constant(np.concatenate(cut)),
        starts=tf.constant(np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32)),
        lengths=tf.constant(lengths),
        call_starts=tf.constant(extents[:, 0]),
        call_stops=tf.constant(extents[:, 1]),
        levels=tf.constant(np.array([band_level(x, front_end) for x in cut], dtype=np.float32)),
        labels=tf.constant(np.array(labels, dtype=np.int32)),
        call_odds=_log_odds(np.concatenate([calls, none])),
        bed_odds=_log_odds(np.concatenate([beds, none])),
        other_odds=_log_odds(made if invented else beds),
    )


def _source_odds(clips: Sequence[Clip]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Odds of each clip to be drawn as a call and as a background; each sum to 1."""
    counts = Counter(clip.source for clip in clips)
    odds = np.array([counts[clip.source] ** -0.5 for clip in clips])
    is_call = np.array([clip.label != BACKGROUND for clip in clips])
    calls, beds = odds * is_call, odds * ~is_call
    return calls / calls.sum(), beds / beds.sum()


def _log_odds(odds: NDArray[np.float64]) -> Any:
    return tf.constant(np.log(np.maximum(odds, NEVER)).astype(np.float32))


def _middle(samples: NDArray[np.float32], max_samples: int) -> NDArray[np.float32]:
    extra = max(len(samples) - max_samples, 0)
    return samples[extra // 2 : len(samples) - (extra - extra // 2)]


def draw(odds: Any, seed: Any, n_windows: Any) -> Any:
    """Indices of ``n_windows`` clips, by the odds."""
    return tf.random.stateless_categorical(odds[None], n_windows, seed, dtype=tf.int32)[0]
