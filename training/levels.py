"""How loud a call is: the level inside the model's band."""

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
