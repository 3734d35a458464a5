"""Settings -> a trained network with windows: loss, schedule, seeds, progress."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from counter.errors import ClipError
from counter.records import FloatArray
from training.clipset import ClipSet
from training.crops import CropMaker, Targets, training_crops
from training.fit import Progress
from training.frontkinds import PretrainedSettings
from training.pretrained import embedder
from training.settings import (
    CropSettings,
    FitSettings,
    FrontEndSettings,
    TrainSettings,
    WindowNetworkSettings,
    WindowShape,
    of_kind,
)
from training.steps import MeanWeights, optimizer_for, restart
from training.transforms import Transforms
from training.windowed import TrainedWindows, scoring
from training.windowfronts import window_front_end
from training.windownets import WINDOW_NETWORKS
from training.windows import clip_windows

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
    """Train one network on windows cut out of the clips.

    The same seed and clips give the same network.
    """
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
    told = _Told(progress, MeanWeights(learner, settings.fit))
    judged = _validation(validation, layer, shape, targets)
    _learn(learner, windows, settings.fit, callbacks=[told], validation_data=judged)
    network.set_weights(learner.get_weights())
    scores = scoring(network, targets.n_labels, is_exclusive=targets.is_exclusive)
    return TrainedWindows(
        labels=clips.labels,
        front_end=front_end,
        network=scores,
        shape=shape,
        is_exclusive=targets.is_exclusive,
        history=told.history,
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
    learner.compile(
        optimizer=optimizer_for(learner, fit),
        loss=_loss(targets, fit.label_smoothing),
        weighted_metrics=[_accuracy(targets)],
    )
    return learner


def _loss(targets: Targets, smoothing: float) -> Any:
    kind = keras.losses.BinaryCrossentropy
    if targets.is_exclusive:
        kind = keras.losses.CategoricalCrossentropy
    return kind(from_logits=True, label_smoothing=smoothing)


def _accuracy(targets: Targets) -> Any:
    if targets.is_exclusive:
        return keras.metrics.CategoricalAccuracy(name="accuracy")
    return keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)


class _Told(keras.callbacks.Callback):
    """Keeps a row each epoch, tells of it, and counts the steps for the mean of the weights."""

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
