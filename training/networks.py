"""Networks: functions from settings to a Keras model, features -> frame logits.

Fully convolutional in time: convolutions, pooling and 1 x 1 layers alone, so that one pass over a
long recording gives what sliding windows would, with the overlap computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from training.settings import NetworkSettings

# Feature frames per score frame: the first two blocks halve time, the first by its stride.
POOL = 4
FIRST_KERNEL, KERNEL = 5, 3
# Two depthwise convolutions over time, of this many score frames each: a whole call at once.
HEAD_KERNEL, HEAD_LAYERS = 17, 2


@keras.saving.register_keras_serializable("callcount")
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


NETWORKS = {"conv": conv_net}
