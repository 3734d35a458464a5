"""Context windows: training windows cut from annotated recordings as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from counter.records import FloatArray
from training.augment.clip_pool import between, draw, log_odds
from training.augment.invented_sounds import make_distractors
from training.augment.windows import IGNORED
from training.data.clip_set import ClipSet, KnownRecording
from training.models.front_ends import UNIT_DB, LogBands
from training.settings.front_end_settings import BandSettings
from training.settings.train_settings import AugmentSettings, TrainSettings, of_kind

# Share of windows around a call; the others stand anywhere in the recordings.
CALL_SHARE = 0.5
# Share of windows with another one under them, so much quieter; what calls in that is quieter than
# the last is neither call nor background.
MIX_SHARE, MIX_DB, FAINT_DB = 0.5, (0.0, 20.0), 6.0
# Share of windows whose background is raised, by how much over what it is, and the tilt of that.
FLOOR_SHARE, FLOOR_DB, TILT_DB = 0.5, (-10.0, 10.0), 6.0
# Share of windows with an invented sound, and how its loudest band stands over the background.
INVENTED_SHARE, INVENTED_DB = 0.3, (0.0, 30.0)
# Most bands that a window is moved up or down by.
MOST_SHIFT = 2
# Of pauses of so many score frames the first and the last are not asked for: marks are not exact.
LEAST_PAUSE = 6
# Samples whose features are made at once.
PART_SAMPLES = 1 << 20
N_DRAWS = 9


@dataclass(frozen=True)
class RecordingPool:
    """Features of all recordings end to end, with what is to be said of each frame."""

    features: Any  # float16, (n_frames, step, n_bands): a score frame and the feature frames in it
    targets: Any  # float32, (n_frames, n_labels): 1 in a call, 0 beside, ``IGNORED``
    middles: Any  # int32, (n_calls,): score frame in the middle of each call
    call_odds: Any  # float32, (n_calls,): logarithms of the odds to be drawn
    starts: Any  # int32, (n_recordings,): first score frame, mirrored padding not counted
    lengths: Any  # int32, (n_recordings,): score frames
    odds: Any  # float32, (n_recordings,): logarithms of the odds to be drawn
    levels: Any  # float32, (n_recordings, n_bands): median of each band
    # Features of invented sounds, (n_sounds, n_frames, step, n_bands), far below the quietest sound
    # where there is none; a sound's loudest band is at 0. None where there are no sounds.
    invented: Any | None


@dataclass(frozen=True)
class ContextWindowMaker:
    """Draws windows by the batch; the same seed and size give the same windows."""

    pool: RecordingPool
    augment: AugmentSettings
    n_frames: int  # length of a window in score frames

    def __call__(self, seed: Any, n_windows: int) -> tuple[Any, Any]:
        """Features (n_windows, n_frames, n_bands) and targets (n_windows, n_frames, n_labels).

        Of features there are several frames to a score frame. Targets as ``WindowMaker``'s.
        """
        draws = tf.unstack(tf.random.stateless_uniform([N_DRAWS, n_windows], seed))
        first, recording = self._places(seed, draws, n_windows)
        at = first[:, None] + tf.range(self.n_frames)
        x = tf.cast(tf.gather(self.pool.features, at), tf.float32)
        targets = tf.gather(self.pool.targets, at)
        level = tf.gather(self.pool.levels, recording)[:, None, None, :]
        x = self._with_invented(x, level, seed, draws)
        x, targets = _mixed(x, targets, draws[2:4])
        x = _raised(x, level, draws[4], seed)
        x = _shifted(x, draws[5])
        gain_db = between(self.augment.gain_low_db, self.augment.gain_high_db, draws[6])
        x = x + (gain_db / UNIT_DB)[:, None, None, None]
        n_bands = self.pool.features.shape[2]
        return tf.reshape(x, (n_windows, -1, n_bands)), targets

    def _places(self, seed: Any, draws: Sequence[Any], n_windows: int) -> tuple[Any, Any]:
        """First score frame of each window, and the recording that it is from."""
        pool = self.pool
        call = draw(pool.call_odds, seed + [1, 0], n_windows)
        around = tf.gather(pool.middles, call) - _whole(draws[1] * float(self.n_frames))
        recording = draw(pool.odds, seed + [2, 0], n_windows)
        spare = tf.cast(tf.gather(pool.lengths, recording), tf.float32)
        anywhere = tf.gather(pool.starts, recording) + _whole(draws[1] * spare) - self.n_frames // 2
        is_call = draws[0] < CALL_SHARE
        own = tf.searchsorted(pool.starts, tf.gather(pool.middles, call), side="right") - 1
        return tf.where(is_call, around, anywhere), tf.where(is_call, own, recording)

    def _with_invented(self, x: Any, level: Any, seed: Any, draws: Sequence[Any]) -> Any:
        """Some windows with an invented sound somewhere in them; calls under it stay calls."""
        sounds = self.pool.invented
        if sounds is None:
            return x
        n = tf.shape(x)[0]
        which = tf.random.stateless_uniform([n], seed + [3, 0], 0, sounds.shape[0], tf.int32)
        shift = _whole((2.0 * draws[7] - 1.0) * float(self.n_frames))
        at = tf.range(self.n_frames) - shift[:, None]
        is_inside = (at >= 0) & (at < sounds.shape[1])
        is_heard = is_inside & (draws[8] < INVENTED_SHARE)[:, None]
        at = tf.clip_by_value(at, 0, sounds.shape[1] - 1)
        laid = tf.cast(tf.gather(tf.gather(sounds, which), at, batch_dims=1), tf.float32)
        over_db = tf.random.stateless_uniform([n], seed + [6, 0], *INVENTED_DB)
        loudest = tf.reduce_mean(level, axis=-1, keepdims=True)
        laid = laid + loudest + (over_db / UNIT_DB)[:, None, None, None]
        return tf.where(is_heard[:, :, None, None], _sum(x, laid), x)


def _whole(values: Any) -> Any:
    return tf.cast(tf.floor(values), tf.int32)


def _sum(x: Any, y: Any) -> Any:
    """Features of two sounds together, by their power."""
    unit = np.float32(np.log(10) * UNIT_DB / 10)
    highest, lowest = tf.maximum(x, y), tf.minimum(x, y)
    return highest + tf.math.log1p(tf.exp((lowest - highest) * unit)) / unit


def _mixed(x: Any, targets: Any, draws: Sequence[Any]) -> tuple[Any, Any]:
    """Windows, some with the next one of the batch under them."""
    lower_db = between(*MIX_DB, draws[1])
    is_mixed = draws[0] < MIX_SHARE
    other = tf.roll(x, 1, 0) - (lower_db / UNIT_DB)[:, None, None, None]
    theirs = tf.roll(targets, 1, 0)
    is_faint = (lower_db > FAINT_DB)[:, None, None]
    theirs = tf.where(is_faint & (theirs == 1.0), IGNORED, theirs)
    together = tf.maximum(targets, theirs)
    # A call is one whatever lies over it; what is not asked of one of the two is not asked at all.
    is_open = (tf.minimum(targets, theirs) == IGNORED) & (together != 1.0)
    together = tf.where(is_open, IGNORED, together)
    return (
        tf.where(is_mixed[:, None, None, None], _sum(x, other), x),
        tf.where(is_mixed[:, None, None], together, targets),
    )


def _raised(x: Any, level: Any, chosen: Any, seed: Any) -> Any:
    """Windows, some over a steady floor near their own background's level."""
    place = tf.linspace(-1.0, 1.0, x.shape[-1])
    shape = [2, tf.shape(x)[0], 1, 1, 1]
    over, tilt = tf.unstack(tf.random.stateless_uniform(shape, seed + [7, 0]))
    floor_db = between(*FLOOR_DB, over) + TILT_DB * (2.0 * tilt - 1.0) * place
    is_raised = (chosen < FLOOR_SHARE)[:, None, None, None]
    return tf.where(is_raised, _sum(x, level + floor_db / UNIT_DB), x)


