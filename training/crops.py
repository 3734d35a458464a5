"""tf.data: clips -> windows cut out of them, for networks that score one window at a time.

A window is a crop of one clip, at a level of its own, perhaps with background under it or mixed
with another. A clip shorter than the window goes on as its own mirror image, as a recording does
beyond its ends when it is scanned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.bank import NEVER, draw
from training.clipset import BACKGROUND, Clip, ClipSet
from training.pipeline import masks
from training.settings import CropSettings
from training.transforms import Transforms

# Least root mean square that another sound's level is divided by.
SILENCE = 1e-6
# A window that is mixed with another keeps at least this share of itself.
LEAST_OWN = 0.5
N_DRAWS = 6


@dataclass(frozen=True)
class Targets:
    """What a window's classes are asked as.

    Attributes
    ----------
    n_labels : int
        Labels of the model.
    is_exclusive : bool
        Whether one class sounds at a time.
    has_background : bool
        Whether there are clips without any label.
    """

    n_labels: int
    is_exclusive: bool
    has_background: bool

    @classmethod
    def of(cls, clips: ClipSet, *, is_exclusive: bool) -> Targets:
        """Those of a set of clips."""
        return cls(len(clips.labels), is_exclusive, bool(clips.of(BACKGROUND)))

    @property
    def n_classes(self) -> int:
        """Outputs of a network: the labels, then the background where it is a class of its own."""
        return self.n_labels + (self.is_exclusive and self.has_background)

    def columns(self, labels: NDArray[np.int64]) -> NDArray[np.int32]:
        """The output that each clip's label is, -1 for none; shape as ``labels``."""
        background = self.n_labels if self.is_exclusive else -1
        return np.where(labels == BACKGROUND, background, labels).astype(np.int32)


@dataclass(frozen=True)
class CropMaker:
    """Draws windows by the batch; the same seed and size give the same windows.

    Attributes
    ----------
    sound : tensor of float32, shape (total,)
        All clips end to end.
    starts, lengths, columns : tensor of int32, shape (n_clips,)
        First sample, number of samples, and output of each clip.
    odds, bed_odds : tensor of float32, shape (n_clips,)
        Logarithms of the odds to be drawn, and to be laid under another.
    settings : CropSettings
    targets : Targets
    n_samples : int
        Length of a window.
    """

    sound: Any
    starts: Any
    lengths: Any
    columns: Any
    odds: Any
    bed_odds: Any
    settings: CropSettings
    targets: Targets
    n_samples: int

    @classmethod
    def of(
        cls, clips: ClipSet, settings: CropSettings, targets: Targets, n_samples: int
    ) -> CropMaker:
        """The maker of windows out of a set of clips, not empty."""
        labels = np.array([clip.label for clip in clips.clips])
        lengths = np.array([len(clip.samples) for clip in clips.clips])
        odds = class_odds(clips.clips)
        return cls(
            sound=tf.constant(np.concatenate([clip.samples for clip in clips.clips])),
            starts=tf.constant(np.cumsum(lengths) - lengths, tf.int32),
            lengths=tf.constant(lengths, tf.int32),
            columns=tf.constant(targets.columns(labels)),
            odds=_log_odds(odds),
            bed_odds=_log_odds(odds * (labels == BACKGROUND)),
            settings=settings,
            targets=targets,
            n_samples=n_samples,
        )

    def __call__(self, seed: Any, n_windows: int) -> tuple[Any, Any]:
        """Samples (n_windows, n_samples) and targets (n_windows, n_classes), 0 to 1."""
        draws = tf.unstack(tf.random.stateless_uniform([N_DRAWS, n_windows], seed))
        clip = draw(self.odds, seed + [1, 0], n_windows)
        samples = self._crop(clip, draws[0])
        if self.targets.has_background and self.settings.background_share:
            samples = self._over_background(samples, clip, draws, seed)
        targets = tf.one_hot(tf.gather(self.columns, clip), self.targets.n_classes)
        if self.settings.mix_share:
            own = tf.where(draws[3] < self.settings.mix_share, self._own(draws[4]), 1.0)[:, None]
            samples = own * samples + (1 - own) * tf.roll(samples, 1, 0)
            targets = own * targets + (1 - own) * tf.roll(targets, 1, 0)
        low_db, high_db = self.settings.gain_low_db, self.settings.gain_high_db
        gain_db = low_db + draws[5] * (high_db - low_db)
        return samples * 10.0 ** (gain_db / 20.0)[:, None], targets

    def _own(self, drawn: Any) -> Any:
        return LEAST_OWN + (1 - LEAST_OWN) * drawn

    def _crop(self, clip: Any, place: Any) -> Any:
        """A window from anywhere in each clip; a short clip's from anywhere in its reflections."""
        length = tf.gather(self.lengths, clip)
        spare = tf.where(length > self.n_samples, length - self.n_samples + 1, 2 * length)
        first = tf.cast(place * tf.cast(spare, tf.float32), tf.int32)
        at = (first[:, None] + tf.range(self.n_samples)) % (2 * length[:, None])
        at = tf.minimum(at, 2 * length[:, None] - 1 - at)
        return tf.gather(self.sound, at + tf.gather(self.starts, clip)[:, None])

    def _over_background(self, samples: Any, clip: Any, draws: Sequence[Any], seed: Any) -> Any:
        """Windows of labels, some with background under them at a level."""
        bed = self._crop(draw(self.bed_odds, seed + [2, 0], tf.shape(clip)[0]), draws[1])
        low_db, high_db = self.settings.snr_low_db, self.settings.snr_high_db
        seeds = seed + [3, 0]
        snr_db = tf.random.stateless_uniform(tf.shape(clip), seeds, low_db, high_db + 1e-6)
        gain = _level(samples) / _level(bed) * 10.0 ** (-snr_db / 20.0)
        is_label = tf.gather(self.columns, clip) != self.targets.columns(np.array(BACKGROUND))
        is_laid = is_label & (draws[2] < self.settings.background_share)
        return samples + bed * (gain * tf.cast(is_laid, tf.float32))[:, None]


