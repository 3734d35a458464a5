"""Networks: functions from settings to a Keras model, features to logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from training.settings.network_settings import (
    ConvolvedSettings,
    DenseSettings,
    LayeredSettings,
    MfccConvSettings,
    NetworkSettings,
    WaveformCnnSettings,
)

# Feature frames per score frame: the first two blocks halve time, the first by its stride.
POOL = 4
FIRST_KERNEL, KERNEL = 5, 3
# Two depthwise convolutions over time, of this many score frames each: a whole call at once.
HEAD_KERNEL, HEAD_LAYERS = 17, 2


class BatchNorm(layers.BatchNormalization):
    """Keras's, over the last axis of a picture, in one operation.

    Keras's own walks through memory once for each of its sums and products, which on a processor
    takes longer than the convolutions do.
    """

    def call(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise by the batch while training, else by the averages."""
        averages = (self.moving_mean, self.moving_variance)
        known = {} if training else dict(zip(("mean", "variance"), averages, strict=True))
        y, *drawn = tf.compat.v1.nn.fused_batch_norm(
            x, self.gamma, self.beta, **known, epsilon=self.epsilon, is_training=bool(training)
        )
        if training:
            for average, now in zip(averages, drawn, strict=True):
                average.assign(average * self.momentum + now * (1.0 - self.momentum))
        return y


