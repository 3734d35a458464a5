"""Fit a network of frames: loss, learning rate, mean of the last weights, seeds, progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from counter.records import FloatArray
from training.augment.context_windows import context_window_maker
from training.augment.windows import Draw, both, features_by, training_windows, window_maker
from training.data.clip_set import Clip, ClipSet
from training.models.front_ends import LogBands, features_of
from training.models.litert_run import clip_score, on_whole_sounds
from training.models.networks import POOL, conv_net, mean_net
from training.settings.front_end_settings import BandSettings, FrontEndSettings
from training.settings.network_settings import NetworkSettings
from training.settings.train_settings import (
    AugmentSettings,
    FitSettings,
    TrainSettings,
    of_kind,
)

# Weight of the pooled background beside its mean over frames: one loud frame is a false call.
HARD_BACKGROUND_WEIGHT = 1.0

Progress = Callable[[int, dict[str, float]], None]
# Features and targets of a batch -> loss; changes the network's weights.
Step = Callable[[Any, Any], Any]


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
    mean over a call's frames asks for all of it, from its own start in its clip to its own end.

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
    """A trained model."""

    labels: tuple[str, ...]
    front_end: BandSettings
    network: Any  # features -> frame logits
    history: list[dict[str, float]] = field(default_factory=list)  # one row per epoch
    _graph: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        layer = LogBands(self.front_end.model_dump())
        signature = [tf.TensorSpec((1, None), tf.float32)]
        graph = tf.function(
            lambda samples: ops.sigmoid(self.network(layer(samples), training=False)),
            input_signature=signature,
        )
        object.__setattr__(self, "_graph", graph)

    @property
    def frame_samples(self) -> int:
        """Samples per score frame."""
        return self.front_end.hop_samples * POOL

    @property
    def window_samples(self) -> None:
        """None: it takes sound of any length."""
        return None

    def scores(self, samples: FloatArray) -> FloatArray:
        """Frame scores of one sound, shape (n_frames, n_labels); silence fills the last frame."""
        return on_whole_sounds(self._run, self.frame_samples, None)(samples)

    def clip_score(self, samples: FloatArray) -> FloatArray:
        """Score of a whole clip per label, of its frames as ``clip_score`` has it."""
        return clip_score(self.scores(samples), is_exclusive=False)

    def _run(self, samples: FloatArray) -> FloatArray:
        scores: FloatArray = self._graph(samples).numpy()
        return scores


def fit(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    clips: ClipSet,
    *,
    validation: ClipSet | None = None,
    seed: int,
    progress: Progress | None = None,
) -> Trained:
    """Train one network on windows made of the clips; see ``fit_by_kind.fit``."""
    keras.utils.set_random_seed(seed)
    bands = of_kind(front_end, BandSettings)
    layer = LogBands(bands.model_dump())
    conv, shape = of_kind(settings.network, NetworkSettings), (bands.n_bands, len(clips.labels))
    network = conv_net(conv, *shape)
    trained = Trained(clips.labels, bands, network)
    drawn = _drawer(clips, bands, settings, layer, trained.frame_samples)
    augment = of_kind(settings.augment, AugmentSettings)
    windows = iter(training_windows(drawn, augment, settings.fit.batch_size, seed))
    learner, optimizer, step = _learner(conv, settings.fit, shape)
    restart(learner, optimizer, network)
    pairs = _by_length(trained, validation) if validation is not None else []
    validate = _validator(learner, pairs)
    mean = MeanWeights(learner, settings.fit)
    for epoch in range(settings.fit.epochs):
        loss = 0.0
        for _ in range(settings.fit.steps_per_epoch):
            loss += float(step(*next(windows))) / settings.fit.steps_per_epoch
            mean.count_step()
        row = {"epoch": epoch + 1.0, "loss": loss}
        if pairs:
            row |= validate()
        trained.history.append(row)
        if progress is not None:
            progress(epoch + 1, row)
    network.set_weights(learner.get_weights())
    return trained


def _drawer(
    clips: ClipSet, front_end: BandSettings, settings: TrainSettings, layer: LogBands, frame: int
) -> Draw:
    """Windows of annotated recordings as they are, of clips laid over backgrounds, or of both."""

    def laid() -> Draw:
        maker = window_maker(clips, front_end, settings, frame_samples=frame)
        return features_by(maker, layer)

    if not any(one.calls for one in clips.recordings):
        return laid()
    context = context_window_maker(clips, front_end, settings, frame_samples=frame)
    known = {one.source for one in clips.recordings}
    return context if known >= {clip.source for clip in clips.clips} else both(context, laid())


def mean_of(models: Sequence[Any]) -> Trained:
    """Models that share labels and front end as one: the mean of their logits, and of histories.

    What one of them takes for a call and the others do not is mostly none (ensembles of networks;
    Hansen and Salamon, IEEE Trans. Pattern Anal. Mach. Intell. 1990).
    """
    history = [
        {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        for rows in zip(*(one.history for one in models), strict=True)
    ]
    network = mean_net([one.network for one in models])
    return Trained(models[0].labels, models[0].front_end, network, history)


# The folds of one training, and its models where their bands are as many, share one: a step takes
# seconds to trace.
@lru_cache(maxsize=1)
def _learner(
    settings: NetworkSettings, fitting: FitSettings, shape: tuple[int, int]
) -> tuple[Any, Any, Step]:
    """A network to train on, again and again, its optimizer, and its step."""

    def loss(targets: Any, logits: Any) -> Any:
        return window_loss(targets, logits, fitting.label_smoothing, fitting.call_frames)

    network = conv_net(settings, *shape)
    optimizer = optimizer_for(network, fitting)
    return network, optimizer, _step(network, optimizer, loss)


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


WARM_UP_SHARE = 0.1
# Parts of a batch that are worked on side by side, as most operations keep but one core busy.
BATCH_PARTS = 2
# The network is the mean of its weights over this last share of the steps, every so many of them.
AVERAGED_SHARE, AVERAGED_STEP = 0.25, 2

# Targets and what the network says of a part of a batch -> the mean loss.
Loss = Callable[[Any, Any], Any]


def optimizer_for(network: Any, settings: FitSettings) -> Any:
    """AdamW, its rate a short rise, then half a cosine down to 0; ready for a first step."""
    warm_up = max(1, int(settings.n_steps * WARM_UP_SHARE))
    rate = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 10,
        max(1, settings.n_steps - warm_up),
        warmup_target=settings.learning_rate,
        warmup_steps=warm_up,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    optimizer.build(network.trainable_variables)
    return optimizer


def restart(network: Any, optimizer: Any, other: Any) -> None:
    """Begin anew from the weights of another network of that kind, and its dropout's seeds."""
    for own, begun in zip(network.variables, other.variables, strict=True):
        own.assign(begun)
    for variable in optimizer.variables:
        variable.assign(ops.zeros_like(variable))


