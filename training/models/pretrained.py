"""Pre-trained networks on disk (SavedModel, LiteRT) as front ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.lite.python.convert import ConverterError
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from counter.errors import BundleError, ConfigError
from counter.quiet import quiet_stderr
from counter.records import FloatArray
from training.models.litert_graph import Graph
from training.models.litert_run import runner
from training.settings.front_end_settings import PretrainedSettings

# A window fainter than this stays as it is.
SILENT_PEAK = 1e-6


def litert_embedder(settings: PretrainedSettings, n_samples: int) -> Callable[[Any], Any]:
    """A function of TensorFlow, (n_windows, n_samples) -> (n_windows, n_values).

    Raises
    ------
    ConfigError
        The file is none, takes other windows, or has no such tensor.
    """
    run, lock = runner(_embedding(settings, n_samples).content(), n_samples), Lock()
    n_values = run(np.zeros((1, n_samples), dtype=np.float32)).shape[-1]

    def embed(samples: FloatArray) -> FloatArray:
        with lock:  # datasets ask from several threads
            given = [run(one[None]).reshape(1, n_values) for one in samples]
        return np.concatenate([np.zeros((0, n_values), dtype=np.float32), *given])

    def embed_tensor(samples: Any) -> Any:
        given = tf.numpy_function(embed, [samples], tf.float32)
        given.set_shape((None, n_values))
        return given

    return embed_tensor


def scaled(samples: Any, peak: float) -> Any:
    """Windows, (n_windows, n_samples), with the loudest sample of each at a peak."""
    loudest = ops.max(ops.absolute(samples), axis=1, keepdims=True)
    return samples * (peak / ops.maximum(loudest, SILENT_PEAK))


def scaling(settings: PretrainedSettings, n_samples: int) -> keras.Model:
    """What comes before the file: one window, scaled where that is asked."""
    samples = keras.Input(batch_shape=(1, n_samples), name="samples")
    peak = settings.peak
    return keras.Model(samples, samples * 1.0 if peak is None else scaled(samples, peak))


def joined(settings: PretrainedSettings, n_samples: int, *, before: bytes, behind: bytes) -> bytes:
    """The LiteRT file between two others: one function from a window to its scores."""
    whole = Graph(before, "the scaling of windows")
    whole.follow(_embedding(settings, n_samples))
    whole.follow(Graph(behind, "the head"))
    whole.fix_input([1, n_samples])
    return whole.content()


def _embedding(settings: PretrainedSettings, n_samples: int) -> Graph:
    path = Path(settings.path)
    try:
        graph = Graph(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}.", "Check the path.") from error
    except BundleError as error:
        raise ConfigError(f"{path} is no LiteRT file.", "Check the file.") from error
    tensor = graph.output if settings.output is None else graph.find(settings.output)
    if tensor is None:
        raise ConfigError(
            f"{path} has no tensor {settings.output!r}.", "A viewer such as Netron names them."
        )
    graph.cut(tensor)
    shape = [int(n) for n in graph.tensor(graph.input).shape]
    signature = graph.tensor(graph.input).shapeSignature
    if len(shape) != 2 or (signature is None and shape != [1, n_samples]):
        raise _other_windows(str(path), tuple(shape), n_samples, settings)
    return graph


def _other_windows(
    path: str, shape: tuple[int | None, ...], n_samples: int, settings: PretrainedSettings
) -> ConfigError:
    rate_hz = settings.sample_rate_hz
    return ConfigError(
        f"{path} takes samples of shape {shape}, but windows have {n_samples} "
        f"({n_samples / rate_hz:g} s at {rate_hz} Hz).",
        "Set network.window_s and the front end's sample_rate_hz as it was trained.",
    )


EMBEDDINGS = ("embedding", "embeddings")
MOST_SAID = 300
Embed = Callable[[Any], Any]


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
        raise _other_windows(settings.path, tuple(taken.shape or ()), n_samples, settings)
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
    named = ", ".join(f"{name} {tuple(one.shape)}" for name, one in sorted(outputs.items()))
    asked = "several outputs" if settings.output is None else f"no output {settings.output!r}"
    raise ConfigError(f"{settings.path} has {asked}: {named}.", "Name one as `output`.")


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
