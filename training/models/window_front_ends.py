"""Front ends of window models: cepstra, spectra, waveforms, texture; noise gate in the model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.models.front_ends import UNIT_DB, LogBands, WindowBands, features_of, mel_triangles
from training.models.pretrained import Pretrained
from training.settings.front_end_settings import (
    TEXTURE_POOLED,
    FrontEndSettings,
    MfccSettings,
    SpectrumMeanSettings,
    TextureSettings,
    WaveformSettings,
)

# As noisereduce has them by default: a bin passes where it is so many standard deviations over its
# own mean level, and masks are smoothed over so much of the spectrum and of time.
STANDARD_DEVIATIONS = 1.5
SMOOTHED_HZ, SMOOTHED_S = 500.0, 0.05
LEAST, GATE_TOP_DB = 1e-12, 80.0
_DB = np.float32(20 / np.log(10))


def gated(magnitude: Any, settings: FrontEndSettings) -> Any:
    """Spectra with what is steady gated: ``noisereduce.reduce_noise(..., stationary=True)``.

    Of each bin, the mean and the standard deviation of its decibels over the window say what is
    noise (Sainburg, noisereduce, spectral gating); its mask is smoothed by the same triangles.
    Unlike there, spectra are those of the front end, with its length and step, and are not turned
    back into sound and transformed again, which smears each mask over neighbouring frames; and
    a window knows of the noise no more than itself.

    ``magnitude`` holds absolute values, (n_windows, n_frames, n_bins), as does the result.
    """
    level_db = ops.log(ops.maximum(magnitude, LEAST)) * _DB
    # Its amp_to_db ends so far under the loudest of each bin.
    level_db = ops.maximum(level_db, ops.max(level_db, axis=1, keepdims=True) - GATE_TOP_DB)
    mean = ops.mean(level_db, axis=1, keepdims=True)
    spread = ops.sqrt(ops.mean(ops.square(level_db - mean), axis=1, keepdims=True))
    mask = ops.cast(level_db > mean + STANDARD_DEVIATIONS * spread, "float32")
    over_bins, over_frames = _triangles(settings)
    mask = ops.matmul(mask, _band_matrix(over_bins, mask.shape[2]))
    mask = ops.matmul(_band_matrix(over_frames, mask.shape[1]), mask)
    return magnitude * mask


def kept_frames(magnitude: Any, trim_db: float) -> Any:
    """1 from the first frame to the last that is within ``trim_db`` of the loudest, else 0.

    ``librosa.effects.trim``, but with the power of the front end's own frames in place of that of
    2048 samples every 512, unless they are these. (n_windows, n_frames, n_bins) -> (n_windows,
    n_frames, 1); one frame at least is kept, and all are where all is silence.
    """
    power = ops.sum(ops.square(magnitude), axis=2, keepdims=True)
    loudest = ops.max(power, axis=1, keepdims=True)
    is_loud = ops.cast(power >= loudest * np.float32(10 ** (-trim_db / 10)), "float32")
    # Loud frames up to each one, and from each one on, as products: sums along time.
    n_frames = is_loud.shape[1]
    before = np.tri(n_frames, dtype=np.float32)
    reached = ops.minimum(ops.matmul(before, is_loud), 1.0)
    left = ops.minimum(ops.matmul(before.T.copy(), is_loud), 1.0)
    return reached * left


def _triangles(settings: FrontEndSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights of neighbouring bins, and of neighbouring frames; each sums to 1."""
    # noisereduce takes a bin to be twice as wide as it is.
    bin_hz = 2 * settings.sample_rate_hz / settings.window_samples
    frame_s = settings.hop_samples / settings.sample_rate_hz
    return _triangle(int(SMOOTHED_HZ / bin_hz)), _triangle(int(SMOOTHED_S / frame_s))


def _triangle(reach: int) -> NDArray[np.float32]:
    reach = max(reach, 1)
    rise = np.arange(1, reach + 1, dtype=np.float64) / (reach + 1)
    whole = np.concatenate([rise, [1.0], rise[::-1]])
    return np.asarray(whole / whole.sum(), dtype=np.float32)


def _band_matrix(weights: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The smoothing by these weights as a matrix, shape (n, n); beyond the ends all is 0."""
    reach = len(weights) // 2
    matrix = np.zeros((n, n), dtype=np.float32)
    for offset, weight in enumerate(weights):
        matrix += np.eye(n, k=offset - reach, dtype=np.float32) * weight
    return matrix


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


def _beside(hops: Any, parts: range, n_frames: int) -> Any:
    """The given hops of every frame next to each other, (n_windows, n_frames, len(parts) * hop)."""
    sliced = [hops[:, part : part + n_frames] for part in parts]
    return sliced[0] if len(sliced) == 1 else ops.concatenate(sliced, axis=-1)


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
        self._filters = ops.convert_to_tensor(mel_triangles(settings).T.astype(np.float32))
        self._dct = ops.convert_to_tensor(dct_matrix(settings.n_bands, settings.n_coefficients))

    def call(self, samples: Any) -> Any:
        """Features of each window; see the class."""
        power = ops.maximum(ops.matmul(self.power(samples), self._filters), LEAST_POWER)
        level_db = ops.log(power) * np.float32(10 / np.log(10))
        loudest_db = ops.max(level_db, axis=(1, 2), keepdims=True)
        coefficients = ops.matmul(ops.maximum(level_db, loudest_db - TOP_DB), self._dct)
        return ops.mean(coefficients, axis=1) if self._mean else coefficients


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


class Waveform(keras.layers.Layer):
    """The samples as they are: (n_windows, n_samples) -> (n_windows, n_samples, 1)."""

    def __init__(self, front_end: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = WaveformSettings.model_validate(front_end)

    def call(self, samples: Any) -> Any:
        """Samples of each window; see the class."""
        return ops.expand_dims(samples, -1)


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


# Natural logarithm of power in one unit of the features.
_PER_UNIT = np.float32(UNIT_DB / 10 * np.log(10))


def _mean(x: Any, weight: Any) -> Any:
    """Mean over frames by weight, (n_windows, n_frames, n) -> (n_windows, n); 0 for none."""
    return ops.sum(x * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1e-6)


def _moved(x: Any, kept: Any) -> tuple[Any, Any]:
    """Mean over the kept frames, and what each of these is above it; 0 in the others."""
    mean = _mean(x, kept)
    return mean, (x - mean[:, None, :]) * kept


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
