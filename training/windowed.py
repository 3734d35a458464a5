"""A trained model that scores one window at a time, whatever its network or how it was fitted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from counter.records import FloatArray
from training.clipscores import clip_score
from training.litertrun import on_whole_sounds
from training.settings import FrontEndSettings, WindowShape
from training.windowfronts import window_front_end
from training.windows import clip_windows


@dataclass(frozen=True)
class TrainedWindows:
    """A trained model with windows.

    Attributes
    ----------
    labels : tuple of str
    front_end : FrontEndSettings
    network : keras.Model
        Features -> scores, shape (n_windows, n_labels), 0 to 1: the activation is within, and
        a background class is not among them.
    shape : WindowShape
        Window and hop.
    is_exclusive : bool
        Whether one class sounds at a time; then scores of a window sum to at most 1.
    has_background : bool
        Whether a window may be without any label; exclusive classes need not have a background.
    history : list of dict
        One row per epoch.
    """

    labels: tuple[str, ...]
    front_end: FrontEndSettings
    network: Any
    shape: WindowShape
    is_exclusive: bool
    has_background: bool
    history: list[dict[str, float]] = field(default_factory=list)
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