def _shifted(x: Any, share: Any) -> Any:
    """Windows moved up or down by up to ``MOST_SHIFT`` bands; the outermost band fills the rest."""
    n_bands = x.shape[-1]
    shift = _whole(share * (2 * MOST_SHIFT + 1)) - MOST_SHIFT
    at = tf.clip_by_value(tf.range(n_bands) + shift[:, None], 0, n_bands - 1)
    return tf.gather(x, at, axis=3, batch_dims=1)


def frame_targets(
    recording: KnownRecording, n_frames: int, frame_s: float, n_labels: int
) -> NDArray[np.float32]:
    """What is to be said of each score frame of a recording, shape (n_frames, n_labels).

    1 where a frame's middle lies in a call, at least in one frame a call, 0 beside. The first and
    the last frame of pauses of at least ``LEAST_PAUSE`` frames are ``IGNORED``.
    """
    targets = np.zeros((n_frames, n_labels), dtype=np.float32)
    for label, start_s, end_s in recording.calls:
        first = int(np.ceil(start_s / frame_s - 0.5))
        last = int(np.ceil(end_s / frame_s - 0.5))
        if last <= first:
            first = int((start_s + end_s) / 2 / frame_s)
            last = first + 1
        targets[max(first, 0) : last, label] = 1
    for column in targets.T:
        edges = np.flatnonzero(np.diff(column, prepend=1, append=1))
        for begin, end in zip(edges[::2], edges[1::2], strict=False):
            if end - begin >= LEAST_PAUSE:
                column[[begin, end - 1]] = IGNORED
    return targets