def _step(network: Any, optimizer: Any, loss: Loss) -> Step:
    weights = network.trainable_variables

    def part(features: Any, targets: Any, share: float) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            own = share * loss(targets, network(features, training=True))
        return own, tape.gradient(own, weights)

    @tf.function(reduce_retracing=True, autograph=False)
    def step(features: Any, targets: Any) -> Any:
        n = features.shape[0]
        sizes = [len(range(first, n, BATCH_PARTS)) for first in range(min(n, BATCH_PARTS))]
        parts = zip(tf.split(features, sizes), tf.split(targets, sizes), sizes, strict=True)
        losses, gradients = zip(*(part(x, y, size / n) for x, y, size in parts), strict=True)
        summed = [sum(some) for some in zip(*gradients, strict=True)]
        optimizer.apply_gradients(zip(summed, weights, strict=True))
        return sum(losses)

    return step


class MeanWeights:
    """Gives a network, after its last step, the mean of its weights over the last steps.

    One net in place of many, and less a matter of where the last step happened to end (Izmailov et
    al., UAI 2018). Weights change little by then, so the normalisation's averages, being weights
    too, still fit.
    """

    def __init__(self, network: Any, settings: FitSettings) -> None:
        self._network, self._left = network, settings.n_steps
        self._first = max(1, int(settings.n_steps * AVERAGED_SHARE))
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