def _level(samples: Any) -> Any:
    return tf.maximum(tf.sqrt(tf.reduce_mean(tf.square(samples), axis=1)), SILENCE)


def class_odds(clips: Sequence[Clip]) -> NDArray[np.float64]:
    """Odds of each clip, summing to 1: classes alike, and a source by the root of its clips."""
    n_of_source = Counter((clip.label, clip.source) for clip in clips)
    odds = np.array([n_of_source[clip.label, clip.source] ** -0.5 for clip in clips])
    labels = np.array([clip.label for clip in clips])
    for label in np.unique(labels):
        odds[labels == label] /= odds[labels == label].sum()
    result: NDArray[np.float64] = odds / odds.sum()
    return result


def _log_odds(odds: NDArray[np.float64]) -> Any:
    return tf.constant(np.log(np.maximum(odds, NEVER)).astype(np.float32))


def training_crops(maker: CropMaker, front_end: Any, batch_size: int, seed: int) -> Any:
    """An endless, seeded dataset of (features, targets) batches; ``front_end`` is a Keras layer."""
    settings = maker.settings

    def drawn(number: Any) -> tuple[Any, Any]:
        return maker(tf.stack([tf.cast(number, tf.int32), seed]), batch_size)

    batches = tf.data.Dataset.counter(step=16).map(drawn, num_parallel_calls=2)
    if settings.audiomentations:
        transforms = Transforms(settings.audiomentations, front_end.settings.sample_rate_hz)
        # One after the other: the library draws from generators that all of Python shares.
        batches = batches.enumerate().map(transforms.on_batch(seed))
    features = batches.map(lambda x, y: (front_end(x), y), num_parallel_calls=2)
    if settings.mask_frames or settings.mask_bands:
        mask = masks(settings.mask_frames, settings.mask_bands)
        features = features.unbatch().map(mask).batch(batch_size, drop_remainder=True)
    return features.prefetch(4)
