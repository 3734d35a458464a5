"""Transforms of audiomentations on training windows; the one module that knows the library."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from counter.config import suggest
from counter.errors import ConfigError
from counter.records import FloatArray


class Transforms:
    """Transforms one after the other, each window by itself.

    Parameters
    ----------
    described : sequence of mapping
        Of each its ``name``, and its own settings by their names in the library.
    sample_rate_hz : int
        Of the windows.

    Raises
    ------
    ConfigError
        The library is not installed, or has no such transform or setting.
    """

    def __init__(self, described: Sequence[Mapping[str, Any]], sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._transforms = [_made(_library(), one) for one in described]

    def __call__(self, windows: FloatArray, seed: int) -> FloatArray:
        """Transformed windows, shape (n_windows, n_samples); the same seed gives the same ones."""
        # The library draws from these two; there is no generator to hand it.
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        changed = np.empty_like(windows)
        for row, window in zip(changed, windows, strict=True):
            for transform in self._transforms:
                window = transform(samples=window, sample_rate=self._rate_hz)
            row[:] = window[: len(row)]
        return changed

    def on_batch(self, seed: int) -> Callable[[Any, tuple[Any, Any]], tuple[Any, Any]]:
        """For ``tf.data``: (number, (windows, targets)) -> (windows, targets)."""

        def change(number: Any, batch: tuple[Any, Any]) -> tuple[Any, Any]:
            windows, targets = batch
            changed = tf.numpy_function(
                lambda x, n: self(x, int(n) + 1_000_003 * seed), [windows, number], tf.float32
            )
            return tf.ensure_shape(changed, windows.shape), targets

        return change


def _library() -> Any:
    try:
        import audiomentations
    except ImportError as error:
        raise ConfigError(
            "augment.audiomentations needs that library.",
            "Install it: pip install 'callcount[augment]'",
        ) from error
    return audiomentations


def _made(library: Any, described: Mapping[str, Any]) -> Any:
    """One transform; its length must be that of the window, whatever it does."""
    name = str(described["name"])
    base = library.core.transforms_interface.BaseWaveformTransform
    known = {
        key: one
        for key, one in vars(library).items()
        if inspect.isclass(one) and issubclass(one, base)
    }
    if name not in known:
        near = suggest(name, list(known))
        raise ConfigError(f"augment.audiomentations has no transform '{name}'{near}.")
    given = {key: value for key, value in described.items() if key != "name"}
    allowed = list(inspect.signature(known[name]).parameters)
    for key in given:
        if key not in allowed:
            near = suggest(key, allowed)
            raise ConfigError(f"augment.audiomentations: {name} has no setting '{key}'{near}.")
    try:
        return known[name](**given)
    except (TypeError, ValueError, AssertionError) as error:
        why = " ".join(str(error).split()) or "a value is out of its range"
        raise ConfigError(f"augment.audiomentations: {name}: {why}.") from error
