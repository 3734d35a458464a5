"""Fit a network of windows, and the model that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from counter.errors import ClipError
from counter.records import FloatArray
from training.augment.crops import CropMaker, Targets, Transforms, training_crops
from training.data.clip_set import ClipSet
from training.fit.fitting import MeanWeights, Progress, optimizer_for, restart
from training.models.litert_run import clip_score, clip_windows, on_whole_sounds
from training.models.networks import WINDOW_NETWORKS
from training.models.pretrained import embedder
from training.models.window_front_ends import window_front_end
from training.settings.front_end_settings import FrontEndSettings, PretrainedSettings
from training.settings.network_settings import WindowNetworkSettings, WindowShape
from training.settings.train_settings import CropSettings, FitSettings, TrainSettings, of_kind


@dataclass(frozen=True)
class TrainedWindows:
    """A trained model with windows."""

    labels: tuple[str, ...]
    front_end: FrontEndSettings
    # Features -> scores, shape (n_windows, n_labels), 0 to 1: the activation is within, and a
    # background class is not among them.
    network: Any
    shape: WindowShape  # window and hop
    # Whether one class sounds at a time; then scores of a window sum to at most 1.
    is_exclusive: bool
    # Whether a window may be without any label; exclusive classes need not have a background.
    has_background: bool
    history: list[dict[str, float]] = field(default_factory=list)  # one row per epoch
    _graph: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        layer = window_front_end(self.front_end)
        signature = [tf.TensorSpec((None, self.shape.window_samples), tf.float32)]
        graph = tf.function(
            lambda windows: self.network(layer(windows), training=False), input_signature=signature
        )
        object.__setattr__(self, "_graph", graph)

    @property
    def frame_samples(self) -> int:
        """Samples per score frame: the hop."""
        return self.shape.hop_samples

    @property
    def window_samples(self) -> int:
        """Samples of a window."""
        return self.shape.window_samples

    def scores(self, samples: FloatArray) -> FloatArray:
        """Frame scores of one sound, shape (n_frames, n_labels), as scanning has them."""
        return on_whole_sounds(self._run, self.frame_samples, self.window_samples)(samples)

    def clip_score(self, samples: FloatArray) -> FloatArray:
        """Score of a whole clip per label, of its windows as ``clip_score`` has it."""
        scores = self._run(clip_windows(samples, self.shape))
        return clip_score(scores, is_exclusive=self.is_exclusive)

    def _run(self, windows: FloatArray) -> FloatArray:
        scores: FloatArray = self._graph(windows).numpy()
        return scores


def scoring(network: Any, n_labels: int, *, is_exclusive: bool) -> Any:
    """A network's logits as scores of the labels; keeps the network's weights."""
    activation = ops.softmax if is_exclusive else ops.sigmoid
    return keras.Model(network.inputs, activation(network.outputs[0])[:, :n_labels])


# Windows of a clip that validation looks at each epoch.
MOST_VALIDATED = 8


def shape_of(settings: TrainSettings, front_end: FrontEndSettings) -> WindowShape:
    """Window and hop of a network with windows, in samples."""
    return WindowShape.of(front_end, of_kind(settings.network, WindowNetworkSettings))


def check_windows(settings: TrainSettings, front_end: FrontEndSettings, clips: ClipSet) -> None:
    """Find before the work what windows cannot be made of; networks without any take any clip.

    Raises
    ------
    ClipError
        The window is longer than every clip.
    ConfigError
        A transform of audiomentations, or a pre-trained network, that cannot be had.
    """
    if not settings.has_windows:
        return
    Transforms(of_kind(settings.augment, CropSettings).audiomentations, clips.sample_rate_hz)
    shape = shape_of(settings, front_end)
    longest = max(len(clip.samples) for clip in clips.clips)
    if shape.window_samples > longest:
        rate_hz = clips.sample_rate_hz
        raise ClipError(
            f"the window of {shape.window_samples / rate_hz:g} s is longer than every clip: the "
            f"longest lasts {longest / rate_hz:.3g} s.",
            "Lower network.window_s, or bring longer clips.",
        )
    if isinstance(front_end, PretrainedSettings):
        embedder(front_end, shape.window_samples)


def fit_windows(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    clips: ClipSet,
    *,
    validation: ClipSet | None = None,
    seed: int,
    progress: Progress | None = None,
) -> TrainedWindows:
    """Train one network on windows cut out of the clips; see ``fit_by_kind.fit``."""
    keras.utils.set_random_seed(seed)
    shape, layer = shape_of(settings, front_end), window_front_end(front_end)
    targets = Targets.of(clips, is_exclusive=settings.classes == "exclusive")
    crops = of_kind(settings.augment, CropSettings)
    maker = CropMaker.of(clips, crops, targets, shape.window_samples)
    windows = training_crops(maker, layer, settings.fit.batch_size, seed)
    features = tuple(windows.element_spec[0].shape)[1:]
    asked = of_kind(settings.network, WindowNetworkSettings)
    network = WINDOW_NETWORKS[asked.kind](asked, features, targets.n_classes)
    learner = _learner(asked, settings.fit, features, targets)
    restart(learner, learner.optimizer, network)
    log = _EpochLog(progress, MeanWeights(learner, settings.fit))
    judged = _validation(validation, layer, shape, targets)
    _learn(learner, windows, settings.fit, callbacks=[log], validation_data=judged)
    network.set_weights(learner.get_weights())
    scores = scoring(network, targets.n_labels, is_exclusive=targets.is_exclusive)
    return TrainedWindows(
        labels=clips.labels,
        front_end=front_end,
        network=scores,
        shape=shape,
        is_exclusive=targets.is_exclusive,
        history=log.history,
        has_background=targets.has_background or not targets.is_exclusive,
    )


def _learn(learner: Any, windows: Any, fit: FitSettings, **more: Any) -> None:
    learner.fit(
        windows,
        epochs=fit.epochs,
        steps_per_epoch=fit.steps_per_epoch,
        shuffle=False,  # it is drawn
        verbose=0,
        **more,
    )


# The folds of one training share what was traced, which takes seconds.
@lru_cache(maxsize=2)
def _learner(
    network: WindowNetworkSettings, fit: FitSettings, features: tuple[int, ...], targets: Targets
) -> Any:
    """A network to train on, again and again."""
    learner = WINDOW_NETWORKS[network.kind](network, features, targets.n_classes)
    if targets.is_exclusive:
        loss: Any = keras.losses.CategoricalCrossentropy
        accuracy: Any = keras.metrics.CategoricalAccuracy(name="accuracy")
    else:
        loss = keras.losses.BinaryCrossentropy
        accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
    learner.compile(
        optimizer=optimizer_for(learner, fit),
        loss=loss(from_logits=True, label_smoothing=fit.label_smoothing),
        weighted_metrics=[accuracy],
    )
    return learner


class _EpochLog(keras.callbacks.Callback):
    """Keeps a row each epoch, reports it, and counts the steps for the mean of the weights."""

    def __init__(self, progress: Progress | None, mean: MeanWeights) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self._progress, self._mean = progress, mean

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._mean.count_step()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        kept = ("loss", "val_loss", "val_accuracy")
        row = {key: float(logs[key]) for key in kept if key in logs}
        self.history.append({"epoch": epoch + 1.0, **row})
        if self._progress is not None:
            self._progress(epoch + 1, self.history[-1])


def _validation(
    clips: ClipSet | None, layer: Any, shape: WindowShape, targets: Targets
) -> tuple[FloatArray, NDArray[np.float32]] | None:
    """Features and targets of some windows of every clip."""
    if clips is None or not clips.clips:
        return None
    features, columns = [], []
    for clip in clips.clips:
        windows = clip_windows(clip.samples, shape)
        windows = windows[:: -(-len(windows) // MOST_VALIDATED)]
        features.append(np.asarray(layer(windows)))
        columns += [int(targets.columns(np.array(clip.label)))] * len(windows)
    wanted = np.array(columns)[:, None] == np.arange(targets.n_classes)
    return np.concatenate(features), wanted.astype(np.float32)
