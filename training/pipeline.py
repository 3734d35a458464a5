"""tf.data: clips -> training windows -> features; the one module that knows tensorflow-io.

A window is a small made recording: a bed of one or two backgrounds and, mostly, one clip laid over
it somewhere, at a random level, perhaps cut by the window's edge. Clips without the label are laid
in the same way, so that a clip's edge and its own noise tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_io as tfio
from numpy.typing import NDArray

from training.clips import BACKGROUND, Clip, ClipSet
from training.frontends import UNIT_DB
from training.levels import band_level
from training.settings import AugmentSettings, FitSettings, FrontEndSettings

# Share of windows with a call, with a piece of one, which is no call, and with another clip; the
# rest is bed alone.
CALL_SHARE, PIECE_SHARE, OTHER_SHARE = 0.45, 0.25, 0.2
# How much of a call such a piece is; birds begin and break off, and echo.
PIECE = (0.1, 0.4)
# A call cut by the edge is one from this visible share on, and no background from the lower on.
VISIBLE_CALL, VISIBLE_LEAST = 0.6, 0.25
FADE_S = 0.03
# Score frames next to a laid clip's edges on which nothing is asked of the network.
MARGIN_FRAMES = 2
IGNORED = -1.0


@dataclass(frozen=True)
class Bank:
    """Clips end to end in one tensor, so that a graph can cut them at random.

    Attributes
    ----------
    samples : tensor of float32, shape (total,)
    starts, lengths : tensor of int32, shape (n_clips,)
    levels : tensor of float32, shape (n_clips,)
        Root mean square inside the model's band.
    labels : tensor of int32, shape (n_clips,)
    odds : tensor of float32, shape (n_clips,)
        Logarithms of the odds to be drawn: the root of a source's clips is its share, so that
        a source of many clips does not drown the others.
    """

    samples: Any
    starts: Any
    lengths: Any
    levels: Any
    labels: Any
    odds: Any


def make_bank(clips: list[Clip], front_end: FrontEndSettings, max_samples: int) -> Bank:
    """Put clips end to end; a clip longer than ``max_samples`` is cut to its middle."""
    cut = [_middle(clip.samples, max_samples) for clip in clips]
    lengths = np.array([len(x) for x in cut], dtype=np.int32)
    counts: dict[str, int] = {}
    for clip in clips:
        counts[clip.source] = counts.get(clip.source, 0) + 1
    odds = [-0.5 * np.log(counts[clip.source]) for clip in clips]
    return Bank(
        samples=tf.constant(np.concatenate(cut)),
        starts=tf.constant(np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32)),
        lengths=tf.constant(lengths),
        levels=tf.constant(np.array([band_level(x, front_end) for x in cut], dtype=np.float32)),
        labels=tf.constant(np.array([clip.label for clip in clips], dtype=np.int32)),
        odds=tf.constant(np.array(odds, dtype=np.float32)),
    )


def _middle(samples: NDArray[np.float32], max_samples: int) -> NDArray[np.float32]:
    extra = max(len(samples) - max_samples, 0)
    return samples[extra // 2 : len(samples) - (extra - extra // 2)]


@dataclass(frozen=True)
class WindowMaker:
    """Draws window number ``i``; the same number and seed give the same window.

    Attributes
    ----------
    calls, others : Bank
        Clips with a label, and background clips.
    augment : AugmentSettings
        Levels and masks.
    n_samples, frame_samples, n_labels, sample_rate_hz : int
        Length of a window, samples per score frame, number of labels, rate.
    """

    calls: Bank
    others: Bank
    augment: AugmentSettings
    n_samples: int
    frame_samples: int
    n_labels: int
    sample_rate_hz: int

    def __call__(self, seed: Any) -> tuple[Any, Any]:
        """Samples (n_samples,) and targets (n_frames, n_labels) of one window.

        Targets: 1 inside a laid call, 0 in background, ``IGNORED`` where nothing is asked.
        """
        draws = tf.random.stateless_uniform([16], seed)
        bed, level = self._bed(seed, draws)
        is_call = draws[0] < CALL_SHARE
        is_of_call = draws[0] < CALL_SHARE + PIECE_SHARE
        is_laid = draws[0] < CALL_SHARE + PIECE_SHARE + OTHER_SHARE
        share = tf.where(is_call | ~is_of_call, 1.0, PIECE[0] + (PIECE[1] - PIECE[0]) * draws[9])
        sound, start, length, label = tf.cond(
            is_of_call,
            lambda: self._foreground(self.calls, seed, draws, level, share),
            lambda: self._foreground(self.others, seed, draws, level, share),
        )
        label = tf.where(is_call, label, BACKGROUND)
        sound = tf.where(is_laid, sound, tf.zeros_like(sound))
        augment = self.augment
        gain_db = augment.gain_low_db + draws[1] * (augment.gain_high_db - augment.gain_low_db)
        mix = (bed + sound) * 10.0 ** (gain_db / 20.0)
        return mix, self._targets(start, length, label)

    def _bed(self, seed: Any, draws: Any) -> tuple[Any, Any]:
        first, level = self._looped(seed + [1, 0], draws[2])
        second, other_level = self._looped(seed + [2, 0], draws[3])
        ratio = 10.0 ** (-20.0 * draws[4] / 20.0) * level / other_level
        has_second = tf.cast(draws[5] < 0.5, tf.float32)
        return first + second * ratio * has_second, level * tf.sqrt(
            1.0 + has_second * tf.square(ratio * other_level / level)
        )

    def _looped(self, seed: Any, offset: Any) -> tuple[Any, Any]:
        clip = _draw(self.others, seed)
        length = self.others.lengths[clip]
        shift = tf.cast(offset * tf.cast(length, tf.float32), tf.int32)
        index = (shift + tf.range(self.n_samples)) % length + self.others.starts[clip]
        return tf.gather(self.others.samples, index), self.others.levels[clip]

    def _foreground(
        self, bank: Bank, seed: Any, draws: Any, level: Any, share: Any
    ) -> tuple[Any, ...]:
        """A clip, or the given share of it, somewhere in the window, at a random level."""
        clip = _draw(bank, seed + [3, 0])
        speed = 1.0 + self.augment.stretch * (2.0 * draws[8] - 1.0)
        whole = tf.cast(bank.lengths[clip], tf.float32)
        skipped = draws[10] * (1.0 - share) * whole
        length = tf.cast(whole * share / speed, tf.int32)
        span = tf.cast(length, tf.float32)
        low = -(1 - VISIBLE_LEAST) * span
        high = float(self.n_samples) - VISIBLE_LEAST * span
        start = tf.cast(low + draws[6] * (high - low), tf.int32)
        inside = tf.range(self.n_samples) - start
        place = skipped + tf.cast(tf.clip_by_value(inside, 0, length - 1), tf.float32) * speed
        before = tf.minimum(tf.cast(place, tf.int32), bank.lengths[clip] - 2)
        part = place - tf.cast(before, tf.float32)
        at = bank.starts[clip] + before
        sound = tf.gather(bank.samples, at) * (1 - part) + tf.gather(bank.samples, at + 1) * part
        edge = tf.cast(tf.minimum(inside + 1, length - inside), tf.float32)
        fade = tf.clip_by_value(edge / (FADE_S * self.sample_rate_hz), 0.0, 1.0)
        augment = self.augment
        snr_db = augment.snr_low_db + draws[7] * (augment.snr_high_db - augment.snr_low_db)
        gain = 10.0 ** (snr_db / 20.0) * level / bank.levels[clip]
        return sound * fade * gain, start, length, bank.labels[clip]

    def _targets(self, start: Any, length: Any, label: Any) -> Any:
        n_frames = self.n_samples // self.frame_samples
        centre = (tf.range(n_frames) * 2 + 1) * self.frame_samples // 2
        stop = start + length
        margin = MARGIN_FRAMES * self.frame_samples
        inside = (centre >= start) & (centre < stop)
        near = (tf.abs(centre - start) < margin) | (tf.abs(centre - stop) < margin)
        visible = tf.minimum(stop, self.n_samples) - tf.maximum(start, 0)
        share = tf.cast(visible, tf.float32) / tf.cast(length, tf.float32)
        call = tf.where(share >= VISIBLE_CALL, 1.0, IGNORED)
        column = tf.where(inside, call, tf.where(near, IGNORED, 0.0))
        mine = tf.range(self.n_labels) == label
        return tf.where(mine[None, :], column[:, None], tf.zeros_like(column)[:, None])


def _draw(bank: Bank, seed: Any) -> Any:
    return tf.random.stateless_categorical(bank.odds[None], 1, seed, dtype=tf.int32)[0, 0]


def _equaliser(seed: Any, n_bands: Any, most_db: float) -> Any:
    """A smooth random curve over the bands, as microphones and distance make: tilt and wave."""
    draws = tf.random.stateless_uniform([4], seed, -1.0, 1.0)
    place = tf.linspace(-1.0, 1.0, n_bands)
    curve = draws[0] * place + draws[1] * tf.sin(np.pi * (place * (1.5 + draws[2]) + draws[3]))
    return curve * most_db / 2 / UNIT_DB


def window_maker(
    clip_set: ClipSet,
    front_end: FrontEndSettings,
    fit: FitSettings,
    augment: AugmentSettings,
    frame_samples: int,
) -> WindowMaker:
    """Make the drawer of windows for a set of clips."""
    n_frames = max(1, round(fit.window_s * front_end.sample_rate_hz / frame_samples))
    n_samples = n_frames * frame_samples
    calls = [clip for clip in clip_set.clips if clip.label != BACKGROUND]
    return WindowMaker(
        calls=make_bank(calls, front_end, n_samples),
        others=make_bank(clip_set.of(BACKGROUND), front_end, 10**9),
        augment=augment,
        n_samples=n_samples,
        frame_samples=frame_samples,
        n_labels=len(clip_set.labels),
        sample_rate_hz=front_end.sample_rate_hz,
    )


def training_windows(maker: WindowMaker, front_end: Any, batch_size: int, seed: int) -> Any:
    """An endless, seeded dataset of (features, targets) batches.

    Windows are drawn and turned into features in parallel; the masks (tensorflow-io's, which draw
    from one stateful generator) come one by one, so that the same seed gives the same batches.
    """

    def features(number: Any) -> tuple[Any, Any]:
        key = tf.stack([tf.cast(number, tf.int32), seed])
        samples, targets = maker(key)
        x = front_end(samples[None])[0]
        return x + _equaliser(key + [4, 0], tf.shape(x)[1], maker.augment.equaliser_db), targets

    def masked(x: Any, targets: Any) -> tuple[Any, Any]:
        if maker.augment.mask_bands:
            x = tfio.audio.freq_mask(x, maker.augment.mask_bands)
        if maker.augment.mask_frames:
            x = tfio.audio.time_mask(x, maker.augment.mask_frames)
        return x, targets

    numbers = tf.data.Dataset.counter(step=16)
    drawn = numbers.map(features, num_parallel_calls=2)
    return drawn.map(masked).batch(batch_size, drop_remainder=True).prefetch(4)
