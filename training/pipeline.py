"""tf.data: clips -> training windows -> features; the one module that knows tensorflow-io.

A window is a small made recording: a bed of one or two backgrounds and, mostly, one clip laid over
it somewhere, at a random level, perhaps cut by the window's edge. Clips without the label are laid
in the same way, so that a clip's edge and its own noise tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_io as tfio

from training.bank import Bank, draw, make_bank
from training.clips import BACKGROUND, ClipSet
from training.distractors import make_distractors
from training.frontends import UNIT_DB, LogBands
from training.settings import AugmentSettings, FrontEndSettings, TrainSettings

# Share of windows with a call, with a piece of one, which is no call, and with another clip; the
# rest is bed alone.
CALL_SHARE, PIECE_SHARE, OTHER_SHARE = 0.4, 0.2, 0.35
# How much of a call such a piece is; birds begin and break off, and echo.
PIECE = (0.1, 0.4)
# Beside this share of calls stands a piece of the same, so near, and by so much quieter.
BESIDE_SHARE, BESIDE_GAP_S, BESIDE_DB = 0.5, (0.05, 1.5), (0.0, 12.0)
# Of the other sounds, those that are invented.
INVENTED_SHARE = 0.6
# A call cut by the edge is one from this visible share on, and no background from the lower on.
VISIBLE_CALL, VISIBLE_LEAST = 0.6, 0.25
FADE_S = 0.03
# Score frames next to a laid clip's edges on which nothing is asked of the network.
MARGIN_FRAMES = 2
IGNORED = -1.0
# Uniform numbers that make a window.
N_DRAWS = 11


@dataclass(frozen=True)
class WindowMaker:
    """Draws windows by the batch; the same seed and size give the same windows.

    Attributes
    ----------
    bank : Bank
        All clips.
    augment : AugmentSettings
        Levels and masks.
    n_samples, frame_samples, n_labels, sample_rate_hz : int
        Length of a window, samples per score frame, number of labels, rate.
    """

    bank: Bank
    augment: AugmentSettings
    n_samples: int
    frame_samples: int
    n_labels: int
    sample_rate_hz: int

    def __call__(self, seed: Any, n_windows: int) -> tuple[Any, Any]:
        """Samples (n_windows, n_samples) and targets (n_windows, n_frames, n_labels).

        Targets: 1 inside a laid call, 0 in background, ``IGNORED`` where nothing is asked.
        """
        draws = tf.unstack(tf.random.stateless_uniform([N_DRAWS, n_windows], seed))
        bed, level = self._bed(seed, draws)
        is_call = draws[0] < CALL_SHARE
        is_of_call = draws[0] < CALL_SHARE + PIECE_SHARE
        is_laid = draws[0] < CALL_SHARE + PIECE_SHARE + OTHER_SHARE
        share = tf.where(is_call | ~is_of_call, 1.0, PIECE[0] + (PIECE[1] - PIECE[0]) * draws[9])
        clip = tf.where(
            is_of_call,
            draw(self.bank.call_odds, seed + [3, 0], n_windows),
            draw(self.bank.other_odds, seed + [5, 0], n_windows),
        )
        sound, start, length = self._foreground(clip, draws, level, share)
        beside = self._beside(clip, seed, start, length)
        kept = tf.stack([tf.cast(one, tf.float32)[:, None] for one in (is_laid, is_call)])
        sound = (sound * kept[0] + beside * kept[1]) * self._gain(clip, draws[7], level)[:, None]
        label = tf.where(is_call, tf.gather(self.bank.labels, clip), BACKGROUND)
        augment = self.augment
        gain_db = augment.gain_low_db + draws[1] * (augment.gain_high_db - augment.gain_low_db)
        mix = (bed + sound) * 10.0 ** (gain_db / 20.0)[:, None]
        return mix, self._targets(start, length, label)

    def _bed(self, seed: Any, draws: Sequence[Any]) -> tuple[Any, Any]:
        first, level = self._looped(seed + [1, 0], draws[2])
        second, other_level = self._looped(seed + [2, 0], draws[3])
        share = 10.0 ** (-20.0 * draws[4] / 20.0) * tf.cast(draws[5] < 0.5, tf.float32)
        bed = first + second * (share * level / other_level)[:, None]
        return bed, level * tf.sqrt(1.0 + tf.square(share))

    def _looped(self, seed: Any, offset: Any) -> tuple[Any, Any]:
        clip = draw(self.bank.bed_odds, seed, tf.shape(offset)[0])
        length = tf.gather(self.bank.lengths, clip)
        shift = tf.cast(offset * tf.cast(length, tf.float32), tf.int32)
        index = (shift[:, None] + tf.range(self.n_samples)) % length[:, None]
        at = index + tf.gather(self.bank.starts, clip)[:, None]
        return tf.gather(self.bank.samples, at), tf.gather(self.bank.levels, clip)

    def _foreground(
        self, clip: Any, draws: Sequence[Any], level: Any, share: Any
    ) -> tuple[Any, Any, Any]:
        """The given share of each clip, somewhere in its window: sound, start and length."""
        speed = 1.0 + self.augment.stretch * (2.0 * draws[8] - 1.0)
        skipped, kept = self._kept(clip, share, draws[10])
        length = tf.cast(kept / speed, tf.int32)
        span = tf.cast(length, tf.float32)
        low = -(1 - VISIBLE_LEAST) * span
        high = float(self.n_samples) - VISIBLE_LEAST * span
        start = tf.cast(low + draws[6] * (high - low), tf.int32)
        return self._laid(clip, skipped, start, length, speed), start, length

    def _beside(self, clip: Any, seed: Any, start: Any, length: Any) -> Any:
        """Mostly nothing, or a piece of each clip's call shortly before or after the clip."""
        draws = tf.unstack(tf.random.stateless_uniform([6, tf.shape(clip)[0]], seed + [6, 0]))
        skipped, kept = self._kept(clip, PIECE[0] + (PIECE[1] - PIECE[0]) * draws[0], draws[1])
        gap_s = BESIDE_GAP_S[0] + (BESIDE_GAP_S[1] - BESIDE_GAP_S[0]) * draws[2]
        gap, piece = (tf.cast(x, tf.int32) for x in (gap_s * self.sample_rate_hz, kept))
        first = tf.where(draws[3] < 0.5, start - gap - piece, start + length + gap)
        lower_db = BESIDE_DB[0] + (BESIDE_DB[1] - BESIDE_DB[0]) * draws[4]
        gain = 10.0 ** (-lower_db / 20.0) * tf.cast(draws[5] < BESIDE_SHARE, tf.float32)
        return self._laid(clip, skipped, first, piece, tf.ones_like(gap_s)) * gain[:, None]

    def _laid(self, clip: Any, skipped: Any, start: Any, length: Any, speed: Any) -> Any:
        """``length`` samples of each clip from ``start`` in its window on, with soft edges."""
        inside = tf.range(self.n_samples) - start[:, None]
        held = tf.clip_by_value(inside, 0, length[:, None] - 1)
        place = skipped[:, None] + tf.cast(held, tf.float32) * speed[:, None]
        edge = tf.cast(tf.minimum(inside + 1, length[:, None] - inside), tf.float32)
        fade = tf.clip_by_value(edge / (FADE_S * self.sample_rate_hz), 0.0, 1.0)
        return self._read(clip, place) * fade

    def _gain(self, clip: Any, drawn: Any, level: Any) -> Any:
        augment = self.augment
        snr_db = augment.snr_low_db + drawn * (augment.snr_high_db - augment.snr_low_db)
        return 10.0 ** (snr_db / 20.0) * level / tf.gather(self.bank.levels, clip)

    def _kept(self, clip: Any, share: Any, place: Any) -> tuple[Any, Any]:
        """Samples skipped, and kept, of each clip: all, or a share of its call from anywhere."""
        whole, start, stop = (
            tf.cast(tf.gather(one, clip), tf.float32)
            for one in (self.bank.lengths, self.bank.call_starts, self.bank.call_stops)
        )
        part, is_piece = share * (stop - start), share < 1.0
        skipped = tf.where(is_piece, start + place * (stop - start - part), 0.0)
        return skipped, tf.where(is_piece, part, whole)

    def _read(self, clip: Any, place: Any) -> Any:
        """Samples of the clips at fractions of a sample, (n_windows, n_samples)."""
        last = tf.gather(self.bank.lengths, clip)[:, None] - 2
        before = tf.minimum(tf.cast(place, tf.int32), last)
        part = place - tf.cast(before, tf.float32)
        at = tf.gather(self.bank.starts, clip)[:, None] + before
        left, right = tf.gather(self.bank.samples, at), tf.gather(self.bank.samples, at + 1)
        return left + (right - left) * part

    def _targets(self, start: Any, length: Any, label: Any) -> Any:
        n_frames = self.n_samples // self.frame_samples
        centre = (tf.range(n_frames) * 2 + 1) * self.frame_samples // 2
        stop = start + length
        margin = MARGIN_FRAMES * self.frame_samples
        after, before = centre - start[:, None], centre - stop[:, None]
        inside = (after >= 0) & (before < 0)
        near = (tf.abs(after) < margin) | (tf.abs(before) < margin)
        visible = tf.minimum(stop, self.n_samples) - tf.maximum(start, 0)
        share = tf.cast(visible, tf.float32) / tf.cast(length, tf.float32)
        call = tf.where(share >= VISIBLE_CALL, 1.0, IGNORED)[:, None]
        column = tf.where(inside, call, tf.where(near, IGNORED, 0.0))
        mine = tf.range(self.n_labels) == label[:, None]
        return column[:, :, None] * tf.cast(mine, tf.float32)[:, None, :]


