"""Channels: downmix to mono; dead air (dropouts), stretches of one constant value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counter.records import FloatArray

Samples = NDArray[np.float32] | NDArray[np.int16]

# Full scale is 1, or 2^31 where integers were written as floats. A flipped bit in an exponent gives
# up to 3e38, of which resampler and spectrum make infinities: a chunk without any score.
_LOUDEST = 1e10


def downmix(block: Samples, out: FloatArray) -> int:
    """Downmix a block, shape (n_samples, n_channels), to the mean of its channels, full scale 1.

    ``out`` takes the mean, shape (n_samples,). Samples that are NaN, infinite or impossibly loud
    are set to 0 in the block; how many, over all channels, is returned.
    """
    # The extremes of the mean find any NaN or infinity, faster than looking at each sample.
    with np.errstate(over="ignore", invalid="ignore"):
        _average_channels(block, out)
        if block.dtype == np.int16 or (out.min() >= -_LOUDEST and out.max() <= _LOUDEST):
            return 0
    bad = ~(np.abs(block) <= _LOUDEST)
    block[bad] = 0
    _average_channels(block, out)
    return int(np.count_nonzero(bad))


def _average_channels(block: Samples, out: FloatArray) -> None:
    """Mean over the channels of (n_samples, n_channels), full scale 1."""
    channels = block.shape[1]
    full_scale = 32768 if block.dtype == np.int16 else 1
    if channels == 1:
        np.multiply(block[:, 0], np.float32(1 / full_scale), out=out)
        return
    np.add(block[:, 0], block[:, 1], out=out, dtype=np.float32)
    for channel in range(2, channels):
        out += block[:, channel]
    out *= np.float32(1 / channels / full_scale)


# Longer than this and it is taken off the effort: no pause of a living recording is so flat.
LEAST_DEAD_S = 1.0
# Of so many probes in the shortest dead stretch, a block that has none of this many equal ones
# running can hold no such stretch; on real sound that spares looking at each sample.
_PROBES, _EQUAL_PROBES = 16, 8
_PEEK_SAMPLES = 256


class DeadAir:
    """Detector of dead air in a stream of mono blocks, exact to the sample.

    How the stream is cut into blocks does not matter; ``begin`` is the place of its first sample.
    """

    def __init__(self, sample_rate_hz: int, begin: int = 0) -> None:
        self._rate_hz = sample_rate_hz
        self._n_least = max(2, round(LEAST_DEAD_S * sample_rate_hz))
        self._n_seen = begin
        self._run_start = begin
        self._run_value = np.float32(0)
        self._found: list[tuple[int, int]] = []

    def push(self, samples: FloatArray) -> None:
        """Take the next samples, shape (n_samples,); none change nothing."""
        if not len(samples):
            return
        if not self._n_seen or samples[0] != self._run_value:
            self._close(self._n_seen)
            self._run_start = self._n_seen
        n_leading = _n_leading(samples)
        end = self._n_seen + len(samples)
        if n_leading < len(samples):
            self._close(self._n_seen + n_leading)
            self._look_inside(samples)
            self._run_start = end - _n_leading(samples[::-1])
        self._run_value = samples[-1]
        self._n_seen = end

    def stretches_s(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each stretch so far in seconds, in order; none where all was alive."""
        open_run = (self._run_start, self._n_seen)
        last = [open_run] if open_run[1] - open_run[0] >= self._n_least else []
        return tuple((a / self._rate_hz, b / self._rate_hz) for a, b in [*self._found, *last])

    def _close(self, end: int) -> None:
        if end - self._run_start >= self._n_least:
            self._found.append((self._run_start, end))

    def _look_inside(self, samples: FloatArray) -> None:
        """Add the runs that neither begin nor end with the block."""
        if not _may_be_dead(samples[:: max(1, self._n_least // _PROBES)]):
            return
        changes = np.flatnonzero(samples[1:] != samples[:-1]) + 1
        lengths = np.diff(changes)
        for place in np.flatnonzero(lengths >= self._n_least):
            start = self._n_seen + int(changes[place])
            self._found.append((start, start + int(lengths[place])))


def _may_be_dead(probes: FloatArray) -> bool:
    """Whether so many neighbouring probes are equal that a dead stretch may lie there."""
    is_equal = probes[1:] == probes[:-1]
    if len(is_equal) < _EQUAL_PROBES:
        return True
    run = is_equal[_EQUAL_PROBES - 1 :].copy()
    for shift in range(1, _EQUAL_PROBES):
        run &= is_equal[_EQUAL_PROBES - 1 - shift : len(is_equal) - shift]
    return bool(run.any())


def _n_leading(samples: FloatArray) -> int:
    """How many samples equal the first, from it on; at least one sample is there."""
    for part in (samples[:_PEEK_SAMPLES], samples):
        differs = part != part[0]
        first = int(differs.argmax())
        if differs[first]:
            return first
    return len(samples)