def context_window_maker(
    clips: ClipSet, front_end: BandSettings, settings: TrainSettings, *, frame_samples: int
) -> ContextWindowMaker:
    """Make the drawer of windows for annotated recordings, at least one with a call."""
    augment = of_kind(settings.augment, AugmentSettings)
    frame_s = frame_samples / front_end.sample_rate_hz
    n_frames = max(1, round(settings.fit.window_s / frame_s))
    sounds = make_distractors(front_end, augment.invented_sounds, settings.seed)
    pool = make_recording_pool(
        clips, sounds, front_end, n_frames=n_frames, frame_samples=frame_samples
    )
    return ContextWindowMaker(pool, augment, n_frames)


def make_recording_pool(
    clips: ClipSet,
    invented: Sequence[FloatArray],
    front_end: BandSettings,
    *,
    n_frames: int,
    frame_samples: int,
) -> RecordingPool:
    """Put the features of annotated recordings end to end, each between mirrors of itself.

    A window of ``n_frames`` may stand anywhere about a recording; of a mirror nothing is asked.
    """
    layer, frame_s = LogBands(front_end.model_dump()), frame_samples / front_end.sample_rate_hz
    graph = tf.function(layer, input_signature=[tf.TensorSpec((1, None), tf.float32)])
    features, targets, starts, lengths, levels = [], [], [], [], []
    middles: list[int] = []
    at = 0
    for one in clips.recordings:
        own = _features(graph, one.samples, frame_samples, front_end)
        asked = frame_targets(one, len(own), frame_s, len(clips.labels))
        around = ((n_frames, n_frames), (0, 0), (0, 0))
        features.append(np.pad(own, around, mode="symmetric"))
        targets.append(np.pad(asked, around[:2], constant_values=IGNORED))
        starts.append(at + n_frames)
        lengths.append(len(own))
        levels.append(np.median(own.reshape(-1, own.shape[-1]).astype(np.float32), axis=0))
        spans = ((start_s + end_s) / 2 / frame_s for _, start_s, end_s in one.calls)
        middles += [starts[-1] + min(int(middle), len(own) - 1) for middle in spans]
        at += len(features[-1])
    return RecordingPool(
        features=tf.constant(np.concatenate(features)),
        targets=tf.constant(np.concatenate(targets)),
        middles=tf.constant(middles, tf.int32),
        call_odds=log_odds(_call_odds(clips.recordings)),
        starts=tf.constant(starts, tf.int32),
        lengths=tf.constant(lengths, tf.int32),
        # A long recording counts for more than a short one, but does not drown it.
        odds=log_odds(np.sqrt(np.array(lengths)) / np.sqrt(np.array(lengths)).sum()),
        levels=tf.constant(np.stack(levels)),
        invented=_sounds(graph, invented, frame_samples, front_end) if invented else None,
    )


def _features(
    graph: Any, samples: FloatArray, frame_samples: int, front_end: BandSettings
) -> NDArray[np.float16]:
    """Features of one sound, (n_frames, step, n_bands), made in parts of ``PART_SAMPLES``."""
    step = frame_samples // front_end.hop_samples
    padded = np.pad(samples, (0, -len(samples) % frame_samples or 0))
    before = front_end.window_samples - front_end.hop_samples
    size = PART_SAMPLES - PART_SAMPLES % frame_samples
    parts = []
    for first in range(0, len(padded), size):
        lead = min(first, before)
        part = padded[first - lead : first + size]
        own = graph(part[None]).numpy()[0, lead // front_end.hop_samples :]
        parts.append(own.astype(np.float16))
    return np.concatenate(parts).reshape(-1, step, front_end.n_bands)


def _sounds(
    graph: Any, sounds: Sequence[FloatArray], frame_samples: int, front_end: BandSettings
) -> Any:
    """Features of invented sounds, each with its loudest at 0 and as long as the longest."""
    some = [_features(graph, one, frame_samples, front_end).astype(np.float32) for one in sounds]
    longest = max(map(len, some))
    padded = np.full((len(some), longest, *some[0].shape[1:]), -10.0, dtype=np.float16)
    for row, one in zip(padded, some, strict=True):
        row[: len(one)] = one - one.max()
    return tf.constant(padded)


def _call_odds(recordings: Sequence[KnownRecording]) -> NDArray[np.float64]:
    """Odds of each call: labels alike, and of one label a source by the root of its calls."""
    every = [(call[0], one.source) for one in recordings for call in one.calls]
    counts = Counter(every)
    odds = np.array([counts[one] ** -0.5 for one in every])
    labels = np.array([label for label, _ in every])
    for label in np.unique(labels):
        odds[labels == label] /= odds[labels == label].sum()
    result: NDArray[np.float64] = odds / odds.sum()
    return result
