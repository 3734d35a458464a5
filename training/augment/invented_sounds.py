"""Invented sounds and colour: distractors, microphones, distance and echo."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from counter.records import FloatArray
from training.models.front_ends import UNIT_DB
from training.settings.front_end_settings import FrontEndSettings

Samples = NDArray[np.float64]

# Times and rates for the usual step; see ``FrontEndSettings.time_scale``.
NOTE_S, LONGEST_S = (0.08, 2.5), 3.5
NOISE_SHARE, REPEAT_SHARE, VIBRATO_SHARE, ROUGH_SHARE = 0.25, 0.6, 0.4, 0.4
MAX_HARMONICS = 30
LEVEL = 0.1


# The folds of one training share theirs.
@lru_cache(maxsize=1)
def make_distractors(
    front_end: FrontEndSettings, n_sounds: int, seed: int
) -> tuple[FloatArray, ...]:
    """Invented sounds at the front end's rate and in its band; the same seed gives the same ones.

    Returns
    -------
    tuple of array of float32, shape (n_samples,)
        ``n_sounds`` of them, up to ``LONGEST_S`` seconds each at the usual step, peaks near
        ``LEVEL``.
    """
    rng = np.random.default_rng([seed, 5])
    return tuple(_row(front_end, rng) for _ in range(n_sounds))


def _row(front_end: FrontEndSettings, rng: np.random.Generator) -> FloatArray:
    """Notes one after the other, mostly the same one again, in about 0.5 to 2.5 s."""
    # Samples of what lasts a second at the usual step.
    rate_hz = front_end.sample_rate_hz * front_end.time_scale
    first = _note(front_end, rng)
    parts = [first]
    while sum(map(len, parts)) < rate_hz * rng.uniform(0.5, 2.5):
        note = first if rng.random() < REPEAT_SHARE else _note(front_end, rng)
        parts += [np.zeros(int(rng.uniform(0.02, 0.5) * rate_hz)), note * rng.uniform(0.3, 1)]
    samples = np.concatenate(parts)[: int(LONGEST_S * rate_hz)]
    return (LEVEL * samples).astype(np.float32)


def _note(front_end: FrontEndSettings, rng: np.random.Generator) -> Samples:
    """A stack of harmonics or a burst of noise, with soft edges, peak 1."""
    rate_hz = front_end.sample_rate_hz * front_end.time_scale
    n_samples = max(8, int(_log_uniform(rng, *NOTE_S) * rate_hz))
    make = _noise if rng.random() < NOISE_SHARE else _harmonics
    note = make(front_end, n_samples, rng)
    if rng.random() < ROUGH_SHARE:
        t = np.arange(n_samples) / rate_hz
        note *= 1 + rng.uniform(0.3, 1) * np.sin(2 * np.pi * _log_uniform(rng, 4, 60) * t)
    onset = max(1, int(rng.uniform(0.005, 0.3) * n_samples))
    decay = max(1, int(rng.uniform(0.01, 0.5) * n_samples))
    note[:onset] *= np.linspace(0, 1, onset)
    note[-decay:] *= np.linspace(1, 0, decay)
    return note / max(float(np.abs(note).max()), 1e-9)


def _harmonics(front_end: FrontEndSettings, n_samples: int, rng: np.random.Generator) -> Samples:
    """Harmonics of a moving pitch, loudest somewhere in the band."""
    rate_hz, high_hz = front_end.sample_rate_hz, front_end.high_hz
    low_hz = max(front_end.low_hz, min(50, high_hz / 8))
    middle_hz = _log_uniform(rng, max(low_hz / 3, min(40, low_hz)), 0.7 * high_hz)
    pitch_hz = middle_hz * _course(rate_hz * front_end.time_scale, n_samples, rng)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    loudest_hz, width = _log_uniform(rng, low_hz, high_hz), rng.uniform(0.3, 1.5)
    note = np.zeros(n_samples)
    for number in range(1, MAX_HARMONICS):
        mean_hz = number * float(pitch_hz.mean())
        if mean_hz > high_hz:
            break
        level = np.exp(-((np.log2(mean_hz / loudest_hz) / width) ** 2)) * rng.uniform(0.5, 1)
        audible = number * pitch_hz < 0.48 * rate_hz
        note += level * np.sin(number * phase + rng.uniform(0, 2 * np.pi)) * audible
    return note


def _course(rate_hz: float, n_samples: int, rng: np.random.Generator) -> Samples:
    """How a pitch moves, as a factor: steady, gliding, arched or settling, some with vibrato."""
    t = np.linspace(0, 1, n_samples)
    octaves = rng.uniform(-0.5, 0.5)
    settling = np.minimum(1, t / rng.uniform(0.05, 0.4))
    shapes = (np.zeros(n_samples), t, np.sin(np.pi * t), settling)
    course = octaves * shapes[rng.integers(len(shapes))]
    if rng.random() < VIBRATO_SHARE:
        cycles = rng.uniform(3, 40) * n_samples / rate_hz
        course = course + rng.uniform(0, 0.06) * np.sin(2 * np.pi * cycles * t)
    moved: Samples = 2.0**course
    return moved


def _noise(front_end: FrontEndSettings, n_samples: int, rng: np.random.Generator) -> Samples:
    """Noise around a frequency of the band."""
    low_hz = max(front_end.low_hz, min(50, front_end.high_hz / 8))
    centre_hz = _log_uniform(rng, low_hz, front_end.high_hz)
    hz = np.fft.rfftfreq(n_samples, 1 / front_end.sample_rate_hz)
    shape = np.exp(-(((hz - centre_hz) / (centre_hz * rng.uniform(0.05, 0.6))) ** 2))
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(n_samples)) * shape, n_samples)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(max(high, low * 1.001)))))


# Bands that run together where tones do, as a share of all.
SMEARED_BANDS = 0.1


def equalised(x: Any, seed: Any, most_db: float) -> Any:
    """Features, (n_windows, n_frames, n_bands), with bands raised and lowered by up to ``most_db``.

    By a smooth random curve, a tilt and a wave; the same seed, (2,), draws the same curves.
    """
    draws = tf.unstack(tf.random.stateless_uniform([4, tf.shape(x)[0], 1], seed, -1.0, 1.0))
    place = tf.linspace(-1.0, 1.0, x.shape[2])
    curve = draws[0] * place + draws[1] * tf.sin(np.pi * (place * (1.5 + draws[2]) + draws[3]))
    return x + (curve * most_db / 2 / UNIT_DB)[:, None, :]


def smeared(x: Any, seed: Any, share: float) -> Any:
    """Features of some windows with neighbouring bands run together, more or less.

    So do the tones of a call in echo, and where several birds sing almost the same; a network that
    meets calls with clear tones alone takes such ones for noise. ``x`` has the shape (n_windows,
    n_frames, n_bands), ``seed`` (2,); a share of 0 leaves all windows as they are.
    """
    degree, chosen = tf.unstack(tf.random.stateless_uniform([2, tf.shape(x)[0], 1, 1], seed))
    width = max(1, round(SMEARED_BANDS * x.shape[2]))
    together = tf.nn.avg_pool2d(x[..., None], (1, width), 1, "SAME")[..., 0]
    return x + degree * tf.cast(chosen < share, x.dtype) * (together - x)
