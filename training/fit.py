"""Settings -> a trained network: loss, schedule, seeds, progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from counter.records import FloatArray
from training.clips import Clip, ClipSet
from training.frontends import LogBands
from training.networks import NETWORKS, POOL
from training.pipeline import features_of, training_windows, window_maker
from training.settings import FitSettings, FrontEndSettings, TrainSettings

# Weight of the pooled background beside its mean over frames: one loud frame is a false call.
HARD_BACKGROUND_WEIGHT = 1.0
WARM_UP_SHARE = 0.1
# The network is the mean of its weights over this last share of the steps, every so many of them.
AVERAGED_SHARE, AVERAGED_STEP = 0.25, 2

Progress = Callable[[int, dict[str, float]], None]


def pooled(logits: Any, mask: Any) -> Any:
    """Log-mean-exp over the masked frames, (batch, n_frames, n_labels) -> (batch, n_labels).

    A smooth maximum that still rewards every frame; see Pinheiro and Collobert, CVPR 2015.
    """
    masked = ops.where(mask, logits, ops.cast(-1e9, logits.dtype))
    count = ops.maximum(ops.sum(ops.cast(mask, logits.dtype), axis=1), 1.0)
    return ops.logsumexp(masked, axis=1) - ops.log(count)


def _cross_entropy(logits: Any, smoothing: float) -> Any:
    """Of logits that should be a call's; negate them for background."""
    return (1 - smoothing) * ops.softplus(-logits) + smoothing * ops.softplus(logits)


def _mean_over(mask: Any, each: Any) -> Any:
    """Mean of the masked frames, (batch, n_frames, n_labels) -> (batch, n_labels); 0 for none."""
    frames = ops.cast(mask, each.dtype)
    return ops.sum(each * frames, axis=1) / ops.maximum(ops.sum(frames, axis=1), 1)


