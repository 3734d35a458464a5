"""Clip pool: all sounds that training windows are made of, and the odds of drawing each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from counter.records import FloatArray
from training.augment.levels import (
    background_power,
    band_level,
    call_extent,
    noise_beside,
    piece_bases,
)
from training.data.clip_set import BACKGROUND, Clip
from training.settings.front_end_settings import FrontEndSettings

# Samples that are read at once; sounds are cut and laid by whole blocks.
BLOCK = 32
FADE_S = 0.03  # at the usual step
# Odds of a clip that must not be drawn.
NEVER = 1e-30


@dataclass(frozen=True)
class ClipPool:
    """Clips end to end in one tensor, so that a graph can cut them at random."""

    blocks: Any  # float32, shape (total, BLOCK): the first is silence
    # Of each clip, shape (n_clips,); what is counted in blocks and labels int32, the rest float32.
    starts: Any  # its first block
    lengths: Any  # number of blocks
    call_starts: Any  # block of it at which the call begins; background is taken whole
    call_stops: Any
    piece_bases: Any  # blocks that a piece is a share of; see ``piece_bases`` of ``levels``
    levels: Any  # root mean square inside the model's band
    noises: Any  # mean square of the steady noise that a call was recorded with; of all else 0
    labels: Any
    # Logarithms of the odds to be drawn as a call, as background, or as another sound laid over it:
    # the root of a source's clips is its share, so that a source of many clips does not drown the
    # others. Invented sounds are never the background.
    call_odds: Any
    background_odds: Any
    other_odds: Any
    ramp: Any  # float32, shape (n_blocks, BLOCK): from 0 to 1 within ``FADE_S``; its last block 1

    def gains(self, clip: Any, snr_db: Any) -> Any:
        """Gains at which calls stand so far over a background of level 1 with their own noise."""
        noise = tf.gather(self.noises, clip)
        call = tf.square(tf.gather(self.levels, clip)) - noise
        return 1.0 / tf.sqrt(background_power(call, noise, snr_db, tf.maximum))

    def looped(self, clip: Any, offset: Any, n_blocks: int) -> Any:
        """Each clip over and over, from a share of it on, (n_windows, n_blocks * BLOCK)."""
        length = tf.gather(self.lengths, clip)
        shift = tf.cast(offset * tf.cast(length, tf.float32), tf.int32)
        index = (shift[:, None] + tf.range(n_blocks)) % length[:, None]
        return self._read(index + tf.gather(self.starts, clip)[:, None])

    def laid(self, clip: Any, span: tuple[Any, Any], start: Any, n_blocks: int) -> Any:
        """A span of each clip with soft edges in silence, (n_windows, n_blocks * BLOCK).

        ``span`` is the first block of the clip and how many, ``start`` the block in the window at
        which the span begins, which may lie outside: tensors of int32, shape (n_windows,).
        """
        first, n_kept = span
        after = tf.range(n_blocks) - start[:, None]
        before = n_kept[:, None] - 1 - after
        at = after + (tf.gather(self.starts, clip) + first)[:, None]
        sound = self._read(tf.where((after >= 0) & (before >= 0), at, 0))
        return sound * self._rise(after) * tf.reverse(self._rise(tf.reverse(before, [1])), [1])

    def _read(self, at: Any) -> Any:
        return tf.reshape(tf.gather(self.blocks, at), (-1, at.shape[1] * BLOCK))

    def _rise(self, place: Any) -> Any:
        at = tf.clip_by_value(place, 0, self.ramp.shape[0] - 1)
        return tf.reshape(tf.gather(self.ramp, at), (-1, at.shape[1] * BLOCK))


def make_clip_pool(
    clips: Sequence[Clip],
    invented: Sequence[FloatArray],
    front_end: FrontEndSettings,
    *,
    longest_call: int,
    invented_share: float,
) -> ClipPool:
    """Put clips and invented sounds end to end.

    A call longer than ``longest_call`` samples is cut to its middle; ``invented_share`` is how much
    of the other sounds is invented.
    """
    cut = [
        clip.samples if clip.label == BACKGROUND else _middle(clip.samples, longest_call)
        for clip in clips
    ] + list(invented)
    in_blocks = [_in_blocks(x) for x in cut]
    lengths = np.array([len(x) for x in in_blocks])
    labels = [clip.label for clip in clips] + [BACKGROUND] * len(invented)
    extents = np.array([_extent(*one, front_end) for one in zip(cut, labels, strict=True)])
    bases = piece_bases(extents, np.array(labels))
    calls, backgrounds = _source_odds(clips)
    none = np.zeros(len(invented))
    of_invented = none + invented_share / max(len(none), 1)
    made = np.concatenate([backgrounds * (1 - invented_share), of_invented])
    silence = np.zeros((1, BLOCK), dtype=np.float32)
    return ClipPool(
        blocks=tf.constant(np.concatenate([silence, *in_blocks])),
        starts=_int32(np.concatenate([[1], 1 + np.cumsum(lengths)[:-1]])),
        lengths=_int32(lengths),
        call_starts=_int32(extents[:, 0] // BLOCK),
        call_stops=_int32(-(-extents[:, 1] // BLOCK)),
        piece_bases=_int32(-(-bases // BLOCK)),
        levels=_float32([band_level(x, front_end) for x in cut]),
        noises=_float32([_noise(*one, front_end) for one in zip(cut, labels, strict=True)]),
        labels=_int32(np.array(labels)),
        call_odds=log_odds(np.concatenate([calls, none])),
        background_odds=log_odds(np.concatenate([backgrounds, none])),
        other_odds=log_odds(made if invented else backgrounds),
        ramp=tf.constant(_ramp(front_end.sample_rate_hz * front_end.time_scale)),
    )


def _float32(values: Sequence[float]) -> Any:
    return tf.constant(np.array(values, dtype=np.float32))


def _int32(values: NDArray[np.int64]) -> Any:
    return tf.constant(values.astype(np.int32))


def _in_blocks(samples: FloatArray) -> FloatArray:
    """A sound in blocks, (n_blocks, BLOCK), silence after its end."""
    return np.pad(samples, (0, -len(samples) % BLOCK)).reshape(-1, BLOCK)


def _ramp(sample_rate_hz: float) -> FloatArray:
    n_blocks = max(1, round(FADE_S * sample_rate_hz / BLOCK))
    rise = np.arange(1, n_blocks * BLOCK + 1, dtype=np.float32) / (n_blocks * BLOCK)
    return np.concatenate([rise, np.ones(BLOCK, np.float32)]).reshape(-1, BLOCK)


def _extent(samples: FloatArray, label: int, front_end: FrontEndSettings) -> tuple[int, int]:
    return (0, len(samples)) if label == BACKGROUND else call_extent(samples, front_end)


def _noise(samples: FloatArray, label: int, front_end: FrontEndSettings) -> float:
    return 0.0 if label == BACKGROUND else noise_beside(samples, front_end)


def _source_odds(clips: Sequence[Clip]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Odds of each clip to be drawn as a call and as a background; each sum to 1."""
    counts = Counter(clip.source for clip in clips)
    odds = np.array([counts[clip.source] ** -0.5 for clip in clips])
    is_call = np.array([clip.label != BACKGROUND for clip in clips])
    calls, backgrounds = odds * is_call, odds * ~is_call
    return calls / calls.sum(), backgrounds / backgrounds.sum()


def log_odds(odds: NDArray[np.float64]) -> Any:
    """Logarithms of odds, as ``draw`` takes them; of 0, ``NEVER``'s."""
    return tf.constant(np.log(np.maximum(odds, NEVER)).astype(np.float32))


def _middle(samples: NDArray[np.float32], max_samples: int) -> NDArray[np.float32]:
    extra = max(len(samples) - max_samples, 0)
    return samples[extra // 2 : len(samples) - (extra - extra // 2)]


def between(low: Any, high: Any, share: Any) -> Any:
    """What lies a share of the way from low to high."""
    return low + (high - low) * share


def draw(odds: Any, seed: Any, n_windows: Any) -> Any:
    """Indices of ``n_windows`` clips, by the odds."""
    return tf.random.stateless_categorical(odds[None], n_windows, seed, dtype=tf.int32)[0]
