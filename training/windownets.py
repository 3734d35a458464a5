"""Networks that score one window at a time: features of windows -> logits, one a class.

Dense layers are 1 x 1 convolutions, so that an export can tell them from the front end's matrix
products, which must stay in float32 where the network goes to int8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from training.netkinds import (
    ConvolvedSettings,
    DenseSettings,
    LayeredSettings,
    MfccConvSettings,
    WaveformCnnSettings,
)

# The first convolution of a waveform is long and steps far, as a front end does; others are short.
FIRST_SAMPLES, FIRST_STEP, KERNEL_SAMPLES, POOL_SAMPLES = 64, 8, 9, 4
KERNEL, POOL = 3, 2
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
        x = kind(
            channels,
            kernel,
            strides,
            padding="same",
            use_bias=False,
            kernel_regularizer=self.penalty,
        )(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(x))

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
    features = keras.Input(shape, name="features")
    x = layers.BatchNormalization(momentum=MOMENTUM, name="bands")(features)
    x = layers.Reshape((*shape, 1))(x)
    for channels in settings.channels:
        x = build.conv(x, channels, KERNEL)
        x = layers.MaxPooling2D(POOL, padding="same")(x)
    both = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    x = layers.Concatenate()(both)
    return keras.Model(features, build.dense(x, settings.units, n_classes), name="cnn_2d")


def mfcc_conv(settings: MfccConvSettings, shape: Shape, n_classes: int) -> keras.Model:
    """2-D convolutions on coefficients along time, each normalised and pooled, then flattened."""
    build = _Layers(settings)
    features = keras.Input(shape, name="features")
    x = layers.BatchNormalization(momentum=MOMENTUM, name="coefficients")(features)
    x = layers.Reshape((*shape, 1))(x)
    for channels in settings.channels:
        x = build.conv(x, channels, KERNEL)
        x = layers.MaxPooling2D(POOL, padding="same")(x)
    x = layers.Flatten()(x)
    return keras.Model(features, build.dense(x, settings.units, n_classes), name="mfcc_conv")


def dense(settings: DenseSettings, shape: Shape, n_classes: int) -> keras.Model:
    """Dense layers on one vector a window, normalised first."""
    features = keras.Input(shape, name="features")
    x = layers.BatchNormalization(momentum=MOMENTUM, name="values")(features)
    return keras.Model(
        features, _Layers(settings).dense(x, settings.units, n_classes), name="dense"
    )


# What ``training.windowfit`` trains, by ``network.kind``.
WINDOW_NETWORKS: dict[str, Callable[[Any, Shape, int], keras.Model]] = {
    "waveform-cnn": waveform_cnn,
    "cnn-2d": cnn_2d,
    "mfcc-conv": mfcc_conv,
    "dense": dense,
}
