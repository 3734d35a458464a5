"""A pre-trained network on disk as a front end: windows of sound -> its embeddings.

The network is frozen: its variables become constants of the graph that a bundle keeps, so that a
model stays one function from samples to scores, and what was on disk is not needed again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from counter.errors import ConfigError
from counter.quiet import quiet_stderr
from training.frontkinds import PretrainedSettings
from training.pretrainedlitert import litert_embedder, scaled

EMBEDDINGS = ("embedding", "embeddings")
MOST_SAID = 300
Embed = Callable[[Any], Any]


@keras.saving.register_keras_serializable("callcount")
class Pretrained(keras.layers.Layer):
    """The embedding of each window by a network that was trained elsewhere.

    Input: float32, shape (n_windows, n_samples). Output: (n_windows, n_values); where the network
    gives several embeddings along a window, their mean.

    Raises
    ------
    ConfigError
        The network is not there, is no SavedModel, takes other windows, has no such output, or
        holds operators that LiteRT does not have.
    """

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = PretrainedSettings.model_validate(front_end)

    def call(self, samples: Any) -> Any:
        """Embeddings of each window; see the class."""
        if self.settings.peak is not None:
            samples = scaled(samples, self.settings.peak)
        return embedder(self.settings, int(samples.shape[1]))(samples)

    def get_config(self) -> dict[str, Any]:
        """Settings, for Keras."""
        return {**super().get_config(), "front_end": self.settings.model_dump()}


@lru_cache(maxsize=4)
def embedder(settings: PretrainedSettings, n_samples: int) -> Embed:
    """A function of TensorFlow, (n_windows, n_samples) -> (n_windows, n_values).

    Raises
    ------
    ConfigError
        As ``Pretrained``.
    """
    with tf.init_scope():  # the first call may be within a graph that is being traced
        return _embedder(settings, n_samples)


def _embedder(settings: PretrainedSettings, n_samples: int) -> Embed:
    if settings.is_litert:
        return litert_embedder(settings, n_samples)
    signature = _signature(settings)
    ((argument, taken),) = signature.structured_input_signature[1].items()
    name = _output_name(settings, signature)
    rank = taken.shape.rank
    length = taken.shape[-1] if rank else None
    if rank not in (1, 2) or length not in (None, n_samples):
        rate_hz = settings.sample_rate_hz
        raise ConfigError(
            f"{settings.path} takes samples of shape {tuple(taken.shape or ())}, but windows have "
            f"{n_samples} ({n_samples / rate_hz:g} s at {rate_hz} Hz).",
            "Set network.window_s and the front end's sample_rate_hz as it was trained.",
        )
    shape = [n_samples] if rank == 1 else [taken.shape[0], n_samples]
    asked = tf.function(
        lambda samples: signature(**{argument: samples})[name],
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )
    frozen = convert_variables_to_constants_v2(asked.get_concrete_function())
    is_batched = rank == 2 and taken.shape[0] is None
    embed = _whole(frozen) if is_batched else _one_by_one(frozen, rank)
    _check_convertible(embed, settings, n_samples)
    return embed


def _signature(settings: PretrainedSettings) -> Any:
    path = Path(settings.path)
    if not (path / "saved_model.pb").is_file():
        raise ConfigError(
            f"{path} is neither a SavedModel (it holds no saved_model.pb) nor a .tflite file."
        )
    try:
        with quiet_stderr():
            loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"{path} does not load as a SavedModel: {why}.") from error
    if settings.signature not in loaded.signatures:
        known = ", ".join(loaded.signatures) or "none"
        raise ConfigError(f"{path} has no signature {settings.signature!r}; it has {known}.")
    signature = loaded.signatures[settings.signature]
    signature.kept = loaded  # a signature alone lets go of the variables that it reads
    if len(signature.structured_input_signature[1]) != 1:
        raise ConfigError(f"{path} takes {len(signature.structured_input_signature[1])} inputs.")
    return signature


def _output_name(settings: PretrainedSettings, signature: Any) -> str:
    """The output that was named, the only one, or the one called as embeddings are."""
    outputs = signature.structured_outputs
    if settings.output is not None and settings.output in outputs:
        return settings.output
    likely = list(outputs) if len(outputs) == 1 else [one for one in EMBEDDINGS if one in outputs]
    if settings.output is None and likely:
        return str(likely[0])
    told = ", ".join(f"{name} {tuple(one.shape)}" for name, one in sorted(outputs.items()))
    asked = "several outputs" if settings.output is None else f"no output {settings.output!r}"
    raise ConfigError(f"{settings.path} has {asked}: {told}.", "Name one as `output`.")


def _whole(frozen: Any) -> Embed:
    """Of a network that takes many windows at once."""

    def embed(samples: Any) -> Any:
        given = frozen(samples)[0]
        return tf.reduce_mean(given, axis=list(range(1, given.shape.rank - 1)))

    return embed


def _one_by_one(frozen: Any, rank: int) -> Embed:
    """Of a network that takes one window at a time."""

    def one(samples: Any) -> Any:
        given = frozen(samples if rank == 1 else samples[None])[0]
        return tf.reduce_mean(given, axis=list(range(given.shape.rank - 1)))

    def embed(samples: Any) -> Any:
        return tf.map_fn(one, samples, fn_output_signature=tf.float32)

    return embed


def _check_convertible(embed: Embed, settings: PretrainedSettings, n_samples: int) -> None:
    """Find before the training what could not be exported after it."""
    shape = [tf.TensorSpec((None, n_samples), tf.float32)]
    function = tf.function(embed, input_signature=shape)
    given = function(tf.constant(np.zeros((1, n_samples), dtype=np.float32)))
    if given.shape.rank != 2 or given.shape[1] is None:
        raise ConfigError(f"{settings.path} gives {tuple(given.shape)}, not a vector a window.")
    try:
        with quiet_stderr():
            concrete = [function.get_concrete_function()]
            tf.lite.TFLiteConverter.from_concrete_functions(concrete).convert()
    except ConverterError as error:
        why = " ".join(str(error).split())[:MOST_SAID]
        raise ConfigError(f"{settings.path} cannot be converted to LiteRT: {why}.") from error
