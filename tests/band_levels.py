"""Levels in made sound within the band of the made species."""

import numpy as np

RATE_HZ = 16000


def in_band_db(samples: np.ndarray, rate_hz: int = RATE_HZ) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2 / samples.size**2
    hz = np.fft.rfftfreq(samples.size, 1 / rate_hz)
    return float(10 * np.log10(2 * power[(hz >= 250) & (hz <= 3200)].sum()))


def cut(samples: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    return samples[max(0, round(start_s * RATE_HZ)) : max(0, round(end_s * RATE_HZ))]
