"""How loud a call is inside the model's band, and over the noise of its own clip."""

from __future__ import annotations

import numpy as np

from counter.records import FloatArray
from training.settings import FrontEndSettings

SILENCE_LEVEL = 1e-6


def band_level(samples: FloatArray, front_end: FrontEndSettings) -> float:
    """Root mean square of a sound between ``low_hz`` and ``high_hz``, by Parseval's theorem.

    Parameters
    ----------
    samples : array of float32, shape (n_samples,)
        Not empty.
    front_end : FrontEndSettings
        Band and rate.

    Returns
    -------
    float
        At least ``SILENCE_LEVEL``, so that it can be divided by.
    """
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / front_end.sample_rate_hz)
    kept = spectrum[(hz >= front_end.low_hz) & (hz <= front_end.high_hz)]
    power = 2 * float(np.sum(np.abs(kept) ** 2)) / len(samples) ** 2
    return max(float(np.sqrt(power)), SILENCE_LEVEL)


def call_and_noise(samples: FloatArray, front_end: FrontEndSettings) -> tuple[float, float]:
    """Power of a clip's call, and of the steady noise that was recorded with it.

    The noise of a frequency is taken from its quietest tenth of spectra: power of noise is
    distributed exponentially, and the tenth percentile of that is ``-ln 0.9`` of the mean (minimum
    statistics, Martin, IEEE Trans. Speech Audio Process. 2001, in its simplest form).

    Parameters
    ----------
    samples : array of float32, shape (n_samples,)
        A clip with a call; one shorter than a spectrum is taken to have no noise.
    front_end : FrontEndSettings
        Band, rate, and length of a spectrum.

    Returns
    -------
    call, noise : float
        Mean squares in the band, together that of the clip; each at least ``SILENCE_LEVEL ** 2``.
    """
    total = band_level(samples, front_end) ** 2
    floor = SILENCE_LEVEL**2
    if len(samples) < front_end.window_samples:
        return max(total, floor), floor
    frames = np.lib.stride_tricks.sliding_window_view(samples, front_end.window_samples)
    spectra = np.fft.rfft(frames[:: front_end.hop_samples] * np.hanning(front_end.window_samples))
    hz = np.fft.rfftfreq(front_end.window_samples, 1 / front_end.sample_rate_hz)
    power = np.abs(spectra[:, (hz >= front_end.low_hz) & (hz <= front_end.high_hz)]) ** 2
    mean = power.mean(axis=0)
    noise = np.minimum(np.percentile(power, 10, axis=0) / -np.log(0.9), mean)
    share = float(noise.sum() / max(mean.sum(), floor))
    return max(total * (1 - share), floor), max(total * share, floor)
