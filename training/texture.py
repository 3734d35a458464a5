"""Sound texture: how the bands of a window stand, move, beat and go together, as one vector.

The statistics are those by which people tell textures such as rain, fire and surf (McDermott and
Simoncelli, Neuron 2011), taken of log power: marginals of each band, its modulation spectrum, the
correlation of bands, and the rhythm of the whole.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.frontends import UNIT_DB, LogBands, features_of
from training.frontkinds import TEXTURE_POOLED
from training.settings import TextureSettings

# Bands end so far under the loudest frame; frames fainter than it by more than the second are
# taken for silence around the sound, and left out.
FLOOR, SILENCE = 80 / UNIT_DB, 60 / UNIT_DB
# Frames over which a band's change is measured.
LAGS = (1, 4)
# Rates of modulation in bins, of bands and of the whole, and the least power of one.
BAND_RATES, RHYTHM_RATES, LEAST_MODULATION = 9, 24, 1e-4
# Shares of the frames that are fainter than the levels told.
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
LEAST_VARIANCE = 1e-4


def rate_matrices(n_frames: int, n_rates: int) -> tuple[NDArray[np.float32], ...]:
    """Cosines and sines of every modulation rate of a window, and the bins that rates fall in.

    Returns
    -------
    cosines, sines : array, shape (n_frames, n_frames / 2)
    bins : array, shape (n_frames / 2, n_bins)
        Means over neighbouring rates, evenly spaced by their logarithm; empty bins are left out.
    """
    rates = np.arange(1, n_frames // 2 + 1)
    phase = 2 * np.pi * np.outer(np.arange(n_frames), rates) / n_frames
    edges = np.geomspace(1, n_frames // 2 + 1, n_rates + 1)
    inside = (rates[:, None] >= edges[:-1]) & (rates[:, None] < edges[1:])
    inside = inside[:, inside.any(axis=0)]
    bins = inside / inside.sum(axis=0)
    return (
        np.cos(phase).astype(np.float32),
        np.sin(phase).astype(np.float32),
        bins.astype(np.float32),
    )


def _modulation(moved: Any, n_kept: Any, n_rates: int) -> Any:
    """Log power of the rates of (n_windows, n_series, n_frames), flat for each window."""
    cosines, sines, bins = rate_matrices(moved.shape[2], n_rates)
    power = ops.square(ops.matmul(moved, cosines)) + ops.square(ops.matmul(moved, sines))
    log_power = ops.log(ops.matmul(power, bins) / n_kept + LEAST_MODULATION)
    return ops.reshape(log_power, (-1, moved.shape[1] * bins.shape[1]))


def _correlations(moved: Any) -> Any:
    """Of every pair of series of (n_windows, n_series, n_frames), flat for each window."""
    n_series = moved.shape[1]
    products = ops.matmul(moved, ops.transpose(moved, (0, 2, 1))) / moved.shape[2]
    deviation = ops.sqrt(ops.mean(ops.square(moved), axis=2) + LEAST_VARIANCE)
    among = products / (deviation[:, :, None] * deviation[:, None, :])
    above = np.flatnonzero(np.triu(np.ones((n_series, n_series)), 1)).astype(np.int32)
    return ops.take(ops.reshape(among, (-1, n_series * n_series)), above, axis=1)


@keras.saving.register_keras_serializable("callcount")
class Texture(keras.layers.Layer):
    """Statistics of the log power in mel bands of each window by itself.

    Input: float32, shape (n_windows, n_samples), ``n_samples`` a multiple of ``hop_samples``.
    Output: (n_windows, n_values). Louder or fainter windows of one sound are alike: levels are
    those under the loudest frame, with a floor 80 dB below it, and frames 60 dB below it are left
    out of every statistic. Silence is all floor, with one frame's worth of nothing around it.
    """

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = TextureSettings.model_validate(front_end)
        self._bands = LogBands(self.settings.bands().model_dump())

    def call(self, samples: Any) -> Any:
        """Statistics of each window; see the class."""
        x = features_of(self._bands, samples)
        level = ops.log(ops.mean(ops.exp(x * _PER_UNIT), axis=2)) / _PER_UNIT
        loudest = ops.max(level, axis=1, keepdims=True)
        x = ops.maximum(x - loudest[:, :, None], -FLOOR)
        level = ops.maximum(level - loudest, -FLOOR)
        kept = ops.cast(level > -SILENCE, x.dtype)[:, :, None]
        return ops.concatenate([self._marginals(x, kept), self._together(x, level, kept)], axis=1)

    def _marginals(self, x: Any, kept: Any) -> Any:
        """Mean, deviation and change of each band, and of each step from band to band."""
        values = []
        for one in (x, x[:, :, 1:] - x[:, :, :-1]):
            mean, moved = _moved(one, kept)
            values += [mean, ops.sqrt(_mean(ops.square(moved), kept) + LEAST_VARIANCE)]
        values.append(_mean(ops.abs(x[:, :, 1:] - x[:, :, :-1]), kept))
        for lag in LAGS:
            both = kept[:, lag:] * kept[:, :-lag]
            values.append(_mean(ops.abs(x[:, lag:] - x[:, :-lag]), both))
        values.append(_mean(x, kept * ops.exp(ops.mean(x, axis=2, keepdims=True) * _PER_UNIT)))
        return ops.concatenate(values, axis=1)

    def _together(self, x: Any, level: Any, kept: Any) -> Any:
        """Modulation and correlation of wider bands, and levels and rhythm of the whole."""
        n_frames, n_wide = x.shape[1], x.shape[2] // TEXTURE_POOLED
        wide = ops.mean(ops.reshape(x, (-1, n_frames, n_wide, TEXTURE_POOLED)), axis=3)
        n_kept = ops.sum(kept, axis=1, keepdims=True)
        moved = ops.transpose(_moved(wide, kept)[1], (0, 2, 1))
        beat = ops.transpose(_moved(level[:, :, None], kept)[1], (0, 2, 1))
        ranked = ops.top_k(level, n_frames)[0]
        places = np.array([int((1 - share) * (n_frames - 1)) for share in QUANTILES], np.int32)
        return ops.concatenate(
            [
                _modulation(moved, n_kept, BAND_RATES),
                _correlations(moved),
                _modulation(beat, n_kept, RHYTHM_RATES),
                ops.take(ranked, places, axis=1),
                ops.mean(kept, axis=1),
                _mean(ops.abs(level[:, 1:] - level[:, :-1])[:, :, None], kept[:, 1:]),
            ],
            axis=1,
        )

    def get_config(self) -> dict[str, Any]:
        """Settings, for Keras."""
        return {**super().get_config(), "front_end": self.settings.model_dump()}


# Natural logarithm of power in one unit of the features.
_PER_UNIT = np.float32(UNIT_DB / 10 * np.log(10))


def _mean(x: Any, weight: Any) -> Any:
    """Mean over frames by weight, (n_windows, n_frames, n) -> (n_windows, n); 0 for none."""
    return ops.sum(x * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1e-6)


def _moved(x: Any, kept: Any) -> tuple[Any, Any]:
    """Mean over the kept frames, and what each of these is above it; 0 in the others."""
    mean = _mean(x, kept)
    return mean, (x - mean[:, None, :]) * kept
