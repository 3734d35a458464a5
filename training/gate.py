"""Noise reduced and faint ends trimmed, window by window, inside the model.

What elsewhere is done to a whole clip before anything else is done here to the spectra of each
window, in training and scanning alike: nothing is left outside the model, and a stream can be heard
as well as a file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.settings import FrontEndSettings

# As noisereduce has them by default: a bin passes where it is so many standard deviations over its
# own mean level, and masks are smoothed over so much of the spectrum and of time.
STANDARD_DEVIATIONS = 1.5
SMOOTHED_HZ, SMOOTHED_S = 500.0, 0.05
LEAST, TOP_DB = 1e-12, 80.0
_DB = np.float32(20 / np.log(10))


def gated(magnitude: Any, settings: FrontEndSettings) -> Any:
    """Spectra with what is steady gated: ``noisereduce.reduce_noise(..., stationary=True)``.

    Of each bin, the mean and the standard deviation of its decibels over the window say what is
    noise (Sainburg, noisereduce, spectral gating); its mask is smoothed by the same triangles.
    Unlike there, spectra are those of the front end, with its length and step, and are not turned
    back into sound and transformed again, which smears each mask over neighbouring frames; and
    a window knows of the noise no more than itself.

    Parameters
    ----------
    magnitude : tensor, shape (n_windows, n_frames, n_bins)
        Absolute values.
    settings : FrontEndSettings
        Rate, and length and step of spectra.

    Returns
    -------
    tensor of that shape
    """
    level_db = ops.log(ops.maximum(magnitude, LEAST)) * _DB
    # Its amp_to_db ends so far under the loudest of each bin.
    level_db = ops.maximum(level_db, ops.max(level_db, axis=1, keepdims=True) - TOP_DB)
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
    2048 samples every 512, unless they are these.

    Parameters
    ----------
    magnitude : tensor, shape (n_windows, n_frames, n_bins)
    trim_db : float
        Above 0.

    Returns
    -------
    tensor, shape (n_windows, n_frames, 1)
        One frame at least is kept; all are where all is silence.
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
