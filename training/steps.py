"""Steps of training: rate, halves of a batch side by side, and the mean of the last weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from counter.records import FloatArray
from training.settings import FitSettings

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


@dataclass(frozen=True)
class Trainer:
    """A network to train on and its step, which takes seconds to trace.

    Attributes
    ----------
    network : keras.Model
    optimizer : keras.optimizers.Optimizer
    step : callable
        Features and targets of a batch -> loss; changes the network's weights.
    """

    network: Any
    optimizer: Any
    step: Callable[[Any, Any], Any]

    @classmethod
    def of(cls, network: Any, settings: FitSettings, loss: Loss) -> Trainer:
        """A trainer by AdamW."""
        optimizer = optimizer_for(network, settings)
        return cls(network, optimizer, _step(network, optimizer, loss))

    def restart(self, network: Any) -> None:
        """Begin anew from the weights of another network of that kind."""
        restart(self.network, self.optimizer, network)


def _step(network: Any, optimizer: Any, loss: Loss) -> Callable[[Any, Any], Any]:
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
