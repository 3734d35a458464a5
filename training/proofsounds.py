"""Made sounds on which an exported model is compared with what it was made from."""

from __future__ import annotations

import numpy as np

from counter.records import FloatArray

DURATION_S = 8.0
LOUDNESS_STEP_S = 0.1
N_PARTIALS = 5


def proof_sounds(sample_rate_hz: int, low_hz: float, high_hz: float) -> list[FloatArray]:
    """Silence, noises, sweeps and harmonic sounds in a model's band, faint to full scale.

    Parameters
    ----------
    sample_rate_hz : int
        Rate of the samples, Hz.
    low_hz, high_hz : float
        The band.

    Returns
    -------
    list of array of float32, shape (n_samples,)
        ``DURATION_S`` seconds each; the same at every call.
    """
    rng = np.random.default_rng(0)
    n = int(DURATION_S * sample_rate_hz)
    t = np.arange(n) / sample_rate_hz
    steps = int(np.ceil(DURATION_S / LOUDNESS_STEP_S))
    level = np.interp(t, np.arange(steps) * LOUDNESS_STEP_S, 10 ** rng.uniform(-3, 0, steps))
    white = rng.normal(0, 0.2, n)
    hz = low_hz + (high_hz - low_hz) * (0.5 - 0.5 * np.cos(2 * np.pi * t / DURATION_S))
    sweep = np.sin(2 * np.pi * np.cumsum(hz) / sample_rate_hz)
    pitch_hz = low_hz + (high_hz - low_hz) / (2 * N_PARTIALS)
    partials = sum(np.sin(2 * np.pi * k * pitch_hz * t) / k for k in range(1, N_PARTIALS + 1))
    beats = np.maximum(0, np.sin(2 * np.pi * t / 2.0)) * partials / N_PARTIALS
    click = np.zeros(n)
    click[:: sample_rate_hz // 2] = 1.0
    sounds = [np.zeros(n), white * 1e-4, white, white * level, np.diff(white * level, prepend=0)]
    sounds += [
        sweep * 0.9,
        sweep * level + white * 0.01,
        beats + white * 0.003,
        beats * 0.02,
        click,
    ]
    return [np.clip(sound, -1, 1).astype(np.float32) for sound in sounds]