def conv_net(settings: NetworkSettings, n_bands: int, n_labels: int) -> keras.Model:
    """Blocks of convolutions, then a head that looks along time, one logit per label.

    Input (batch, n_frames, n_bands), ``n_frames`` a multiple of ``POOL``; output (batch,
    n_frames / POOL, n_labels).
    """

    def normed(x: Any) -> Any:
        return layers.ReLU()(BatchNorm(momentum=settings.norm_momentum)(x))

    features = keras.Input((None, n_bands), name="features")
    x = layers.Reshape((-1, n_bands, 1))(features)
    x = layers.BatchNormalization(axis=2, momentum=settings.norm_momentum, name="bands")(x)
    first, *others = settings.channels
    x = normed(layers.Conv2D(first, FIRST_KERNEL, 2, padding="same", use_bias=False)(x))
    height = -(-n_bands // 2)
    for block, channels in enumerate(others):
        x = normed(layers.Conv2D(channels, KERNEL, padding="same", use_bias=False)(x))
        x = layers.MaxPooling2D((1 if block else 2, 2))(x)
        height //= 2
    x = normed(layers.Conv2D(settings.head_channels, (1, height), use_bias=False)(x))
    for _ in range(HEAD_LAYERS):
        x = layers.DepthwiseConv2D((HEAD_KERNEL, 1), padding="same", use_bias=False)(x)
        x = normed(layers.Conv2D(settings.head_channels, 1, use_bias=False)(x))
    x = layers.SpatialDropout2D(settings.dropout)(x)
    x = layers.Conv2D(n_labels, 1, name="logits")(x)
    return keras.Model(features, layers.Reshape((-1, n_labels))(x), name="conv_net")


def mean_net(networks: Sequence[keras.Model]) -> keras.Model:
    """Several networks of one input as one: the mean of their logits."""
    features = keras.Input(networks[0].input_shape[1:], name="features")
    members = [
        keras.Model(one.inputs[0], one.outputs[0], name=f"member_{number}")
        for number, one in enumerate(networks, 1)
    ]
    logits = [member(features) for member in members]
    return keras.Model(features, layers.Average(name="logits")(logits), name="mean_net")


def context_frames(settings: NetworkSettings) -> int:
    """Score frames on either side that a score depends on."""
    reach, step = FIRST_KERNEL // 2, 2
    for _ in settings.channels[1:]:
        reach += (KERNEL // 2) * step
        step = POOL
    reach += HEAD_LAYERS * (HEAD_KERNEL // 2) * step
    # The front end's first windows reach before the chunk, hence one frame more.
    return -(-reach // POOL) + 1


# The first convolution of a waveform is long and steps far, as a front end does; others are short.
FIRST_SAMPLES, FIRST_STEP, KERNEL_SAMPLES, POOL_SAMPLES = 64, 8, 9, 4
WINDOW_KERNEL, WINDOW_POOL = 3, 2
MOMENTUM = 0.9
Shape = tuple[int, ...]


class _Layers:
    """Layers with the penalty and the dropout of the settings."""

    def __init__(self, settings: LayeredSettings) -> None:
        self.dropout = settings.dropout
        self.penalty = keras.regularizers.L2(settings.l2) if settings.l2 else None

    def conv(self, x: Any, channels: int, kernel: Any, strides: int = 1) -> Any:
        """A convolution along as many axes as ``x`` has, normalised and rectified."""
        kind = layers.Conv1D if len(x.shape) == 3 else layers.Conv2D
        given: Any = {"padding": "same", "use_bias": False, "kernel_regularizer": self.penalty}
        x = kind(channels, kernel, strides, **given)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(x))

    def pictures(self, channels: tuple[int, ...], shape: Shape, name: str) -> tuple[Any, Any]:
        """2-D convolutions on rows along time, each pooled by 2: the input, and what they give."""
        features = keras.Input(shape, name="features")
        x = layers.BatchNormalization(momentum=MOMENTUM, name=name)(features)
        x = layers.Reshape((*shape, 1))(x)
        for n in channels:
            x = self.conv(x, n, WINDOW_KERNEL)
            x = layers.MaxPooling2D(WINDOW_POOL, padding="same")(x)
        return features, x

    def dense(self, x: Any, units: tuple[int, ...], n_classes: int) -> Any:
        """Dense layers with dropout on a vector, then logits, shape (n_windows, n_classes)."""
        x = layers.Reshape((1, x.shape[-1]))(x)
        for n in units:
            x = layers.Dropout(self.dropout)(x)
            x = layers.Conv1D(n, 1, activation="relu", kernel_regularizer=self.penalty)(x)
        x = layers.Dropout(self.dropout)(x)
        x = layers.Conv1D(n_classes, 1, kernel_regularizer=self.penalty, name="logits")(x)
        return layers.Reshape((n_classes,))(x)


def waveform_cnn(settings: WaveformCnnSettings, shape: Shape, n_classes: int) -> keras.Model:
    """1-D convolutions on samples, (n_windows, n_samples, 1); each pools time by 4."""
    build = _Layers(settings)
    samples = x = keras.Input(shape, name="features")
    x = layers.BatchNormalization(momentum=MOMENTUM, name="level")(x)
    for number, channels in enumerate(settings.channels):
        if number == 0:
            x = build.conv(x, channels, FIRST_SAMPLES, FIRST_STEP)
        else:
            x = build.conv(x, channels, KERNEL_SAMPLES)
        x = layers.MaxPooling1D(POOL_SAMPLES, padding="same")(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(samples, build.dense(x, settings.units, n_classes), name="waveform_cnn")


def cnn_2d(settings: ConvolvedSettings, shape: Shape, n_classes: int) -> keras.Model:
    """2-D convolutions on bands along time, (n_windows, n_frames, n_bands); each pools by 2.

    The mean and the maximum over what is left of time and bands go into the dense layers.
    """
    build = _Layers(settings)
    features, x = build.pictures(settings.channels, shape, "bands")
    both = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    x = layers.Concatenate()(both)
    return keras.Model(features, build.dense(x, settings.units, n_classes), name="cnn_2d")


def mfcc_conv(settings: MfccConvSettings, shape: Shape, n_classes: int) -> keras.Model:
    """2-D convolutions on coefficients along time, each normalised and pooled, then flattened."""
    build = _Layers(settings)
    features, x = build.pictures(settings.channels, shape, "coefficients")
    x = build.dense(layers.Flatten()(x), settings.units, n_classes)
    return keras.Model(features, x, name="mfcc_conv")


def dense(settings: DenseSettings, shape: Shape, n_classes: int) -> keras.Model:
    """Dense layers on one vector a window, normalised first."""
    features = keras.Input(shape, name="features")
    x = layers.BatchNormalization(momentum=MOMENTUM, name="values")(features)
    x = _Layers(settings).dense(x, settings.units, n_classes)
    return keras.Model(features, x, name="dense")


# What ``fit_windows`` trains, by ``network.kind``.
WINDOW_NETWORKS: dict[str, Callable[[Any, Shape, int], keras.Model]] = {
    "waveform-cnn": waveform_cnn,
    "cnn-2d": cnn_2d,
    "mfcc-conv": mfcc_conv,
    "dense": dense,
}
