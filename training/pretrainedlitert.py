"""A LiteRT file that was trained elsewhere: run while a head is trained, joined with it after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from counter.errors import BundleError, ConfigError
from counter.records import FloatArray
from training.frontkinds import PretrainedSettings
from training.litertgraph import Graph
from training.litertrun import runner

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
    told = graph.tensor(graph.input).shapeSignature
    if len(shape) != 2 or (told is None and shape != [1, n_samples]):
        raise ConfigError(
            f"{path} takes samples of shape {tuple(shape)}, but windows have {n_samples} "
            f"({n_samples / settings.sample_rate_hz:g} s at {settings.sample_rate_hz} Hz).",
            "Set network.window_s and the front end's sample_rate_hz as it was trained.",
        )
    return graph