def _equaliser(seed: Any, n_windows: int, n_bands: int, most_db: float) -> Any:
    """Smooth random curves over the bands, as microphones and distance make: tilt and wave.

    Shape (n_windows, 1, n_bands), in the features' unit.
    """
    draws = tf.unstack(tf.random.stateless_uniform([4, n_windows, 1], seed, -1.0, 1.0))
    place = tf.linspace(-1.0, 1.0, n_bands)
    curve = draws[0] * place + draws[1] * tf.sin(np.pi * (place * (1.5 + draws[2]) + draws[3]))
    return (curve * most_db / 2 / UNIT_DB)[:, None, :]


def window_maker(
    clip_set: ClipSet,
    front_end: FrontEndSettings,
    settings: TrainSettings,
    *,
    frame_samples: int,
) -> WindowMaker:
    """Make the drawer of windows for a set of clips."""
    augment = settings.augment
    n_frames = max(1, round(settings.fit.window_s * front_end.sample_rate_hz / frame_samples))
    n_samples = n_frames * frame_samples
    return WindowMaker(
        bank=make_bank(
            clip_set.clips,
            make_distractors(front_end, augment.invented_sounds, settings.seed),
            front_end,
            longest_call=n_samples,
            invented_share=INVENTED_SHARE,
        ),
        augment=augment,
        n_samples=n_samples,
        frame_samples=frame_samples,
        n_labels=len(clip_set.labels),
        sample_rate_hz=front_end.sample_rate_hz,
    )


