"""Levels: how loud a call is inside the model's band and over its clip's noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter.records import FloatArray
from training.settings.front_end_settings import FrontEndSettings

SILENCE_LEVEL = 1e-6
# No clip is laid louder over a background than this.
LOUDEST_DB = 25.0
# Pieces are shares of a call, or of this many times a short one of its label: the tenth percentile.
SHORT_CALL, MOST_SHORT = 0.1, 1.25
# A longer sound is transformed in parts of so many samples.
LONGEST_SPECTRUM = 1 << 15
# A call's sound is what has more than so many times the power of the noise; of it, so much at
# either end is left out. Where less of a clip's power rises, its call is steady or drowned.
RISEN, LEFT_OUT, LEAST_RISEN = 6.0, 0.01, 0.1


def band_level(samples: FloatArray, front_end: FrontEndSettings) -> float:
    """Root mean square of a sound between ``low_hz`` and ``high_hz``, by Parseval's theorem.

    At least ``SILENCE_LEVEL``, so that it can be divided by; ``samples``, (n_samples,), not empty.
    """
    # A power of two: for some lengths the transform takes ten times as long. So does a long one.
    n_fft = min(1 << (len(samples) - 1).bit_length(), LONGEST_SPECTRUM)
    parts = np.pad(samples, (0, -len(samples) % n_fft)).reshape(-1, n_fft)
    spectrum = np.fft.rfft(parts)
    hz = np.fft.rfftfreq(n_fft, 1 / front_end.sample_rate_hz)
    kept = spectrum[:, (hz >= front_end.low_hz) & (hz <= front_end.high_hz)]
    power = 2 * float(np.sum(np.abs(kept) ** 2)) / n_fft / len(samples)
    return max(float(np.sqrt(power)), SILENCE_LEVEL)


def _power(samples: FloatArray, front_end: FrontEndSettings) -> NDArray[np.float64]:
    """Power of the spectra inside the band, (n_frames, n_bins)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, front_end.window_samples)
    spectra = np.fft.rfft(frames[:: front_end.hop_samples] * np.hanning(front_end.window_samples))
    hz = np.fft.rfftfreq(front_end.window_samples, 1 / front_end.sample_rate_hz)
    kept = spectra[:, (hz >= front_end.low_hz) & (hz <= front_end.high_hz)]
    power: NDArray[np.float64] = np.abs(kept) ** 2
    return power


def _noise(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of the steady noise in each bin, (n_bins,), at most the mean.

    Taken from the quietest tenth of spectra: power of noise is distributed exponentially, and the
    tenth percentile of that is ``-ln 0.9`` of the mean (minimum statistics, Martin, IEEE Trans.
    Speech Audio Process. 2001, in its simplest form).
    """
    noise: NDArray[np.float64] = np.percentile(power, 10, axis=0) / -np.log(0.9)
    return np.minimum(noise, power.mean(axis=0))


def _risen(power: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of each spectrum that stands well above the noise, (n_frames,)."""
    risen: NDArray[np.float64] = np.maximum(power - RISEN * noise, 0).sum(axis=1)
    return risen


def _rises(power: NDArray[np.float64], noise: NDArray[np.float64]) -> bool:
    risen = _risen(power, noise).sum()
    return bool(risen > 0 and risen >= LEAST_RISEN * power.sum())


def call_extent(samples: FloatArray, front_end: FrontEndSettings) -> tuple[int, int]:
    """Where in its clip a call stands, for clips are cut loosely.

    Left out at either end are the first and the last hundredth of all that rises well above the
    clip's own steady noise, and what stands beyond. A clip, (n_samples,), that is shorter than a
    spectrum, or in which little rises above the noise, is taken to be all call.

    Returns
    -------
    start, stop : int
        Samples; ``0 <= start < stop <= n_samples``.
    """
    if len(samples) < front_end.window_samples:
        return 0, len(samples)
    power = _power(np.pad(samples, front_end.window_samples // 2), front_end)
    noise = _noise(power)
    if not _rises(power, noise):
        return 0, len(samples)
    risen = _risen(power, noise)
    share = np.cumsum(risen) / risen.sum()
    first, last = np.searchsorted(share, (LEFT_OUT, 1 - LEFT_OUT))
    half, hop = front_end.hop_samples // 2, front_end.hop_samples
    return max(0, int(first) * hop - half), min(len(samples), int(last) * hop + half)


def noise_beside(samples: FloatArray, front_end: FrontEndSettings) -> float:
    """Power of the steady noise that a call was recorded with; 0 where it cannot be told.

    Where little rises above what is steady in a clip, the call itself may be what is steady. Else
    as ``steady_power``.
    """
    steady, is_noise = _steady(samples, front_end)
    return steady if is_noise else 0.0


def steady_power(samples: FloatArray, front_end: FrontEndSettings) -> float:
    """Power of what is steady in a clip: the noise of its recording, or a call that is itself so.

    Mean square in the band, at most that of the clip; one shorter than a spectrum is taken to hold
    nothing steady.
    """
    return _steady(samples, front_end)[0]


def _steady(samples: FloatArray, front_end: FrontEndSettings) -> tuple[float, bool]:
    """Power of what is steady, and whether enough rises above it for it to be noise."""
    if len(samples) < front_end.window_samples:
        return 0.0, False
    power = _power(samples, front_end)
    noise = _noise(power)
    share = float(noise.sum() / max(power.mean(axis=0).sum(), SILENCE_LEVEL**2))
    return band_level(samples, front_end) ** 2 * share, _rises(power, noise)


def background_power(call: Any, noise: Any, snr_db: Any, maximum: Callable[[Any, Any], Any]) -> Any:
    """Power of a background over which a clip, as it is, stands at the level asked for.

    The call is then ``snr_db`` over the background and its own noise together; over another
    background the clip gets the gain that makes up the difference. One that was recorded with more
    noise than that is laid ``LOUDEST_DB`` over the background, and stands as far out as it ever
    did.

    ``call`` and ``noise`` (see ``steady_power`` and ``noise_beside``) are mean squares in the band:
    floats, arrays or tensors, as is the result, which is positive; ``maximum`` takes two such.
    """
    wanted = call / 10.0 ** (snr_db / 10.0) - noise
    return maximum(wanted, (call + noise) / 10.0 ** (LOUDEST_DB / 10.0))


def piece_bases(extents: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lengths that pieces of calls, which are no calls, are shares of.

    A piece of a long call may be as long as a short call, and where a label's calls are of many
    lengths nothing then tells it from one. ``extents``, (n_calls, 2), say where calls start and
    stop in their clips, in any unit.

    Returns
    -------
    array of int, shape (n_calls,)
        Each call's own length, or ``MOST_SHORT`` times that of a short call of its label if that
        is less; at least 1. Empty for no calls.
    """
    lengths = np.ptp(extents.reshape(-1, 2), axis=1)
    bases = lengths.copy()
    for label in np.unique(labels):
        mine = labels == label
        most = int(MOST_SHORT * np.quantile(lengths[mine], SHORT_CALL))
        bases[mine] = np.minimum(lengths[mine], most)
    return np.maximum(bases, 1)
