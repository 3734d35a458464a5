"""Crops: windows cut out of clips for networks that score one window; transforms."""

from __future__ import annotations

import inspect
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from counter.config import suggest
from counter.errors import ConfigError
from counter.records import FloatArray
from training.augment.clip_pool import draw, log_odds
from training.augment.windows import masks
from training.data.clip_set import BACKGROUND, Clip, ClipSet
from training.settings.train_settings import CropSettings


class Transforms:
    """Transforms one after the other, each window by itself.

    Each is described by its ``name``, and its own settings by their names in the library.

    Raises
    ------
    ConfigError
        The library is not installed, or has no such transform or setting.
    """

    def __init__(self, described: Sequence[Mapping[str, Any]], sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._transforms = [_made(_library(), one) for one in described]

    def __call__(self, windows: FloatArray, seed: int) -> FloatArray:
        """Transformed windows, shape (n_windows, n_samples); the same seed gives the same ones."""
        # The library draws from these two; there is no generator to hand it.
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        changed = np.empty_like(windows)
        for row, window in zip(changed, windows, strict=True):
            for transform in self._transforms:
                window = transform(samples=window, sample_rate=self._rate_hz)
            row[:] = window[: len(row)]
        return changed

    def on_batch(self, seed: int) -> Callable[[Any, tuple[Any, Any]], tuple[Any, Any]]:
        """For ``tf.data``: (number, (windows, targets)) -> (windows, targets)."""

        def change(number: Any, batch: tuple[Any, Any]) -> tuple[Any, Any]:
            windows, targets = batch
            changed = tf.numpy_function(
                lambda x, n: self(x, int(n) + 1_000_003 * seed), [windows, number], tf.float32
            )
            return tf.ensure_shape(changed, windows.shape), targets

        return change


def _library() -> Any:
    try:
        import audiomentations
    except ImportError as error:
        raise ConfigError(
            "augment.audiomentations needs that library.",
            "Install it: pip install 'callcount[augment]'",
        ) from error
    return audiomentations


def _made(library: Any, described: Mapping[str, Any]) -> Any:
    """One transform; its length must be that of the window, whatever it does."""
    name = str(described["name"])
    base = library.core.transforms_interface.BaseWaveformTransform
    known = {
        key: one
        for key, one in vars(library).items()
        if inspect.isclass(one) and issubclass(one, base)
    }
    if name not in known:
        near = suggest(name, list(known))
        raise ConfigError(f"augment.audiomentations has no transform '{name}'{near}.")
    given = {key: value for key, value in described.items() if key != "name"}
    allowed = list(inspect.signature(known[name]).parameters)
    for key in given:
        if key not in allowed:
            near = suggest(key, allowed)
            raise ConfigError(f"augment.audiomentations: {name} has no setting '{key}'{near}.")
    try:
        return known[name](**given)
    except (TypeError, ValueError, AssertionError) as error:
        why = " ".join(str(error).split()) or "a value is out of its range"
        raise ConfigError(f"augment.audiomentations: {name}: {why}.") from error


# Least root mean square that another sound's level is divided by.
SILENCE = 1e-6
# A window that is mixed with another keeps at least this share of itself.
LEAST_OWN = 0.5
N_DRAWS = 6


@dataclass(frozen=True)
class Targets:
    """What a window's classes are asked as."""

    n_labels: int
    is_exclusive: bool  # whether one class sounds at a time
    has_background: bool  # whether there are clips without any label

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
    """Draws windows by the batch; the same seed and size give the same windows."""

    sound: Any  # float32, shape (total,): all clips end to end
    starts: Any  # int32, shape (n_clips,): first sample of each clip
    lengths: Any  # int32, shape (n_clips,): number of samples
    columns: Any  # int32, shape (n_clips,): output
    odds: Any  # float32, shape (n_clips,): logarithms of the odds to be drawn
    background_odds: Any  # float32, shape (n_clips,): and to be laid under another
    settings: CropSettings
    targets: Targets
    n_samples: int  # length of a window

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
            odds=log_odds(odds),
            background_odds=log_odds(odds * (labels == BACKGROUND)),
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
            own = LEAST_OWN + (1 - LEAST_OWN) * draws[4]
            own = tf.where(draws[3] < self.settings.mix_share, own, 1.0)[:, None]
            samples = own * samples + (1 - own) * tf.roll(samples, 1, 0)
            targets = own * targets + (1 - own) * tf.roll(targets, 1, 0)
        low_db, high_db = self.settings.gain_low_db, self.settings.gain_high_db
        gain_db = low_db + draws[5] * (high_db - low_db)
        return samples * 10.0 ** (gain_db / 20.0)[:, None], targets

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
        under = draw(self.background_odds, seed + [2, 0], tf.shape(clip)[0])
        background = self._crop(under, draws[1])
        low_db, high_db = self.settings.snr_low_db, self.settings.snr_high_db
        seeds = seed + [3, 0]
        snr_db = tf.random.stateless_uniform(tf.shape(clip), seeds, low_db, high_db + 1e-6)
        gain = _level(samples) / _level(background) * 10.0 ** (-snr_db / 20.0)
        is_label = tf.gather(self.columns, clip) != self.targets.columns(np.array(BACKGROUND))
        is_laid = is_label & (draws[2] < self.settings.background_share)
        return samples + background * (gain * tf.cast(is_laid, tf.float32))[:, None]


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