def window_loss(targets: Any, logits: Any, smoothing: float, call_frames: float) -> Any:
    """Cross-entropy of each clip's pooled logits, and of the background's frames.

    Pooled logits are content with one moment of a call, and its event may then be too short; the
    mean over a call's frames asks for all of it, which a clip that was cut loosely cannot give.

    Parameters
    ----------
    targets : tensor, shape (batch, n_frames, n_labels)
        1 inside a call, 0 in background, negative where nothing is asked.
    logits : tensor of the same shape
    smoothing : float
        Share of doubt in every target, 0 to 0.5: keeps scores comparable from model to model.
    call_frames : float
        Share of the mean over a call's frames in the loss of a call, 0 to 1.
    """
    calls = ops.equal(targets, 1.0)
    background = ops.equal(targets, 0.0)
    has_call = ops.cast(ops.any(calls, axis=1), logits.dtype)
    has_background = ops.cast(ops.any(background, axis=1), logits.dtype)
    miss = has_call * _cross_entropy(pooled(logits, calls), smoothing)
    faint = _mean_over(calls, _cross_entropy(logits, smoothing))
    false = _mean_over(background, _cross_entropy(-logits, smoothing))
    hard = has_background * _cross_entropy(-pooled(logits, background), smoothing)
    miss = (1 - call_frames) * miss + call_frames * faint
    return ops.mean(miss + false + HARD_BACKGROUND_WEIGHT * hard)


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes
    ----------
    labels : tuple of str
    front_end : FrontEndSettings
    network : keras.Model
        Features -> frame logits.
    history : list of dict
        One row per epoch.
    """

    labels: tuple[str, ...]
    front_end: FrontEndSettings
    network: Any
    history: list[dict[str, float]] = field(default_factory=list)
    _graph: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        layer = LogBands(self.front_end.model_dump())
        signature = [tf.TensorSpec((1, None), tf.float32)]
        graph = tf.function(
            lambda samples: self.network(layer(samples), training=False), input_signature=signature
        )
        object.__setattr__(self, "_graph", graph)

    @property
    def frame_samples(self) -> int:
        """Samples per score frame."""
        return self.front_end.hop_samples * POOL

    def logits(self, samples: FloatArray) -> FloatArray:
        """Frame logits of one sound, shape (n_frames, n_labels); silence fills the last frame."""
        n_frames = max(1, -(-len(samples) // self.frame_samples))
        padded = np.zeros(n_frames * self.frame_samples, dtype=np.float32)
        padded[: len(samples)] = samples
        result: FloatArray = self._graph(padded[None]).numpy()[0]
        return result

    def scores(self, samples: FloatArray) -> FloatArray:
        """Frame scores of one sound, shape (n_frames, n_labels)."""
        result: FloatArray = (1 / (1 + np.exp(-self.logits(samples).astype(np.float64)))).astype(
            np.float32
        )
        return result

    def clip_score(self, samples: FloatArray) -> FloatArray:
        """Score of a whole clip per label: the pooled frame logits through a sigmoid."""
        logits = self.logits(samples).astype(np.float64)
        pooled_logits = np.logaddexp.reduce(logits, axis=0) - np.log(len(logits))
        score: FloatArray = (1 / (1 + np.exp(-pooled_logits))).astype(np.float32)
        return score


def fit(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    clips: ClipSet,
    *,
    validation: ClipSet | None = None,
    seed: int,
    progress: Progress | None = None,
) -> Trained:
    """Train one network on windows made of the clips.

    The same seed and clips give the same network.
    """
    keras.utils.set_random_seed(seed)
    layer = LogBands(front_end.model_dump())
    network = NETWORKS["conv"](settings.network, front_end.n_bands, len(clips.labels))
    trained = Trained(clips.labels, front_end, network)
    maker = window_maker(clips, front_end, settings, frame_samples=trained.frame_samples)
    windows = iter(training_windows(maker, layer, settings.fit.batch_size, seed))
    steps = max(1, settings.fit.windows_per_epoch // settings.fit.batch_size)
    optimizer = keras.optimizers.AdamW(
        _schedule(settings, steps), weight_decay=settings.fit.weight_decay
    )
    step = _step_function(network, optimizer, settings.fit)
    pairs = _by_length(trained, validation) if validation is not None else []
    validate = _validator(network, pairs)
    mean = _MeanWeights(network, steps * settings.fit.epochs)
    for epoch in range(settings.fit.epochs):
        loss = 0.0
        for _ in range(steps):
            loss += float(step(*next(windows))) / steps
            mean.count_step()
        row = {"epoch": epoch + 1.0, "loss": loss}
        if pairs:
            row |= validate()
        trained.history.append(row)
        if progress is not None:
            progress(epoch + 1, row)
    return trained


class _MeanWeights:
    """Gives a network, after its last step, the mean of its weights over the last steps.

    One net in place of many, and less a matter of where the last step happened to end (Izmailov et
    al., UAI 2018). Weights change little by then, so the normalisation's averages, being weights
    too, still fit.
    """

    def __init__(self, network: Any, n_steps: int) -> None:
        self._network, self._left = network, n_steps
        self._first = int(n_steps * AVERAGED_SHARE)
        self._mean: list[FloatArray] = []
        self._n = 0

    def count_step(self) -> None:
        """To be called after every step."""
        self._left -= 1
        if self._left < self._first and self._left % AVERAGED_STEP == 0:
            weights, self._n = self._network.get_weights(), self._n + 1
            self._mean = [
                mean + (now - mean) / self._n
                for mean, now in zip(self._mean or weights, weights, strict=True)
            ]
        if self._left == 0:
            self._network.set_weights(self._mean)


def _schedule(settings: TrainSettings, steps: int) -> Any:
    total = steps * settings.fit.epochs
    warm_up = max(1, int(total * WARM_UP_SHARE))
    return keras.optimizers.schedules.CosineDecay(
        settings.fit.learning_rate / 10,
        max(1, total - warm_up),
        warmup_target=settings.fit.learning_rate,
        warmup_steps=warm_up,
    )


def _step_function(network: Any, optimizer: Any, settings: FitSettings) -> Any:
    optimizer.build(network.trainable_variables)
    shares = settings.label_smoothing, settings.call_frames

    @tf.function(reduce_retracing=True, autograph=False)
    def step(features: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = window_loss(targets, network(features, training=True), *shares)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    return step


def _by_length(trained: Trained, clips: ClipSet) -> list[tuple[Any, Any]]:
    """Features and truth of the clips, a pair for each length: what validation asks each epoch."""
    frame = trained.frame_samples
    groups: dict[int, list[Clip]] = {}
    for clip in clips.clips:
        groups.setdefault(max(1, -(-len(clip.samples) // frame)), []).append(clip)
    layer = LogBands(trained.front_end.model_dump())
    pairs = []
    for n_frames, group in sorted(groups.items()):
        samples = np.zeros((len(group), n_frames * frame), dtype=np.float32)
        for row, clip in zip(samples, group, strict=True):
            row[: len(clip.samples)] = clip.samples
        truth = np.array([clip.label for clip in group])[:, None] == np.arange(len(clips.labels))
        pairs.append((features_of(layer, samples), tf.constant(truth, dtype=tf.float32)))
    return pairs


def _validator(network: Any, pairs: Sequence[tuple[Any, Any]]) -> Callable[[], dict[str, float]]:
    """Clip loss, and accuracy at a score of 0.5, over all labels."""

    @tf.function(reduce_retracing=True, autograph=False)
    def clip_logits(features: Any) -> Any:
        logits = network(features, training=False)
        return pooled(logits, tf.ones_like(logits, dtype=tf.bool))

    def validate() -> dict[str, float]:
        logits = np.concatenate([clip_logits(features).numpy() for features, _ in pairs])
        truth = np.concatenate([labels.numpy() for _, labels in pairs])
        loss = np.mean(np.logaddexp(0, np.where(truth == 1, -logits, logits)))
        return {
            "val_loss": float(loss),
            "val_accuracy": float(np.mean((logits > 0) == (truth == 1))),
        }

    return validate