def features_of(front_end: LogBands, samples: Any) -> Any:
    """Features of many windows at once, (n_windows, n_samples) -> (n_windows, n_frames, n_bands).

    The front end takes one sound: the windows stand in it end to end, each after silence.
    """
    settings = front_end.settings
    n_before = settings.window_samples // settings.hop_samples - 1
    apart = tf.pad(samples, [[0, 0], [n_before * settings.hop_samples, 0]])
    n_frames = apart.shape[1] // settings.hop_samples
    x = front_end(tf.reshape(apart, (1, -1)))
    return tf.reshape(x, (-1, n_frames, settings.n_bands))[:, n_before:]


def training_windows(maker: WindowMaker, front_end: LogBands, batch_size: int, seed: int) -> Any:
    """An endless, seeded dataset of (features, targets) batches.

    Batches are drawn and turned into features in parallel; the masks (tensorflow-io's, which take
    one window and draw from one stateful generator) come one by one, so that the same seed gives
    the same batches.
    """

    def features(number: Any) -> tuple[Any, Any]:
        key = tf.stack([tf.cast(number, tf.int32), seed])
        samples, targets = maker(key, batch_size)
        x = features_of(front_end, samples)
        most_db = maker.augment.equaliser_db
        return x + _equaliser(key + [4, 0], batch_size, x.shape[2], most_db), targets

    def masked(x: Any, targets: Any) -> tuple[Any, Any]:
        if maker.augment.mask_bands:
            x = tfio.audio.freq_mask(x, maker.augment.mask_bands)
        if maker.augment.mask_frames:
            x = tfio.audio.time_mask(x, maker.augment.mask_frames)
        return x, targets

    numbers = tf.data.Dataset.counter(step=16)
    drawn = numbers.map(features, num_parallel_calls=2)
    return drawn.unbatch().map(masked).batch(batch_size, drop_remainder=True).prefetch(4)
