"""Training windows by tf.data: clips to windows to features, masked in time and frequency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from training.augment.clip_pool import BLOCK, ClipPool, between, draw, make_clip_pool
from training.augment.invented_sounds import equalised, make_distractors, smeared
from training.data.clip_set import BACKGROUND, ClipSet
from training.models.front_ends import LogBands, features_of
from training.settings.front_end_settings import FrontEndSettings
from training.settings.train_settings import AugmentSettings, TrainSettings, of_kind

try:
    import tensorflow_io as tfio
except ImportError:
    tfio = None  # callcount[train]: its masks are those of ``_masked`` below
# Share of windows with a call, with a piece of one, which is no call, and with another clip; the
# rest is background alone.
CALL_SHARE, PIECE_SHARE, OTHER_SHARE = 0.4, 0.2, 0.35
# How much of a call such a piece is; birds begin and break off, and echo.
PIECE = (0.1, 0.4)
# Beside this share of calls stands a piece of the same, so near, and by so much quieter.
BESIDE_SHARE, BESIDE_GAP_S, BESIDE_DB = 0.7, (0.05, 1.5), (0.0, 24.0)
# Of the other sounds, those that are invented.
INVENTED_SHARE = 0.6
# A call cut by the edge is one from this visible share on, and no background from the lower on.
VISIBLE_CALL, VISIBLE_LEAST = 0.6, 0.25
# This share of calls is heard once more, so soon before or after: short pauses are pauses too.
AGAIN_SHARE, AGAIN_GAP_S = 0.4, (0.3, 2.0)
# Score frames next to a laid clip's edges on which nothing is asked of the network.
MARGIN_FRAMES = 2
IGNORED = -1.0
N_DRAWS = 11  # uniform numbers that make a window


@dataclass(frozen=True)
class WindowMaker:
    """Draws windows by the batch; the same seed and size give the same windows."""

    clip_pool: ClipPool
    augment: AugmentSettings
    n_samples: int  # length of a window
    frame_samples: int  # samples per score frame
    n_labels: int
    usual_rate_hz: float  # samples of what lasts a second at the usual step

    def __call__(self, seed: Any, n_windows: int) -> tuple[Any, Any]:
        """Samples (n_windows, n_samples) and targets (n_windows, n_frames, n_labels).

        Targets: 1 inside a laid call, 0 in background, ``IGNORED`` where nothing is asked.
        """
        draws = tf.unstack(tf.random.stateless_uniform([N_DRAWS, n_windows], seed))
        is_call = draws[0] < CALL_SHARE
        is_of_call = draws[0] < CALL_SHARE + PIECE_SHARE
        is_laid = draws[0] < CALL_SHARE + PIECE_SHARE + OTHER_SHARE
        clip = tf.where(
            is_of_call,
            draw(self.clip_pool.call_odds, seed + [3, 0], n_windows),
            draw(self.clip_pool.other_odds, seed + [5, 0], n_windows),
        )
        background, level = self._background(seed, draws)
        sound, laid, call = self._foreground(clip, draws, is_call | ~is_of_call)
        sound = self._with_pieces(sound, clip, seed, (is_call, *laid))
        sound, *again = self._with_another(sound, clip, seed, (is_call, *laid))
        snr_db = between(self.augment.snr_low_db, self.augment.snr_high_db, draws[7])
        gain = self.clip_pool.gains(clip, snr_db) * level * tf.cast(is_laid, tf.float32)
        label = tf.where(is_call, tf.gather(self.clip_pool.labels, clip), BACKGROUND)
        gain_db = between(self.augment.gain_low_db, self.augment.gain_high_db, draws[1])
        mix = (background + sound * gain[:, None]) * 10.0 ** (gain_db / 20.0)[:, None]
        asked = self._asked(laid, call), self._asked(*again)
        return mix, self._targets(asked, label)

    @property
    def _n_blocks(self) -> int:
        return -(-self.n_samples // BLOCK)

    def _background(self, seed: Any, draws: Sequence[Any]) -> tuple[Any, Any]:
        first, level = self._looped(seed + [1, 0], draws[2])
        second, other_level = self._looped(seed + [2, 0], draws[3])
        share = 10.0 ** (-20.0 * draws[4] / 20.0) * tf.cast(draws[5] < 0.5, tf.float32)
        background = first + second * (share * level / other_level)[:, None]
        return background, level * tf.sqrt(1.0 + tf.square(share))

    def _looped(self, seed: Any, offset: Any) -> tuple[Any, Any]:
        clip = draw(self.clip_pool.background_odds, seed, tf.shape(offset)[0])
        samples = self.clip_pool.looped(clip, offset, self._n_blocks)
        return samples[:, : self.n_samples], tf.gather(self.clip_pool.levels, clip)

    def _foreground(self, clip: Any, draws: Sequence[Any], is_whole: Any) -> tuple[Any, Any, Any]:
        """Each clip, or a piece of its call, in its window: sound, its ends, its call's ends."""
        speed = 1.0 + self.augment.stretch * (2.0 * draws[8] - 1.0)
        first, kept = self._piece(clip, draws[9], draws[10])
        whole = tf.gather(self.clip_pool.lengths, clip)
        first, kept = tf.where(is_whole, 0, first), tf.where(is_whole, whole, kept)
        span = tf.cast(kept, tf.float32)
        low = -(1 - VISIBLE_LEAST) * span
        high = float(self.n_samples // BLOCK) * speed - VISIBLE_LEAST * span
        start = tf.cast(tf.floor(low + draws[6] * (high - low)), tf.int32)
        n_blocks = int(np.ceil(self._n_blocks * (1.0 + self.augment.stretch))) + 1
        sound = self._stretched(self.clip_pool.laid(clip, (first, kept), start, n_blocks), speed)
        ends = [
            tf.cast(tf.cast(x * BLOCK, tf.float32) / speed, tf.int32)
            for x in (start, start + kept, *self._call_ends(clip, start))
        ]
        return sound, ends[:2], ends[2:]

    def _call_ends(self, clip: Any, start: Any) -> tuple[Any, Any]:
        """Blocks between which the call of each clip stands that begins at ``start``."""
        pool = self.clip_pool
        return start + tf.gather(pool.call_starts, clip), start + tf.gather(pool.call_stops, clip)

    def _stretched(self, sound: Any, speed: Any) -> Any:
        """Sounds sped up, as far as a window reaches: as pictures one row high, resized."""
        stop = speed * ((self.n_samples - 1) / (sound.shape[1] - 1))
        none = tf.zeros_like(stop)
        resized = tf.image.crop_and_resize(
            sound[:, None, :, None],
            tf.stack([none, none, none, stop], axis=1),
            tf.range(tf.shape(sound)[0]),
            (1, self.n_samples),
        )
        return tf.reshape(resized, (-1, self.n_samples))

    def _with_pieces(self, sound: Any, clip: Any, seed: Any, calls: tuple[Any, Any, Any]) -> Any:
        """Some calls with a piece of the same shortly before or after them.

        ``calls``: which clips are calls, where each starts, and where it stops.
        """
        draws = tf.random.stateless_uniform([6, tf.shape(clip)[0]], seed + [6, 0])
        is_call, start, stop = calls
        # Most windows get none, so only those that do are read.
        some = tf.where(is_call & (draws[5] < BESIDE_SHARE))[:, 0]
        clip, start, stop = (tf.gather(x, some) for x in (clip, start, stop))
        draws = tf.unstack(tf.gather(draws, some, axis=1)[:5])
        first, kept = self._piece(clip, draws[0], draws[1])
        begin = self._beside(start, stop, kept, (draws[2], draws[3], BESIDE_GAP_S))
        lower_db = between(*BESIDE_DB, draws[4])
        pieces = self.clip_pool.laid(clip, (first, kept), begin, self._n_blocks)
        pieces = pieces[:, : self.n_samples] * 10.0 ** (-lower_db / 20.0)[:, None]
        return tf.tensor_scatter_nd_add(sound, some[:, None], pieces)

    def _with_another(
        self, sound: Any, clip: Any, seed: Any, calls: tuple[Any, Any, Any]
    ) -> tuple[Any, Any, Any]:
        """Some calls with the same clip once more: sound, and its ends as ``_foreground`` has them.

        ``calls``: as in ``_with_pieces``. The ends lie outside of a window that has no other call.
        """
        draws = tf.unstack(tf.random.stateless_uniform([3, tf.shape(clip)[0]], seed + [7, 0]))
        is_call, start, stop = calls
        is_again = is_call & (draws[2] < AGAIN_SHARE)
        length = tf.gather(self.clip_pool.lengths, clip)
        begin = self._beside(start, stop, length, (draws[0], draws[1], AGAIN_GAP_S))
        begin = tf.where(is_again, begin, 2 * self._n_blocks)
        some = tf.where(is_again)[:, 0]
        again, first, kept = (tf.gather(x, some) for x in (clip, begin, length))
        laid = self.clip_pool.laid(again, (tf.zeros_like(kept), kept), first, self._n_blocks)
        sound = tf.tensor_scatter_nd_add(sound, some[:, None], laid[:, : self.n_samples])
        ends = [x * BLOCK for x in (begin, begin + length, *self._call_ends(clip, begin))]
        return sound, ends[:2], ends[2:]

    def _beside(self, start: Any, stop: Any, n_blocks: Any, how: tuple[Any, Any, Any]) -> Any:
        """Block at which so many begin that shall stand before or after a clip.

        ``how``: two shares drawn, of the gap and of the side, and the range of the gap in seconds.
        """
        share, side, (least_s, most_s) = how
        gap = tf.cast(between(least_s, most_s, share) * self.usual_rate_hz, tf.int32)
        return tf.where(side < 0.5, start - gap - n_blocks * BLOCK, stop + gap) // BLOCK

    def _piece(self, clip: Any, share: Any, place: Any) -> tuple[Any, Any]:
        """First block, and number of blocks, of a piece from anywhere in each clip's call."""
        start, stop = self._call_ends(clip, 0)
        base = tf.cast(tf.gather(self.clip_pool.piece_bases, clip), tf.float32)
        kept = tf.maximum(tf.cast(between(*PIECE, share) * base, tf.int32), 1)
        spare = tf.cast(stop - start - kept, tf.float32)
        return start + tf.cast(place * spare, tf.int32), kept

    def _asked(self, laid: Sequence[Any], call: Sequence[Any]) -> Any:
        """For each frame 1 in a call, 0 elsewhere, and ``IGNORED`` near the ends of call and clip.

        ``laid`` and ``call``: between which samples the clip stands, and the call in it; what leads
        up to a call there is none. Of a clip that is mostly out of the window nothing is asked.
        """
        n_frames = self.n_samples // self.frame_samples
        centre = (tf.range(n_frames) * 2 + 1) * self.frame_samples // 2
        margin = MARGIN_FRAMES * self.frame_samples
        inside, in_call = (
            (centre >= start[:, None]) & (centre < stop[:, None]) for start, stop in (laid, call)
        )
        near = [tf.abs(centre - end[:, None]) < margin for end in (*laid, *call)]
        start, stop = laid
        visible = tf.minimum(stop, self.n_samples) - tf.maximum(start, 0)
        share = tf.cast(visible, tf.float32) / tf.cast(stop - start, tf.float32)
        is_seen = (share >= VISIBLE_CALL)[:, None]
        is_left = tf.reduce_any(near, axis=0) | (inside & ~is_seen)
        return tf.where(inside & in_call & is_seen, 1.0, tf.where(is_left, IGNORED, 0.0))

    def _targets(self, asked: tuple[Any, Any], label: Any) -> Any:
        """See ``__call__``: a call where either is one, and nothing where either asks nothing."""
        highest, lowest = tf.maximum(*asked), tf.minimum(*asked)
        column = tf.where(highest == 1.0, 1.0, lowest)
        mine = tf.range(self.n_labels) == label[:, None]
        return column[:, :, None] * tf.cast(mine, tf.float32)[:, None, :]


def window_maker(
    clip_set: ClipSet,
    front_end: FrontEndSettings,
    settings: TrainSettings,
    *,
    frame_samples: int,
) -> WindowMaker:
    """Make the drawer of windows for a set of clips."""
    augment = of_kind(settings.augment, AugmentSettings)
    n_frames = max(1, round(settings.fit.window_s * front_end.sample_rate_hz / frame_samples))
    n_samples = n_frames * frame_samples
    return WindowMaker(
        clip_pool=make_clip_pool(
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
        usual_rate_hz=front_end.sample_rate_hz * front_end.time_scale,
    )


# A seed of two integers, and how many windows -> features (n_windows, n_frames, n_bands) and
# targets (n_windows, n_score_frames, n_labels) as ``WindowMaker`` has them.
Draw = Callable[[Any, int], tuple[Any, Any]]


def features_by(maker: WindowMaker, front_end: LogBands) -> Draw:
    """Windows of a maker as features."""

    def drawn(seed: Any, n_windows: int) -> tuple[Any, Any]:
        samples, targets = maker(seed, n_windows)
        return features_of(front_end, samples), targets

    return drawn


def both(first: Draw, second: Draw) -> Draw:
    """Windows of two kinds, half of each."""

    def drawn(seed: Any, n_windows: int) -> tuple[Any, Any]:
        own, other = first(seed, n_windows // 2), second(seed, n_windows - n_windows // 2)
        x, targets = (tf.concat(parts, 0) for parts in zip(own, other, strict=True))
        return x, targets

    return drawn


def training_windows(drawn: Draw, augment: AugmentSettings, batch_size: int, seed: int) -> Any:
    """An endless, seeded dataset of (features, targets) batches.

    Batches are drawn and coloured in parallel; the masks (which take one window and draw from one
    stateful generator) come one by one, so that the same seed gives the same batches.
    """

    def features(number: Any) -> tuple[Any, Any]:
        key = tf.stack([tf.cast(number, tf.int32), seed])
        x, targets = drawn(key, batch_size)
        x = smeared(x, key + [8, 0], augment.smear_share)
        return equalised(x, key + [4, 0], augment.equaliser_db), targets

    numbers = tf.data.Dataset.counter(step=16)
    windows = numbers.map(features, num_parallel_calls=2)
    mask = masks(augment.mask_frames, augment.mask_bands)
    return windows.unbatch().map(mask).batch(batch_size, drop_remainder=True).prefetch(4)


def masks(mask_frames: int, mask_bands: int) -> Callable[[Any, Any], tuple[Any, Any]]:
    """What blanks a stretch of time and of bands of one window: (features, targets) -> the same.

    A mask is shorter or narrower than that; 0 leaves it out. They come from one stateful generator,
    and are tensorflow-io's where it is installed.
    """
    along_bands = tfio.audio.freq_mask if tfio else partial(_masked, axis=1)
    along_frames = tfio.audio.time_mask if tfio else partial(_masked, axis=0)

    def masked(x: Any, targets: Any) -> tuple[Any, Any]:
        if mask_bands:
            x = along_bands(x, mask_bands)
        if mask_frames:
            x = along_frames(x, mask_frames)
        return x, targets

    return masked


def _masked(x: Any, most: int, axis: int) -> Any:
    """A window with a stretch of frames (axis 0) or bands (axis 1) at 0, shorter than ``most``.

    Operation for operation as tensorflow-io has it: TensorFlow seeds a draw by the number of
    operations before it, so the same seed gives the same masks.
    """
    size = tf.shape(x)[axis]
    length = tf.random.uniform(shape=(), minval=0, maxval=most, dtype=tf.int32)
    start = tf.random.uniform(shape=(), minval=0, maxval=size - length, dtype=tf.int32)
    places = tf.reshape(tf.range(size), (-1, 1) if axis == 0 else (1, -1))
    is_masked = tf.logical_and(tf.greater_equal(places, start), tf.less(places, start + length))
    return tf.where(is_masked, tf.cast(0, x.dtype), x)
