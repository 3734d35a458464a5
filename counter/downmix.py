"""Several channels in, one out: their mean, with what is no sound taken as silence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32] | NDArray[np.int16]

# Full scale is 1, or 2^31 where integers were written as floats. A flipped bit in an exponent gives
# up to 3e38, of which resampler and spectrum make infinities: a chunk without any score.
_LOUDEST = 1e10


def downmix(block: Samples, out: NDArray[np.float32]) -> int:
    """Average the channels of a block; how many samples were no sound.

    Parameters
    ----------
    block : array of float32 or int16, shape (n_samples, n_channels)
        As decoded; samples that are NaN, infinite or impossibly loud are set to 0 in it.
    out : array of float32, shape (n_samples,)
        Where the mean goes; full scale is 1.

    Returns
    -------
    int
        Samples set to 0, over all channels.
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


def _average_channels(block: Samples, out: NDArray[np.float32]) -> None:
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
