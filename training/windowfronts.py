"""Front ends of networks that are scanned by windows, as Keras layers, and the table of them.

Each takes (n_windows, n_samples) and looks at one window at a time, so that training and scanning,
where it stands inside the model, cannot disagree. Spectra are librosa's with their defaults
(``center=True`` over zeros, periodic Hann window), as matrix products.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from librosa.filters import mel as mel_filters
from numpy.typing import NDArray

from training.frontends import WindowBands
from training.gate import gated, kept_frames
from training.pretrained import Pretrained
from training.settings import (
    FrontEndSettings,
    MfccSettings,
    SpectrumMeanSettings,
    WaveformSettings,
)
from training.texture import Texture

# As librosa's power_to_db: no power under the first, nothing more than so far under the loudest.
LEAST_POWER, TOP_DB = 1e-10, 80.0


def centred_matrices(n_window: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and sines of every bin under a periodic Hann window, from its middle on.

    Returns
    -------
    cosines, sines : array, shape (n_window / 2, n_window / 2 + 1)
        For the sum of a frame's second half and its mirror image about the middle sample, and for
        their difference; the frame's first sample has no weight.
    """
    place = np.arange(n_window // 2)
    window = 0.5 + 0.5 * np.cos(2 * np.pi * place / n_window)
    window[0] /= 2  # the middle sample stands in both halves
    phase = 2 * np.pi * np.outer(place, np.arange(n_window // 2 + 1)) / n_window
    weight = window[:, None]
    return (np.cos(phase) * weight).astype(np.float32), (np.sin(phase) * weight).astype(np.float32)


def dct_matrix(n_bands: int, n_coefficients: int) -> NDArray[np.float32]:
    """The orthonormal type II cosine transform, shape (n_bands, n_coefficients)."""
    place = (np.arange(n_bands) + 0.5) / n_bands
    matrix = np.cos(np.pi * np.outer(place, np.arange(n_coefficients))) * np.sqrt(2 / n_bands)
    matrix[:, 0] /= np.sqrt(2)
    return np.asarray(matrix, dtype=np.float32)


class _Spectra(keras.layers.Layer):
    """What has power spectra: (n_windows, n_samples) -> (n_windows, n_frames, n_bins)."""

    def __init__(self, settings: FrontEndSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        cosines, sines = centred_matrices(settings.window_samples)
        self._cosines, self._sines = ops.convert_to_tensor(cosines), ops.convert_to_tensor(sines)

    def power(self, samples: Any) -> Any:
        """Squares of librosa's ``abs(stft(...))``; ``1 + n_samples // hop_samples`` frames."""
        half, hop = self.settings.window_samples // 2, self.settings.hop_samples
        n_frames = 1 + samples.shape[1] // hop
        n_hops = n_frames - 1 + 2 * half // hop
        # One more sample in front: a frame's first has no weight, and its mirror begins behind it.
        behind = n_hops * hop - half - samples.shape[1]
        padded = ops.pad(samples, ((0, 0), (half, max(behind, 0))))[:, : n_hops * hop]
        later = ops.pad(padded, ((0, 0), (0, 1)))[:, 1:]
        hops = ops.reshape(padded, (-1, n_hops, hop))
        mirrored = ops.flip(ops.reshape(later, (-1, n_hops, hop)), axis=2)
        n_half = half // hop
        second = _beside(hops, range(n_half, 2 * n_half), n_frames)
        first = _beside(mirrored, range(n_half - 1, -1, -1), n_frames)
        even = ops.matmul(second + first, self._cosines)
        odd = ops.matmul(second - first, self._sines)
        return ops.square(even) + ops.square(odd)

    def get_config(self) -> dict[str, Any]:
        """Settings, for Keras."""
        return {**super().get_config(), "front_end": self.settings.model_dump()}


def _beside(hops: Any, parts: range, n_frames: int) -> Any:
    """The given hops of every frame next to each other, (n_windows, n_frames, len(parts) * hop)."""
    sliced = [hops[:, part : part + n_frames] for part in parts]
    return sliced[0] if len(sliced) == 1 else ops.concatenate(sliced, axis=-1)


@keras.saving.register_keras_serializable("callcount")
class Mfcc(_Spectra):
    """Mel-frequency cepstral coefficients: ``librosa.feature.mfcc``, on each window by itself.

    Input: float32, shape (n_windows, n_samples). Output: (n_windows, n_frames, n_coefficients), or
    (n_windows, n_coefficients), the mean over frames, with ``mean``. Decibels end ``TOP_DB`` under
    the loudest of the window, as librosa's do under that of the clip.
    """

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        settings = MfccSettings.model_validate(front_end)
        super().__init__(settings, **kwargs)
        self._mean = settings.mean
        filters = mel_filters(
            sr=settings.sample_rate_hz,
            n_fft=settings.window_samples,
            n_mels=settings.n_bands,
            fmin=settings.low_hz,
            fmax=settings.high_hz,
        )
        self._filters = ops.convert_to_tensor(filters.T.astype(np.float32))
        self._dct = ops.convert_to_tensor(dct_matrix(settings.n_bands, settings.n_coefficients))

    def call(self, samples: Any) -> Any:
        """Features of each window; see the class."""
        power = ops.maximum(ops.matmul(self.power(samples), self._filters), LEAST_POWER)
        level_db = ops.log(power) * np.float32(10 / np.log(10))
        loudest_db = ops.max(level_db, axis=(1, 2), keepdims=True)
        coefficients = ops.matmul(ops.maximum(level_db, loudest_db - TOP_DB), self._dct)
        return ops.mean(coefficients, axis=1) if self._mean else coefficients


@keras.saving.register_keras_serializable("callcount")
class SpectrumMean(_Spectra):
    """The mean over a window's frames of ``abs(librosa.stft(...))``, from 0 to 1.

    Input: float32, shape (n_windows, n_samples). Output: (n_windows, window_samples / 2 + 1); all
    0 where every bin is as loud, as in silence. Noise is gated and faint ends are left out as
    ``gate`` says.
    """

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        settings = SpectrumMeanSettings.model_validate(front_end)
        super().__init__(settings, **kwargs)
        self._reduces, self._trim_db = settings.reduce_noise, settings.trim_db

    def call(self, samples: Any) -> Any:
        """Features of each window; see the class."""
        magnitude = ops.sqrt(self.power(samples))
        if self._reduces:
            magnitude = gated(magnitude, self.settings)
        if self._trim_db is None:
            mean = ops.mean(magnitude, axis=1)
        else:
            kept = kept_frames(magnitude, self._trim_db)
            mean = ops.sum(magnitude * kept, axis=1) / ops.sum(kept, axis=1)
        low = ops.min(mean, axis=1, keepdims=True)
        span = ops.max(mean, axis=1, keepdims=True) - low
        return (mean - low) / ops.maximum(span, LEAST_POWER)


@keras.saving.register_keras_serializable("callcount")
class Waveform(keras.layers.Layer):
    """The samples as they are: (n_windows, n_samples) -> (n_windows, n_samples, 1)."""

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = WaveformSettings.model_validate(front_end)

    def call(self, samples: Any) -> Any:
        """Samples of each window; see the class."""
        return ops.expand_dims(samples, -1)

    def get_config(self) -> dict[str, Any]:
        """Settings, for Keras."""
        return {**super().get_config(), "front_end": self.settings.model_dump()}


WINDOW_FRONT_ENDS: dict[str, type[keras.layers.Layer]] = {
    "mel": WindowBands,
    "spectrogram": WindowBands,
    "waveform": Waveform,
    "mfcc": Mfcc,
    "stft-mean": SpectrumMean,
    "pretrained": Pretrained,
    "texture": Texture,
}


def window_front_end(settings: FrontEndSettings) -> keras.layers.Layer:
    """The layer of a front end, (n_windows, n_samples) -> features of each window."""
    return WINDOW_FRONT_ENDS[settings.kind](settings.model_dump(), name="front_end")
