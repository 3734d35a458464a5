"""Front ends: mel and linear bands as Keras layers, written as matrix products."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from librosa import mel_frequencies
from librosa.filters import mel
from numpy.typing import NDArray

from training.settings.front_end_settings import BandSettings, FrontEndSettings, MfccSettings

# Added to the power before the logarithm: -100 dB of a full-scale sine's, 16 bit sound's floor.
FLOOR_POWER = 1e-10
# Decibels that a feature of 0 stands for, and that one unit spans; keeps features near 0 and 1.
CENTRE_DB, UNIT_DB = -60.0, 20.0


def bins_hz(settings: BandSettings) -> NDArray[np.float64]:
    """Frequencies of the spectrum's bins inside the band, shape (n_bins,)."""
    hz: Any = np.fft.rfftfreq(settings.window_samples, 1 / settings.sample_rate_hz)
    kept: NDArray[np.float64] = hz[(hz >= settings.low_hz) & (hz <= settings.high_hz)]
    return kept


def dft_matrices(settings: BandSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hann-windowed cosines and sines of the bins inside the band, from the window's middle on.

    With time counted from the middle of a window, cosines are even and sines odd: the sum of a
    window's second half and its mirrored first half is all that a cosine sees, the difference all
    that a sine sees. That halves the product.

    Returns
    -------
    cosines, sines : array, shape (window_samples / 2, n_bins)
        Scaled so that a full-scale sine has power 1 in its bin.
    """
    half = settings.window_samples // 2
    place = np.arange(half) + 0.5
    window = 0.5 + 0.5 * np.cos(np.pi * place / half)
    phase = 2 * np.pi * np.outer(place / settings.sample_rate_hz, bins_hz(settings))
    weight = (window / window.sum())[:, None]
    return (np.cos(phase) * weight).astype(np.float32), (np.sin(phase) * weight).astype(np.float32)


def mel_triangles(settings: BandSettings | MfccSettings) -> NDArray[np.float32]:
    """librosa's triangular filters on Slaney's scale, shape (n_bands, window_samples / 2 + 1)."""
    filters: NDArray[np.float32] = mel(
        sr=settings.sample_rate_hz,
        n_fft=settings.window_samples,
        n_mels=settings.n_bands,
        fmin=settings.low_hz,
        fmax=settings.high_hz,
    )
    return filters


def band_matrix(settings: BandSettings) -> NDArray[np.float32]:
    """Weights from bins to bands, shape (n_bins, n_bands), each band's weights summing to 1.

    ``mel``: those of ``mel_triangles``; ``spectrogram``: neighbouring bins in
    ``n_bands`` groups of nearly equal size. A mel filter too narrow to hold a bin takes the
    nearest one.
    """
    bin_hz = bins_hz(settings)
    all_hz = np.fft.rfftfreq(settings.window_samples, 1 / settings.sample_rate_hz)
    filters: NDArray[Any]
    if settings.kind == "mel":
        filters = mel_triangles(settings)[:, np.isin(all_hz, bin_hz)]
        centre_hz = mel_frequencies(
            settings.n_bands + 2, fmin=settings.low_hz, fmax=settings.high_hz
        )[1:-1]
        for band in np.flatnonzero(filters.sum(axis=1) == 0):
            filters[band, np.argmin(np.abs(bin_hz - centre_hz[band]))] = 1
    else:
        filters = np.zeros((settings.n_bands, len(bin_hz)))
        groups = np.array_split(np.arange(len(bin_hz)), settings.n_bands)
        for place, bins in enumerate(groups):
            filters[place, bins] = 1
    weights: NDArray[np.float32] = (filters / filters.sum(axis=1, keepdims=True)).T
    return weights.astype(np.float32)


def band_centres_hz(settings: BandSettings) -> NDArray[np.float64]:
    """Centre frequency of each band, the mean of its bins by weight, shape (n_bands,)."""
    centres: NDArray[np.float64] = bins_hz(settings) @ band_matrix(settings).astype(np.float64)
    return centres


def spectrogram_like(settings: FrontEndSettings) -> BandSettings:
    """A front end that shows what another one listens to: its band, as a spectrogram."""
    n_bins = int((settings.high_hz - settings.low_hz) * settings.window_samples)
    n_bands = min(BandSettings.model_fields["n_bands"].default, n_bins // settings.sample_rate_hz)
    shared = FrontEndSettings.model_fields.keys() - {"kind"}
    return BandSettings(kind="spectrogram", n_bands=n_bands, **settings.model_dump(include=shared))


class LogBands(keras.layers.Layer):
    """Samples to log power in bands.

    Input: float32, shape (1, n_samples), ``n_samples`` a multiple of ``hop_samples``.
    Output: float32, shape (1, n_samples / hop_samples, n_bands), in units of ``UNIT_DB``
    above ``CENTRE_DB`` (0 dB being a full-scale sine).
    """

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = BandSettings.model_validate(front_end)
        cosines, sines = dft_matrices(self.settings)
        self._cosines, self._sines = ops.convert_to_tensor(cosines), ops.convert_to_tensor(sines)
        self._bands = ops.convert_to_tensor(band_matrix(self.settings))

    def call(self, samples: Any) -> Any:
        """Features of one waveform; see the class."""
        hop = self.settings.hop_samples
        n_parts = self.settings.window_samples // hop
        hops = ops.pad(ops.reshape(samples, (-1, hop)), ((n_parts - 1, 0), (0, 0)))
        mirrored = ops.flip(hops, axis=1)
        second = _side_by_side(hops, range(n_parts // 2, n_parts), n_parts)
        first = _side_by_side(mirrored, range(n_parts // 2 - 1, -1, -1), n_parts)
        even = ops.matmul(second + first, self._cosines)
        odd = ops.matmul(second - first, self._sines)
        power = ops.matmul(ops.square(even) + ops.square(odd), self._bands)
        level_db = ops.log(power + FLOOR_POWER) * np.float32(10 / np.log(10))
        return ops.reshape((level_db - CENTRE_DB) / UNIT_DB, (1, -1, self.settings.n_bands))


class WindowBands(keras.layers.Layer):
    """``LogBands`` of many windows at once, each after silence.

    Input: float32, shape (n_windows, n_samples), ``n_samples`` a multiple of ``hop_samples``.
    Output: float32, shape (n_windows, n_samples / hop_samples, n_bands).
    """

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bands = LogBands(front_end)
        self.settings = self.bands.settings

    def call(self, samples: Any) -> Any:
        """Features of each window; see the class."""
        return features_of(self.bands, samples)


def features_of(bands: LogBands, samples: Any) -> Any:
    """Features of many windows at once, (n_windows, n_samples) -> (n_windows, n_frames, n_bands).

    The front end takes one sound: the windows stand in it end to end, each after silence.
    """
    settings = bands.settings
    n_before = settings.window_samples // settings.hop_samples - 1
    apart = ops.pad(samples, ((0, 0), (n_before * settings.hop_samples, 0)))
    n_frames = apart.shape[1] // settings.hop_samples
    x = bands(ops.reshape(apart, (1, -1)))
    return ops.reshape(x, (-1, n_frames, settings.n_bands))[:, n_before:]


def _side_by_side(hops: Any, parts: range, n_parts: int) -> Any:
    """The given hops of every window next to each other, shape (n_frames, len(parts) * hop)."""
    # Slices counted from the end keep every shape known when a graph is resized.
    sliced = [hops[part : part + 1 - n_parts or None] for part in parts]
    return sliced[0] if len(sliced) == 1 else ops.concatenate(sliced, axis=-1)
