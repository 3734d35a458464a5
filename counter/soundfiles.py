"""A sound file opened by libsndfile, and what it says about itself."""

from __future__ import annotations

import io
from dataclasses import dataclass

import soundfile as sf

from counter.errors import AudioError

_RATES_HZ = range(1000, 1_000_001)
_MAX_CHANNELS = 64

_REASONS = {  # libsndfile's error numbers, in plain words
    1: "not sound: no format that can be read",
    7: "begins as MP3, but no frame of it could be decoded",
    24: "claims 0 Hz or another impossible sample rate or channel count",
    32: "claims 0 channels",
    33: "claims more than 1024 channels",
}


@dataclass(frozen=True)
class AudioInfo:
    """What a sound file says about itself.

    Attributes
    ----------
    path : str
        Where it is.
    format, subtype : str
        Container and encoding in libsndfile's words, such as ``WAV`` and ``PCM_16``.
    sample_rate_hz : int
        1000 to 1,000,000.
    channels : int
        1 to 64.
    n_samples : int
        Samples per channel that the file claims; 0 where it does not say. An estimate for an
        MP3 without a length header.
    """

    path: str
    format: str
    subtype: str
    sample_rate_hz: int
    channels: int
    n_samples: int

    @property
    def duration_s(self) -> float:
        """``n_samples`` in seconds."""
        return self.n_samples / self.sample_rate_hz


class _ForwardFile(sf.SoundFile):
    """A sound file read in one pass.

    soundfile seeks after every read of a seekable file, which changes the last bit of some MP3s
    and fails where the length is unknown.
    """

    def seekable(self) -> bool:
        return False


def open_sound(source: io.RawIOBase | io.BufferedReader | int) -> sf.SoundFile:
    """Open a sound file for one pass.

    Parameters
    ----------
    source : file or int
        The file, opened by the caller and to be closed by the caller, or its number.

    Raises
    ------
    AudioError
        libsndfile cannot read it as sound.
    """
    try:
        return _ForwardFile(source, closefd=False)
    except sf.LibsndfileError as error:
        why = error.error_string.strip().rstrip(".").removeprefix("Error : ")
        raise AudioError(_REASONS.get(error.code, f"not readable as sound: {why}")) from error


def describe(path: str, file: sf.SoundFile) -> AudioInfo:
    """What an open sound file claims, as far as libsndfile tells.

    Raises
    ------
    AudioError
        No samples, a sample rate or channel count out of range, or a format that is not read.
    """
    if file.format == "SDS":  # libsndfile makes up the sound that a short one does not hold
        raise AudioError("a MIDI sample dump (SDS), which is not read; save it as WAV")
    rate_hz, channels, n_samples = file.samplerate, file.channels, file.frames
    if not 1 <= channels <= _MAX_CHANNELS:
        raise AudioError(f"claims {channels} channels; 1 to {_MAX_CHANNELS} can be read")
    if rate_hz not in _RATES_HZ:
        raise AudioError(f"claims {rate_hz} Hz; {_RATES_HZ[0]} to {_RATES_HZ[-1]} can be read")
    if not n_samples:
        raise AudioError("holds no sound: 0 samples")
    if n_samples > 2**48:  # libsndfile's "unknown"
        n_samples = 0
    return AudioInfo(path, file.format, file.subtype, rate_hz, channels, n_samples)
