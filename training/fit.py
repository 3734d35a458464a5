"""Settings -> a trained network: loss, schedule, seeds, progress."""

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
from training.clips import Clip, ClipSet
from training.clipscores import clip_score
from training.frontends import LogBands, features_of
from training.litertrun import on_whole_sounds
from training.networks import NETWORKS, POOL, mean_net
from training.pipeline import training_windows, window_maker
from training.settings import (
    BandSettings,
    FitSettings,
    FrontEndSettings,
    NetworkSettings,
    TrainSettings,
    of_kind,
)
from training.steps import MeanWeights, Trainer

# Weight of the pooled background beside its mean over frames: one loud frame is a false call.
HARD_BACKGROUND_WEIGHT = 1.0

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
    """A trained model.

    Attributes
    ----------
    labels : tuple of str
    front_end : BandSettings
    network : keras.Model
        Features -> frame logits.
    history : list of dict
        One row per epoch.
    """

    labels: tuple[str, ...]
    front_end: BandSettings
    network: Any
    history: list[dict[str, float]] = field(default_factory=list)
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
    """Train one network on windows made of the clips.

    The same seed and clips give the same network.
    """
    keras.utils.set_random_seed(seed)
    bands = of_kind(front_end, BandSettings)
    layer = LogBands(bands.model_dump())
    conv, shape = of_kind(settings.network, NetworkSettings), (bands.n_bands, len(clips.labels))
    network = NETWORKS["conv"](conv, *shape)
    trained = Trained(clips.labels, bands, network)
    maker = window_maker(clips, front_end, settings, frame_samples=trained.frame_samples)
    windows = iter(training_windows(maker, layer, settings.fit.batch_size, seed))
    trainer = _trainer(conv, settings.fit, shape)
    trainer.restart(network)
    pairs = _by_length(trained, validation) if validation is not None else []
    validate = _validator(trainer.network, pairs)
    mean = MeanWeights(trainer.network, settings.fit)
    for epoch in range(settings.fit.epochs):
        loss = 0.0
        for _ in range(settings.fit.steps_per_epoch):
            loss += float(trainer.step(*next(windows))) / settings.fit.steps_per_epoch
            mean.count_step()
        row = {"epoch": epoch + 1.0, "loss": loss}
        if pairs:
            row |= validate()
        trained.history.append(row)
        if progress is not None:
            progress(epoch + 1, row)
    network.set_weights(trainer.network.get_weights())
    return trained


def mean_of(models: Sequence[Trained]) -> Trained:
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
def _trainer(network: NetworkSettings, settings: FitSettings, shape: tuple[int, int]) -> Trainer:
    def loss(targets: Any, logits: Any) -> Any:
        return window_loss(targets, logits, settings.label_smoothing, settings.call_frames)

    return Trainer.of(NETWORKS["conv"](network, *shape), settings, loss)


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
