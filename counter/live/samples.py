"""Bytes of a stream -> mono samples, as libsndfile would read them from a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.downmix import Samples, downmix
from counter.live.formatnames import SAMPLE_FORMATS
from counter.records import FloatArray


@dataclass(frozen=True)
class Layout:
    """How the samples of a stream stand in its bytes.

    Attributes
    ----------
    rate_hz : int
        Samples per second and channel.
    channels : int
        Channels, one sample of each after the other.
    sample_format : str
        One of ``formatnames.SAMPLE_FORMATS``.
    """

    rate_hz: int
    channels: int
    sample_format: str

    @property
    def step_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * SAMPLE_FORMATS[self.sample_format]

    def mono(self, data: bytes) -> tuple[FloatArray, int]:
        """The mean of the channels, and how many samples were no sound.

        ``data`` is a whole number of steps, one at least.
        """
        block = _numbers(data, self.sample_format).reshape(-1, self.channels)
        out = np.empty(len(block), dtype=np.float32)
        return out, downmix(block, out)


def _numbers(data: bytes, sample_format: str) -> Samples:
    if sample_format == "s16le":
        return np.frombuffer(data, "<i2").astype(np.int16)
    if sample_format == "u8":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    if sample_format == "s24le":
        return _from_int32(_widened(data))
    if sample_format == "s32le":
        return _from_int32(np.frombuffer(data, "<i4"))
    kind = "<f4" if sample_format == "f32le" else "<f8"
    with np.errstate(over="ignore"):
        return np.frombuffer(data, kind).astype(np.float32)


def _widened(data: bytes) -> NDArray[np.int32]:
    """24 bit numbers as the upper bytes of 32 bit ones."""
    wide = np.zeros((len(data) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.reshape(-1).view("<i4")


def _from_int32(numbers: NDArray[np.int32]) -> FloatArray:
    return numbers.astype(np.float32) * np.float32(2.0**-31)
